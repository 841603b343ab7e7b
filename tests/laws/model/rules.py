"""The rules of hutch that the models ask, so that a change of one changes the other."""

from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache
from typing import Final
from uuid import UUID

from hutch.contract.paths import parse
from hutch.contract.problems import HutchError
from hutch.contract.wire.datasets import State
from hutch.contract.wire.transfer import UploadIn
from hutch_api.domain.layout import key_of
from hutch_api.domain.lifecycle import require_open
from hutch_api.ports.objects import Version
from hutch_api.services import (
    announcement,
    comparison,
    neighbours,
    store_accounts,
    upkeep,
)
from hutch_api.services.comparison import Oddity
from hutch_api.store.rows import FileRow, IntentRow
from hutch_api.store.tables import IntentState, Verb

_DATASET: Final = UUID(int=1)
_PATH: Final = "a"
_THEN: Final = datetime(2026, 1, 1, tzinfo=UTC)

AFTER_URLS: Final = upkeep.LATE > store_accounts.URL_LIFE
"""What an upload left, and what it brought, goes when no URL of it works any more."""


@cache
def is_open(state: State) -> bool:
    """Ask whether a dataset in this state takes changes."""
    try:
        require_open(state, name="d")
    except HutchError:
        return False
    return True


@cache
def base_holds(current: int, base: int) -> bool:
    """Ask whether a version may be replaced by who knew another; 0 means none."""
    file = _file(current) if current else None
    try:
        announcement.require_base(_PATH, file, str(base) if base else None, known={})
    except HutchError:
        return False
    return True


@cache
def verb_for(*, held: bool, awaited: bool, used: bool) -> Verb:
    """Ask how a small file travels to a path."""
    known = neighbours.Known(
        files={},
        live={},
        names={},
        used=frozenset([_PATH] if used else []),
        above=frozenset(),
        own=frozenset(),
    )
    return announcement._verb(
        parse(_PATH),
        UploadIn(path=_PATH, size=1, base=None, crc64nvme="AAAAAAAAAAA="),
        file=_file(1) if held else None,
        live=_intent() if awaited else None,
        known=known,
    )


@cache
def compared(
    pinned: int,
    listed: tuple[int, ...],
    dead: frozenset[int],
    takes: Collection[Oddity],
) -> tuple[tuple[int, ...], bool, bool]:
    """Compare what is pinned with what is listed, the newest first.

    Returns:
        What is taken away; whether foreign versions are among it; whether something
        stands against a close.
    """
    removed: list[Version] = []
    found = comparison.compare(
        _DATASET,
        [_file(pinned)] if pinned else [],
        [
            Version(
                key=key_of(_DATASET, _PATH),
                version=str(version),
                size=1,
                is_latest=place == 0,
                is_marker=False,
                modified=_THEN,
            )
            for place, version in enumerate(listed)
        ],
        is_dead=lambda _, version: int(version.version) in dead,
        remove=removed.extend,
        takes=takes,
    )
    gone = tuple(int(v.version) for v in removed)
    return gone, bool(found.taken), bool(found.differences)


def _file(version: int) -> FileRow:
    return FileRow(
        path=_PATH,
        fold=_PATH,
        size=1,
        sha256="",
        crc64nvme="",
        version=str(version),
        intent_id=_DATASET,
        confirmed=False,
        confirmed_at=None,
        fault=None,
        committed_at=_THEN,
        committed_by=_DATASET,
    )


def _intent() -> IntentRow:
    return IntentRow(
        id=_DATASET,
        dataset_id=_DATASET,
        push_id=_DATASET,
        actor_id=_DATASET,
        path=_PATH,
        fold=_PATH,
        verb=Verb.SINGLE,
        state=IntentState.URL,
        size=1,
        part_size=None,
        base=None,
        force=False,
        crc64nvme=None,
        sha256=None,
        upload=None,
        cleared=False,
        version=None,
        created_at=_THEN,
        touched_at=_THEN,
    )
