"""Print the OpenAPI document of the API; it needs no settings."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from hutch_api.commands.exits import Exit
from hutch_api.http.openapi import document


def configure(parser: ArgumentParser) -> None:
    """Declare nothing: there is nothing to choose."""
    del parser


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Print it."""
    del options, environ
    json.dump(document(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
    return Exit.OK
