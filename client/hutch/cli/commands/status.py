"""``hutch status``: show what changed here since the last push or pull.

Only this directory is looked at; what others did meanwhile shows at push and pull.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from hutch.cli import text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import show_paths, show_problems
from hutch.models import Problem
from hutch.workdir.status import read_status

EPILOG = epilog(
    Exit.SOME_FAILED,
    ok="the difference is shown, if there is one",
    some_failed="some files cannot be pushed as they are",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    directory: Path | None
    checksum: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The answer for programs."""

    dataset: UUID
    server: str
    root: str
    new: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: int
    problems: tuple[Problem, ...]


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_directory(parser)
    add_checksum(parser)


def add_directory(parser: ArgumentParser) -> None:
    """Declare the working directory that a command is about."""
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        type=Path,
        help="the working directory (default: the one around here)",
    )


def add_checksum(parser: ArgumentParser) -> None:
    """Declare the wish to read all files again."""
    parser.add_argument(
        "--checksum",
        action="store_true",
        help="read every file again instead of trusting size and times",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    workdir = desk.workdir(options.directory)
    found = read_status(workdir, checksum=options.checksum)
    screen = desk.screen
    screen.document(
        Difference(
            dataset=workdir.dataset,
            server=workdir.server,
            root=str(workdir.root),
            new=found.new,
            changed=found.changed,
            deleted=found.deleted,
            unchanged=found.unchanged,
            problems=found.problems,
        )
    )
    screen.say(f"{workdir.root}: dataset {workdir.dataset} on {workdir.server}")
    show_paths(screen, "new", found.new)
    show_paths(screen, "changed", found.changed)
    show_paths(screen, "deleted", found.deleted)
    screen.say(f"{text.count(found.unchanged, 'file')} unchanged")
    if found.new or found.changed:
        screen.say("next: hutch push")
    elif found.deleted:
        screen.say("next: hutch push --delete, or hutch pull --restore")
    return show_problems(screen, found.problems)
