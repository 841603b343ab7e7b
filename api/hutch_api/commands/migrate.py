"""Bring the database to this version of hutch; it may be repeated."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from hutch_api import readiness
from hutch_api.commands.exits import Exit
from hutch_api.commands.place import add_place, read_settings


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Migrate."""
    readiness.migrate(read_settings(options, environ))
    print("the database is at this version")
    return Exit.OK
