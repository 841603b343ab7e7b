"""``hutch rm``: delete a dataset and its files, for good.

An open dataset disappears. A closed one leaves a tombstone, so that what was derived
from it can still say where it came from. You are asked for its name unless --yes is
given.
"""

from argparse import ArgumentParser
from dataclasses import dataclass

from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.progress import watching
from hutch.cli.reports import dataset_name, holds
from hutch.cli.screen import Screen, UsageError
from hutch.contract.wire.datasets import DatasetOut, State

EPILOG = epilog(
    Exit.STATE,
    ok="the dataset is deleted",
    usage="the command line is not right, or the name was not confirmed",
    state="the dataset is in use, being closed, or was deleted before",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str
    yes: bool


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", metavar="DATASET", help="what to delete")
    parser.add_argument(
        "--yes", action="store_true", help="delete it without asking for its name"
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    screen = desk.screen
    with desk.dataset(options.dataset) as (client, dataset):
        if not options.yes:
            _confirm(screen, dataset)
        operation = client.datasets.delete(dataset.id)
        with watching(screen, "delete") as watch:
            operation = client.datasets.wait(operation, watch=watch)
    screen.document(operation)
    left = "; a tombstone is left" if dataset.state is State.CLOSED else ""
    screen.say(f"deleted {dataset_name(dataset)}, {holds(dataset)}{left}")
    return Exit.OK


def _confirm(screen: Screen, dataset: DatasetOut) -> None:
    name = dataset_name(dataset)
    answer = screen.ask(
        f"{name} ({dataset.state}, {holds(dataset)}) and its files will be gone for "
        f"good.\nType its name to delete it: "
    )
    if answer is None:
        raise UsageError(
            f"there is no terminal to ask whether {name} shall go; give --yes"
        )
    if answer not in {name, dataset.name}:
        raise UsageError(f"{answer!r} is not the name of {name}; nothing was deleted")
