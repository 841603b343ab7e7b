"""``hutch ls``: list the datasets that you may see, the newest first."""

from argparse import ArgumentParser
from dataclasses import dataclass
from itertools import islice

from hutch.cli import text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import dataset_name
from hutch.cli.values import positive
from hutch.contract.wire.datasets import DatasetPage, State

EPILOG = epilog(ok="the list is printed; it may be empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    owner: str | None
    state: State | None
    type: str | None
    query: str | None
    limit: int | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--owner", metavar="NAME", help="only those of this user")
    parser.add_argument(
        "--state",
        choices=[state.value for state in State],
        help="only those in this state",
    )
    parser.add_argument("--type", metavar="T", help="only those of this type")
    parser.add_argument(
        "--query",
        metavar="WORDS",
        help="only those whose name, description or keywords hold these words",
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="at most this many (default: all)"
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    with desk.client() as client:
        walk = client.datasets.iterate(
            owner=options.owner,
            state=None if options.state is None else State(options.state),
            type_name=options.type,
            query=options.query,
        )
        found = tuple(islice(walk, options.limit))
    desk.screen.document(DatasetPage(items=found))
    desk.screen.table(
        [
            (
                str(dataset.id)[:8],
                dataset_name(dataset),
                dataset.state,
                dataset.type,
                f"{dataset.files:,}",
                text.size(dataset.bytes),
                text.moment(dataset.updated_at),
            )
            for dataset in found
        ],
        head=("id", "dataset", "state", "type", "files", "size", "changed"),
        right=frozenset({4, 5}),
    )
    if not found:
        desk.screen.say("no dataset; next: hutch init DIR --name NAME")
    return Exit.OK
