"""``hutch unshare``: take back what was shared.

With 'write' only that goes, and reading stays. Addresses of the store that were
handed out before may still be read for up to ten minutes.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from uuid import UUID

from hutch.cli import values
from hutch.cli.commands.share import read_principal
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import dataset_name
from hutch.cli.screen import UsageError
from hutch.client import Client
from hutch.contract.wire.datasets import DatasetOut, PrincipalKind, Right, ShareOut
from hutch.errors import NotFoundError

EPILOG = epilog(ok="the right is gone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    words: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshared:
    """The answer for programs."""

    dataset: UUID
    kind: PrincipalKind
    name: str
    share: ShareOut | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "hutch unshare [DATASET] user:NAME|group:NAME [read|write] [options]"
    parser.add_argument(
        "words",
        metavar="[DATASET] user:NAME|group:NAME [read|write]",
        nargs="+",
        help="the dataset (default: that of the working directory), from whom, and "
        "the right to take (default: read, which is all)",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    word, rest = values.first_is_dataset(options.words, mark=":")
    if not rest:
        raise UsageError("say from whom: user:NAME or group:NAME")
    (kind, name), right = read_principal(rest)
    with desk.dataset(word) as (client, dataset):
        left: ShareOut | None = None
        if right is Right.WRITE:
            _require_shared(client, dataset, kind, name)
            left = client.datasets.share(
                dataset.id, kind=kind, name=name, right=Right.READ
            )
        else:
            client.datasets.unshare(dataset.id, kind=kind, name=name)
    desk.screen.document(Unshared(dataset=dataset.id, kind=kind, name=name, share=left))
    who, what = f"{kind} {name}", dataset_name(dataset)
    # They may still have it by another share, so this speaks of the share alone.
    desk.screen.say(
        f"{who} may now only read {what}"
        if left
        else f"{what} is no longer shared with {who}"
    )
    return Exit.OK


def _require_shared(
    client: Client, dataset: DatasetOut, kind: PrincipalKind, name: str
) -> None:
    """Refuse to lower what was never given: lowering would give the right to read."""
    shares = client.datasets.shares(dataset.id).items
    if not any((share.kind, share.name) == (kind, name) for share in shares):
        raise NotFoundError(
            f"{dataset_name(dataset)} is not shared with {kind} {name}; "
            "'hutch share' shows with whom it is"
        )
