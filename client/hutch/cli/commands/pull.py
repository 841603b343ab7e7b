"""``hutch pull``: fetch what changed in the dataset of a working directory.

A file that was changed here is never overwritten and never removed.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

from hutch.cli import text
from hutch.cli.commands.push import add_jobs
from hutch.cli.commands.status import add_directory
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.progress import listening
from hutch.cli.reports import show_problems
from hutch.cli.screen import Screen
from hutch.models import PullReport
from hutch.sync.pulling import pull

EPILOG = epilog(
    Exit.SOME_FAILED,
    Exit.STATE,
    Exit.CONFLICT,
    Exit.MISMATCH,
    ok="everything in the dataset is here",
    state="the dataset was deleted",
    conflict="files were changed here as well; they were left alone",
    mismatch="what arrived is not what is recorded; run it again",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    directory: Path | None
    restore: bool
    jobs: int | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_directory(parser)
    parser.add_argument(
        "--restore", action="store_true", help="also fetch what was deleted here"
    )
    add_jobs(parser)


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    workdir = desk.workdir(options.directory)
    with desk.bound(workdir) as client, listening(desk.screen, "pull") as tell:
        report = pull(
            workdir, client, restore=options.restore, jobs=options.jobs, tell=tell
        )
    return show_fetched(desk.screen, report, again="hutch pull")


def show_fetched(screen: Screen, report: PullReport, *, again: str) -> Exit:
    """Print what a pull or a clone did, and choose the ending.

    Args:
        screen: Where to print.
        report: What it did.
        again: The command that fetches the rest.
    """
    screen.document(report)
    done = [f"fetched {text.count(report.fetched, 'file')}, {text.size(report.bytes)}"]
    if report.removed:
        done.append(f"removed {text.count(report.removed, 'file')}")
    done.append(f"{report.unchanged:,} unchanged")
    screen.say("; ".join(done))
    ending = show_problems(screen, report.problems)
    if report.absent:
        gone = text.count(len(report.absent), "file")
        screen.say(f"{gone} deleted here were not fetched; --restore fetches them")
    if report.moved:
        screen.say(f"the dataset changed meanwhile; next: {again}, for what is new")
    elif ending is Exit.SOME_FAILED:
        screen.say(f"next: {again}, to fetch the rest")
    return ending
