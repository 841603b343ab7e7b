"""``hutch close``: close a dataset, for good.

A closed dataset never changes again, and can be derived from. Inside a working
directory files that were not pushed stop it, because they could never be added.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Final

from hutch.cli import text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.progress import watching
from hutch.cli.reports import dataset_name, holds
from hutch.contract.wire.datasets import CloseIn
from hutch.errors import LocalChangesError
from hutch.workdir.status import read_status

EPILOG = epilog(
    Exit.STATE,
    Exit.CONFLICT,
    ok="the dataset is closed",
    state="it cannot be closed yet, or was closed before; the reasons are listed",
    conflict="files here were not pushed: push them, or --as-is",
)


SHOWN: Final = 3
"""Paths named in the refusal; enough to recognise what was forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str | None
    abandon: bool
    empty: bool
    drop: bool
    as_is: bool


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset(parser)
    parser.add_argument(
        "--abandon",
        action="store_true",
        help="end uploads that are not finished; their files are not kept",
    )
    parser.add_argument(
        "--empty", action="store_true", help="close it although it holds no file"
    )
    parser.add_argument(
        "--drop",
        action="store_true",
        help="remove what other tools wrote into the store, past hutch",
    )
    parser.add_argument(
        "--as-is",
        action="store_true",
        help="close it although files here were not pushed",
    )


def add_dataset(parser: ArgumentParser) -> None:
    """Declare a dataset that may be left out inside a working directory."""
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        nargs="?",
        help="the dataset (default: that of the working directory)",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    if options.dataset is None and not options.as_is:
        _require_pushed(desk)
    screen = desk.screen
    wanted = CloseIn(abandon=options.abandon, empty=options.empty, drop=options.drop)
    with desk.dataset(options.dataset) as (client, dataset):
        operation = client.datasets.close(dataset.id, wanted)
        with watching(screen, "close") as watch:
            client.datasets.wait(operation, watch=watch)
        closed = client.datasets.get(dataset.id)
    screen.document(closed)
    screen.say(f"closed {dataset_name(closed)} for good: {holds(closed)}")
    screen.say(f"digest {closed.digest}")
    screen.say(f"seal   {closed.seal}")
    screen.say(f"next: hutch derive {dataset_name(closed)} --name N, or hutch share")
    return Exit.OK


def _require_pushed(desk: Desk) -> None:
    workdir = desk.workdir()
    found = read_status(workdir)
    waiting = [*found.new, *found.changed, *found.deleted]
    if waiting:
        shown = ", ".join(waiting[:SHOWN]) + (", …" if len(waiting) > SHOWN else "")
        raise LocalChangesError(
            f"{text.count(len(waiting), 'change')} in {workdir.root} would be left "
            f"out for good: {shown}. Run 'hutch push' first, or close with --as-is",
            new=found.new,
            changed=found.changed,
            deleted=found.deleted,
        )
