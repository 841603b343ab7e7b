"""``hutch info``: show what is known of a dataset."""

from argparse import ArgumentParser
from dataclasses import dataclass

from hutch.cli.commands.close import add_dataset
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import describe

EPILOG = epilog(ok="it is shown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset(parser)


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    with desk.dataset(options.dataset) as (_client, dataset):
        desk.screen.document(dataset)
        describe(desk.screen, dataset)
    return Exit.OK
