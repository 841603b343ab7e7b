"""``hutch status``: show what changed here since the last push or pull.

This directory is looked at; what others pushed meanwhile shows at push and pull. The
server is asked only for what S3 tools did in the store, if they may write there.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import UUID

from hutch.cli import text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import show_paths, show_problems, show_strays
from hutch.contract.problems import HutchError
from hutch.contract.wire.datasets import State
from hutch.contract.wire.tools import StrayOut
from hutch.models import Problem
from hutch.workdir.directory import Workdir
from hutch.workdir.status import read_status

EPILOG = epilog(
    Exit.SOME_FAILED,
    ok="the difference is shown, if there is one",
    some_failed="some files cannot be pushed as they are",
)
MOST_STRAYS = 1_000


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
    strays: tuple[StrayOut, ...] | None


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
    strays = _strays(desk, workdir)
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
            strays=strays,
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
    if strays:
        screen.say("in the store, by other tools:")
        show_strays(screen, strays)
        screen.say("next: hutch adopt, or hutch adopt --drop")
    return show_problems(screen, found.problems)


def _strays(desk: Desk, workdir: Workdir) -> tuple[StrayOut, ...] | None:
    """Ask the server what other tools did in the store; None if it does not say."""
    try:
        with desk.bound(workdir) as client:
            client.hurry()
            dataset = client.datasets.get(workdir.dataset)
            if dataset.state is not State.OPEN or dataset.tools_since is None:
                return ()
            return tuple(islice(client.strays.iterate(dataset.id), MOST_STRAYS))
    except HutchError as error:
        desk.screen.note(f"what other tools did is not known: {error.detail}")
        return None
