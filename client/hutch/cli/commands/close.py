"""``hutch close``: close a dataset, for good.

A closed dataset never changes again, and can be derived from. Inside a working
directory files that were not pushed stop it, because they could never be added; so do
files that somebody still has open for writing.
"""

from argparse import ArgumentParser
from dataclasses import dataclass

from hutch.cli import text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.progress import watching
from hutch.cli.reports import dataset_name, holds
from hutch.contract.wire.datasets import CloseIn
from hutch.errors import LocalChangesError
from hutch.watch.holders import held_open
from hutch.workdir.status import read_status
from hutch.workdir.walk import Found, walk

EPILOG = epilog(
    Exit.STATE,
    Exit.CONFLICT,
    ok="the dataset is closed",
    state="it cannot be closed yet, or was closed before; the reasons are listed",
    conflict="files here were not pushed, or are still open: push them, or --as-is",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str | None
    abandon: bool
    empty: bool
    adopt: bool
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
    foreign = parser.add_mutually_exclusive_group()
    foreign.add_argument(
        "--adopt",
        action="store_true",
        help="take in what other tools did in the store, past hutch",
    )
    foreign.add_argument(
        "--drop",
        action="store_true",
        help="undo what other tools did in the store, past hutch",
    )
    parser.add_argument(
        "--as-is",
        action="store_true",
        help="close it although files here were not pushed, or are still open for "
        "writing",
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
    wanted = CloseIn(
        abandon=options.abandon,
        empty=options.empty,
        adopt=options.adopt,
        drop=options.drop,
    )
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
    # Asked before the comparison: what is closed by now, that one sees as it is.
    files = (item for item in walk(workdir.root) if isinstance(item, Found))
    held = tuple(held_open(workdir.root, files))
    found = read_status(workdir)
    waiting = [*found.new, *found.changed, *found.deleted]
    reasons = []
    if waiting:
        changes = text.count(len(waiting), "change")
        reasons.append(f"{changes} would be left out for good: {text.some(waiting)}")
    if held:
        count = text.count(len(held), "file is", "files are")
        reasons.append(f"{count} still open for writing: {text.some(held)}")
    if reasons:
        raise LocalChangesError(
            f"In {workdir.root} {', and '.join(reasons)}. "
            f"{'Have them closed, run' if held else 'Run'} 'hutch push' first, or "
            "close with --as-is",
            new=found.new,
            changed=found.changed,
            deleted=found.deleted,
            open=held,
        )
