"""``hutch preview``: show what a closed dataset holds, by small pictures.

They are made once, by a program of hutch itself that reads the files where they lie,
and seen by whoever may read the dataset. This begins that if there are none yet, and
waits until they are there. index.json, one of them, says what each picture shows, and
why a file is not shown.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from hutch.cli import text
from hutch.cli.commands.run import note_begun
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.placing import place, require_free
from hutch.cli.reports import dataset_name
from hutch.cli.running import FAILED, INTERRUPTED, await_run, show_end
from hutch.cli.screen import Screen
from hutch.client import Client
from hutch.contract.problems import NameTakenError
from hutch.contract.wire.datasets import DatasetOut
from hutch.contract.wire.previews import PreviewList
from hutch.contract.wire.runs import RunOut, RunState

EPILOG = epilog(
    Exit.STATE,
    Exit.CONFLICT,
    ok="the previews are there",
    failed=FAILED,
    state="the dataset is not closed, or was deleted",
    conflict="a file of yours is in the way, or newer previews came meanwhile",
    interrupted=INTERRUPTED,
)
DEFINITION: Final = "hutch-preview"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str | None
    to: Path | None
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A preview as programs are told of it.

    Attributes:
        file: Where it is now; None if it was not asked for.
    """

    name: str
    bytes: int
    media_type: str
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer for programs.

    Attributes:
        run: The run that made the previews, or was to make them.
        state: How that ended.
    """

    dataset: UUID
    run: UUID | None
    state: RunState
    made_at: datetime | None
    items: tuple[Shown, ...]


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        nargs="?",
        help="what to show (default: that of the working directory)",
    )
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="fetch them into this directory"
    )
    parser.add_argument(
        "--again", action="store_true", help="make them anew, though there are some"
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    screen = desk.screen
    with desk.dataset(options.dataset) as (client, dataset):
        listed = client.previews.list(dataset.id)
        if options.again or listed.run is None:
            ended = await_run(screen, client, _begin(screen, client, dataset))
            if ended.state is not RunState.SUCCEEDED:
                screen.document(_answer(dataset, ended.state, ended.id))
                return show_end(screen, client, ended)
            listed = client.previews.list(dataset.id)
        files = _fetch(client, dataset, listed, options.to)
        state = RunState.SUCCEEDED
        screen.document(_answer(dataset, state, listed.run, listed, files))
        _show(screen, dataset, listed, options.to)
    return Exit.OK


def _begin(screen: Screen, client: Client, dataset: DatasetOut) -> RunOut:
    """Begin a run; one that is under way already is joined."""
    try:
        begun = client.run(DEFINITION, inputs={"dataset": dataset})
    except NameTakenError as error:
        name = str(error.facts.get("name", ""))
        joined = client.find_run(name)
        screen.note(f"they are being made by the run {str(joined.id)[:8]} already")
        return joined
    note_begun(screen, begun)
    return begun


def _fetch(
    client: Client, dataset: DatasetOut, listed: PreviewList, to: Path | None
) -> dict[str, str]:
    """Write previews into a directory; gives where each is, by its name.

    Raises:
        ConflictError: If a file is in the way, or they were replaced meanwhile.
    """
    if to is None:
        return {}
    require_free(to, [one.name for one in listed.items])
    files = {}
    for one, data in client.previews.fetch(dataset.id, listed):
        place(to / one.name, data)
        files[one.name] = str(to / one.name)
    return files


def _answer(
    dataset: DatasetOut,
    state: RunState,
    run: UUID | None,
    listed: PreviewList | None = None,
    files: dict[str, str] | None = None,
) -> Answer:
    """Say what there is; never how it is fetched, which is for its reader alone."""
    return Answer(
        dataset=dataset.id,
        run=run,
        state=state,
        made_at=None if listed is None else listed.made_at,
        items=tuple(
            Shown(
                name=one.name,
                bytes=one.bytes,
                media_type=one.media_type,
                file=(files or {}).get(one.name),
            )
            for one in (() if listed is None else listed.items)
        ),
    )


def _show(
    screen: Screen, dataset: DatasetOut, listed: PreviewList, to: Path | None
) -> None:
    screen.table(
        [(one.name, text.size(one.bytes), one.media_type) for one in listed.items],
        head=("preview", "size", "type"),
        right=frozenset({1}),
    )
    screen.say(
        f"{text.count(len(listed.items), 'preview')} of {dataset_name(dataset)}, made "
        f"{text.moment(listed.made_at)}"
    )
    if to is None:
        screen.say("next: the same with --to DIR fetches them")
    else:
        screen.say(f"they are in {to}")
