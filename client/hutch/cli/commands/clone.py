"""``hutch clone``: fetch a dataset into a new working directory.

Each file is verified before it gets its name. Interrupted, it goes on where it
stopped when you run it again. With --include only matching paths are fetched; *
and ? stop at a slash, ** does not.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

from hutch.cli.commands.pull import show_fetched
from hutch.cli.commands.push import add_jobs
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.progress import listening
from hutch.cli.reports import dataset_name, holds
from hutch.contract.wire.datasets import State
from hutch.sync.pulling import clone

EPILOG = epilog(
    Exit.SOME_FAILED,
    Exit.STATE,
    Exit.CONFLICT,
    Exit.MISMATCH,
    ok="everything that was asked for is here, verified",
    state="the dataset was deleted",
    conflict="files of the directory are in the way; they were left alone",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str
    directory: Path | None
    include: list[str]
    jobs: int | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", metavar="DATASET", help="what to fetch")
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        type=Path,
        help="where to put it (default: its name)",
    )
    add_include(parser)
    add_jobs(parser)


def add_include(parser: ArgumentParser) -> None:
    """Declare the patterns that choose paths."""
    parser.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="GLOB",
        help="only paths that match; may be given again",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    screen = desk.screen
    with desk.dataset(options.dataset) as (client, dataset):
        directory = options.directory or Path(dataset.name)
        screen.say(f"{dataset_name(dataset)} ({dataset.state}): {holds(dataset)}")
        with listening(screen, "clone") as tell:
            report = clone(
                client,
                dataset,
                directory,
                include=options.include,
                jobs=options.jobs,
                tell=tell,
            )
    ending = show_fetched(screen, report, again="the same command again")
    if ending is Exit.OK:
        screen.say(f"it is in {directory}")
        if dataset.state is State.OPEN:
            screen.say("the dataset is open: its files may still change")
    return ending
