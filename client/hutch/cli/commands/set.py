"""``hutch set``: change what is known of a dataset.

Attributes are K=V: V is JSON if it can be read as JSON, and text otherwise; dots make
nested attributes (sample.name=tooth), and K= removes one. They can be set while the
dataset is open; its name, description and keywords also later.
"""

from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from hutch.cli import values
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import dataset_name, describe
from hutch.cli.screen import UsageError
from hutch.client import Client
from hutch.contract.wire.datasets import DatasetOut, DatasetPatch
from hutch.errors import PreconditionFailedError

EPILOG = epilog(
    Exit.STATE,
    Exit.CONFLICT,
    ok="the change is made",
    state="the dataset is closed; its attributes are fixed",
    conflict="the name is taken, or somebody changed it at the same moment",
)


CHANCES: Final = 3
"""Times that a change is tried against what somebody else may change meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    words: list[str]
    name: str | None
    description: str | None
    keywords: list[str] | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "hutch set [DATASET] [K=V ...] [options]"
    parser.add_argument(
        "words",
        metavar="[DATASET] K=V …",
        nargs="*",
        help="the dataset (default: that of the working directory), and attributes",
    )
    parser.add_argument("--name", metavar="N", help="a new name")
    parser.add_argument("--description", metavar="TEXT", help="a new description")
    parser.add_argument(
        "--keyword",
        dest="keywords",
        action="append",
        metavar="WORD",
        help="the new keywords, instead of those there are; may be given again",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    word, rest = values.first_is_dataset(options.words, mark="=")
    try:
        assignments = [values.assignment(text) for text in rest]
    except ArgumentTypeError as error:
        raise UsageError(str(error)) from None
    with desk.dataset(word) as (client, dataset):
        changed = _change(client, dataset.id, options, assignments)
    desk.screen.document(changed)
    desk.screen.say(f"changed {dataset_name(changed)}")
    if not desk.screen.quiet:
        describe(desk.screen, changed)
    return Exit.OK


def _change(
    client: Client,
    dataset: UUID,
    options: Options,
    assignments: list[tuple[tuple[str, ...], Any]],
) -> DatasetOut:
    """Patch what was read, and read again if somebody was faster.

    A dotted key changes a part of an attribute, which is sent as a whole.
    """
    for chance in range(CHANCES):
        seen, etag = client.datasets.get_with_etag(dataset)
        changes = _changes(options, assignments, seen)
        try:
            return client.datasets.patch(dataset, changes, if_match=etag or None)
        except PreconditionFailedError:
            if chance == CHANCES - 1:
                raise
    raise AssertionError("unreachable")  # pragma: no cover


def _changes(
    options: Options,
    assignments: list[tuple[tuple[str, ...], Any]],
    seen: DatasetOut,
) -> DatasetPatch:
    try:
        changes = DatasetPatch(
            name=options.name,
            description=options.description,
            keywords=None if options.keywords is None else tuple(options.keywords),
            attributes=values.changed(seen.attributes, assignments) or None,
        )
    except (ValueError, ArgumentTypeError) as error:
        raise UsageError(str(error)) from None
    if changes == DatasetPatch():
        raise UsageError("say what to change: K=V, --name, --description or --keyword")
    return changes
