"""``hutch log``: show who did what with a dataset, the newest first."""

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from hutch.cli import text
from hutch.cli.commands.close import add_dataset
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.values import positive
from hutch.client import Client
from hutch.contract.wire.datasets import AuditOut, AuditPage

EPILOG = epilog(ok="it is shown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str | None
    limit: int | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset(parser)
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="at most this many (default: all)"
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    with desk.dataset(options.dataset) as (client, dataset):
        entries = tuple(islice(_walk(client, dataset.id), options.limit))
    desk.screen.document(AuditPage(items=entries))
    desk.screen.table(
        (text.moment(entry.at), entry.actor, entry.action, _facts(entry))
        for entry in entries
    )
    return Exit.OK


def _walk(client: Client, dataset: UUID) -> Iterator[AuditOut]:
    after: str | None = None
    while True:
        page = client.datasets.audit(dataset, after=after)
        yield from page.items
        after = page.next
        if after is None:
            return


def _facts(entry: AuditOut) -> str:
    return " ".join(f"{key}={value}" for key, value in text.flat(entry.facts))
