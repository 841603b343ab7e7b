"""``hutch give``: make somebody else the owner of a dataset.

You may still read it; the new owner can take that back by 'hutch unshare'. An admin
gives what a disabled user has left, by its id, and does not see it by that.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from uuid import UUID

from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog

EPILOG = epilog(
    Exit.STATE,
    Exit.CONFLICT,
    ok="the dataset has its new owner",
    conflict="the new owner has a dataset of this name already",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The answer for programs where the dataset cannot be seen."""

    id: UUID
    owner: str


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", metavar="DATASET", help="what to give")
    parser.add_argument("owner", metavar="NAME", help="the user to give it to")


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    with desk.client() as client:
        dataset = _read_id(options.dataset) or client.find(options.dataset).id
        given = client.datasets.give(dataset, options.owner)
    screen = desk.screen
    screen.document(Given(id=dataset, owner=options.owner) if given is None else given)
    name = dataset if given is None else given.name
    screen.say(f"{name} now belongs to {options.owner}")
    return Exit.OK


def _read_id(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        return None
