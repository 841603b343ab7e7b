"""``hutch derive``: make an empty dataset that names its parents, bound to a directory.

Nothing is copied: put what you compute into the directory, push it and close it. All
parents must be closed. The child records what they held, so that its origin can be
checked for ever.

DIR is made if needed; without it the child's name is the directory. Of several words
the last one is DIR if it looks like a path (./x, /x, ~), if it is a directory, or if
it is a plain word that no dataset has for its name.
"""

from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hutch.cli import values
from hutch.cli.commands.init import add_naming, bind
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import dataset_name
from hutch.cli.screen import UsageError
from hutch.client import Client
from hutch.contract.wire.datasets import DatasetIn, DatasetOut
from hutch.errors import NotFoundError
from hutch.workdir.directory import require_unbound

EPILOG = epilog(
    Exit.STATE,
    Exit.CONFLICT,
    ok="the child is made and the directory is bound to it",
    state="a parent is still open",
    conflict="you have a dataset of this name already",
)

_PATHS: Final = ("/", "./", "../", "~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    words: list[str]
    name: str
    type: str
    attributes: list[tuple[tuple[str, ...], Any]]
    description: str
    keywords: list[str]
    revision: bool


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "hutch derive PARENT [PARENT ...] [DIR] --name N [options]"
    parser.add_argument(
        "words", metavar="PARENT … [DIR]", nargs="+", help="closed datasets, and where"
    )
    add_naming(parser)
    parser.add_argument(
        "--revision",
        action="store_true",
        help="the child corrects its one parent instead of processing it",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    with desk.client() as client:
        parents, directory = _read_words(client, options.words)
        directory = directory or Path(options.name)
        require_unbound(directory)
        made = client.datasets.create(_wanted(options, parents))
        workdir = bind(client, made, directory)
    screen = desk.screen
    screen.document(made)
    screen.made(made.id)
    names = ", ".join(map(dataset_name, parents))
    screen.say(f"made {dataset_name(made)} ({made.id}) from {names}")
    screen.say(f"it is empty and bound to {workdir.root}")
    screen.say("next: put your results there, then hutch push")
    return Exit.OK


def _wanted(options: Options, parents: list[DatasetOut]) -> DatasetIn:
    try:
        return DatasetIn(
            name=options.name,
            type=options.type,
            attributes=values.without_removals(values.nested(options.attributes)),
            description=options.description,
            keywords=tuple(options.keywords),
            inputs=tuple(parent.id for parent in parents),
            correction=options.revision,
        )
    except (ValueError, ArgumentTypeError) as error:
        raise UsageError(str(error)) from None


def _read_words(
    client: Client, words: list[str]
) -> tuple[list[DatasetOut], Path | None]:
    *first, last = words
    parents = [client.find(word) for word in first]
    if first and (
        last in {".", ".."} or last.startswith(_PATHS) or Path(last).is_dir()
    ):
        return parents, Path(last).expanduser()
    try:
        return [*parents, client.find(last)], None
    except NotFoundError:
        # 'anna/raw' or an id that nobody knows is a mistyped parent: making a child
        # of only the others would be wrong for ever.
        if not first or "/" in last or values.is_id(last):
            raise
        return parents, Path(last)
