"""``hutch init``: make a dataset and bind a directory to it.

Nothing is sent yet and nothing in the directory changes, except that .hutch/ is made
in it; 'hutch push' sends the files. A value of --attr is JSON if it can be read as
JSON, and text otherwise; dots make nested attributes: --attr sample.name=tooth.
"""

from argparse import ArgumentParser, ArgumentTypeError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hutch.cli import values
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import dataset_name
from hutch.cli.screen import UsageError
from hutch.client import Client
from hutch.contract.problems import HutchError
from hutch.contract.wire.datasets import DatasetIn, DatasetOut
from hutch.workdir.directory import Workdir, make_workdir, require_unbound

EPILOG = epilog(
    Exit.CONFLICT,
    ok="the dataset is made and the directory is bound to it",
    conflict="the owner has a dataset of this name already",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    directory: Path
    name: str
    type: str
    attributes: list[tuple[tuple[str, ...], Any]]
    description: str
    keywords: list[str]
    owner: str | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        type=Path,
        default=Path(),
        help="the directory; it is made if needed (default: this one)",
    )
    add_naming(parser)
    parser.add_argument(
        "--owner",
        metavar="NAME",
        help="for whom it is made; beamline accounts may name somebody else",
    )


def add_naming(parser: ArgumentParser) -> None:
    """Declare what a new dataset is called and known by."""
    parser.add_argument(
        "--name", required=True, metavar="N", help="name of the dataset"
    )
    parser.add_argument(
        "--type", default="generic", metavar="T", help="its type (default: generic)"
    )
    parser.add_argument(
        "--attr",
        dest="attributes",
        action="append",
        default=[],
        type=values.assignment,
        metavar="K=V",
        help="an attribute; may be given again",
    )
    parser.add_argument(
        "--description", default="", metavar="TEXT", help="what it is about"
    )
    parser.add_argument(
        "--keyword",
        dest="keywords",
        action="append",
        default=[],
        metavar="WORD",
        help="a keyword; may be given again",
    )


def bind(client: Client, made: DatasetOut, directory: Path) -> Workdir:
    """Bind a directory to a dataset that was just made.

    Raises:
        WorkdirError: It cannot be bound; the dataset is deleted again, so that its
            name is free for the next try.
    """
    try:
        return make_workdir(directory, dataset=made.id, server=client.url)
    except HutchError:
        with suppress(HutchError):  # without the right to delete it stays, empty
            client.datasets.delete(made.id)
        raise


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    require_unbound(options.directory)
    try:
        wanted = DatasetIn(
            name=options.name,
            type=options.type,
            attributes=values.without_removals(values.nested(options.attributes)),
            description=options.description,
            keywords=tuple(options.keywords),
            owner=options.owner,
        )
    except (ValueError, ArgumentTypeError) as error:
        raise UsageError(str(error)) from None
    with desk.client() as client:
        made = client.datasets.create(wanted)
        workdir = bind(client, made, options.directory)
    screen = desk.screen
    screen.document(made)
    screen.made(made.id)
    screen.say(f"made {dataset_name(made)} ({made.id}), bound to {workdir.root}")
    screen.say("next: hutch push")
    return Exit.OK
