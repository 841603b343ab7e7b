"""``hutch rerun``: make a dataset once more, as its record says it was made.

The same version of the definition is run on the same inputs with the same parameters.
With --wait the digests of the two are compared at the end: they are equal if each file
has the same bytes.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from hutch.cli.commands.run import note_begun, tell_begun
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import dataset_name
from hutch.cli.running import FAILED, INTERRUPTED, add_waiting, await_run, show_end
from hutch.cli.screen import Screen, UsageError
from hutch.client import Client
from hutch.contract.wire.datasets import DatasetOut
from hutch.contract.wire.runs import RunOut
from hutch.resources.runs import wanted_again

EPILOG = epilog(
    Exit.STATE,
    Exit.CONFLICT,
    Exit.MISMATCH,
    ok="the run is begun; with --wait: it made the same files",
    failed=FAILED,
    state="an input, the image or the definition is not there for it any more",
    conflict="you have a dataset, or a run that makes one, of this name already",
    mismatch="the run made other files; both digests are printed",
    interrupted=INTERRUPTED,
)

_AGAIN: Final = "-rerun"
_LONGEST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str
    name: str | None
    wait: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The answer for programs.

    Attributes:
        dataset: What is made once more.
        digest: Its digest.
        made: Digest of what the run made; None if it made nothing yet.
        equal: Whether the two are equal; None if the run made nothing yet.
    """

    run: RunOut
    dataset: UUID
    digest: str | None
    made: str | None = None
    equal: bool | None = None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", metavar="DATASET", help="what to make once more")
    parser.add_argument(
        "--name",
        metavar="N",
        help=f"name of the dataset that is made (default: its name and {_AGAIN})",
    )
    add_waiting(parser)


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    screen = desk.screen
    with desk.dataset(options.dataset) as (client, dataset):
        begun = _start(client, dataset, options.name)
        if not options.wait:
            screen.document(Again(run=begun, dataset=dataset.id, digest=dataset.digest))
            screen.made(begun.id)
            tell_begun(screen, begun)
            return Exit.OK
        note_begun(screen, begun)
        ended = await_run(screen, client, begun)
        made = None if ended.dataset is None else client.datasets.get(ended.dataset)
        screen.document(
            Again(
                run=ended,
                dataset=dataset.id,
                digest=dataset.digest,
                made=None if made is None else made.digest,
                equal=None if made is None else made.digest == dataset.digest,
            )
        )
        ending = show_end(screen, client, ended)
    return ending if made is None else _compare(screen, dataset, made)


def _start(client: Client, dataset: DatasetOut, name: str | None) -> RunOut:
    if dataset.run is None:
        raise UsageError(
            f"{dataset_name(dataset)} was not made by a run; 'hutch lineage' shows "
            "where it comes from"
        )
    chosen = name or f"{dataset.name[: _LONGEST - len(_AGAIN)]}{_AGAIN}"
    try:
        wanted = wanted_again(dataset.run, chosen)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return client.runs.start(wanted)


def _compare(screen: Screen, dataset: DatasetOut, made: DatasetOut) -> Exit:
    if made.digest == dataset.digest:
        screen.say(f"the same files as {dataset_name(dataset)}: the digests are equal")
        return Exit.OK
    screen.warn(f"{dataset_name(made)} holds other files than {dataset_name(dataset)}")
    screen.table(
        [
            (dataset_name(dataset), dataset.digest or "-"),
            (dataset_name(made), made.digest or "-"),
        ]
    )
    return Exit.MISMATCH
