"""``hutch push``: send what changed in a working directory.

Only what changed is sent. A file that was deleted here stays in the dataset unless
--delete is given. A file that somebody else changed meanwhile is refused unless
--force is given. Interrupted, it goes on where it stopped when you run it again.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

from hutch.cli import text
from hutch.cli.commands.status import add_checksum, add_directory
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.progress import listening
from hutch.cli.reports import show_problems
from hutch.cli.values import positive
from hutch.sync.pushing import push

EPILOG = epilog(
    Exit.SOME_FAILED,
    Exit.STATE,
    Exit.CONFLICT,
    ok="everything that is here is in the dataset",
    state="the dataset is closed, or being closed or deleted",
    conflict="others changed or are pushing these files: pull, or --force",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    directory: Path | None
    delete: bool
    checksum: bool
    force: bool
    jobs: int | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_directory(parser)
    parser.add_argument(
        "--delete",
        action="store_true",
        help="also take out of the dataset what was deleted here",
    )
    add_checksum(parser)
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace what others changed meanwhile; take over their uploads if the "
        "dataset is yours",
    )
    add_jobs(parser)


def add_jobs(parser: ArgumentParser) -> None:
    """Declare how much happens at a time."""
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="transfers at a time (default: as many as are found to be good)",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    workdir = desk.workdir(options.directory)
    screen = desk.screen
    with desk.bound(workdir) as client, listening(screen, "push") as tell:
        report = push(
            workdir,
            client,
            delete=options.delete,
            checksum=options.checksum,
            force=options.force,
            jobs=options.jobs,
            tell=tell,
        )
    screen.document(report)
    done = [f"sent {text.count(report.sent, 'file')}, {text.size(report.bytes)}"]
    if report.removed:
        done.append(f"removed {text.count(report.removed, 'file')}")
    done.append(f"{report.unchanged:,} unchanged")
    screen.say("; ".join(done))
    ending = show_problems(screen, report.problems)
    if report.kept:
        gone = text.count(len(report.kept), "file")
        screen.say(f"{gone} deleted here, kept in the dataset; --delete removes them")
    if ending is Exit.OK and (report.sent or report.removed):
        screen.say("next: hutch close, or change files and hutch push again")
    elif ending is Exit.SOME_FAILED:
        screen.say("next: hutch push, to send the rest")
    return ending
