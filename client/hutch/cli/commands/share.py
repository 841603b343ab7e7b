"""``hutch share``: let a user or a group reach a dataset, or show who may.

'read' lets them see, clone, verify and derive from it; 'write' also push to it and set
its attributes while it is open. Without anybody named, the shares are listed.
"""

from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass
from typing import Final

from hutch.cli import text, values
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import dataset_name
from hutch.cli.screen import Screen, UsageError
from hutch.client import Client
from hutch.contract.wire.datasets import DatasetOut, PrincipalKind, Right

EPILOG = epilog(Exit.STATE, ok="it is shared, or the shares are listed")

RIGHTS: Final = (Right.READ.value, Right.WRITE.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    words: list[str]


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "hutch share [DATASET] [user:NAME|group:NAME [read|write]] [options]"
    parser.add_argument(
        "words",
        metavar="[DATASET] [user:NAME|group:NAME [read|write]]",
        nargs="*",
        help="the dataset (default: that of the working directory), with whom, and "
        "the right (default: read)",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    word, rest = values.first_is_dataset(options.words, mark=":")
    who, right = read_principal(rest) if rest else (None, None)
    with desk.dataset(word) as (client, dataset):
        if who is None:
            return _list(desk.screen, client, dataset)
        kind, name = who
        shared = client.datasets.share(
            dataset.id, kind=kind, name=name, right=right or Right.READ
        )
    desk.screen.document(shared)
    desk.screen.say(
        f"{shared.kind} {shared.name} may now {shared.right} {dataset_name(dataset)}"
    )
    return Exit.OK


def read_principal(
    words: list[str],
) -> tuple[tuple[PrincipalKind, str], Right | None]:
    """Read ``user:NAME|group:NAME [read|write]``.

    Raises:
        UsageError: If it is anything else.
    """
    who, *rest = words
    if len(rest) > 1 or (rest and rest[0] not in RIGHTS):
        raise UsageError(f"{' '.join(rest)!r}: the right is 'read' or 'write'")
    try:
        return values.principal(who), Right(rest[0]) if rest else None
    except ArgumentTypeError as error:
        raise UsageError(str(error)) from None


def _list(screen: Screen, client: Client, dataset: DatasetOut) -> Exit:
    shares = client.datasets.shares(dataset.id)
    screen.document(shares)
    screen.table(
        (f"{share.kind}:{share.name}", share.right, text.moment(share.since))
        for share in shares.items
    )
    if not shares.items:
        screen.say(f"{dataset_name(dataset)} is shared with nobody")
    return Exit.OK
