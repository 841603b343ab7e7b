"""What S3 tools need to work on a dataset, and what they left there, on the wire."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from hutch.contract.wire.checks import require_range
from hutch.contract.wire.transfer import MAX_BATCH

LIFE_S: Final = 3_600
"""Seconds for which a store account lives if nothing else is asked for."""
SHORTEST_LIFE_S: Final = 900
LONGEST_LIFE_S: Final = 12 * 3_600
MAX_KEY: Final = 1_024
"""Most bytes of a key of S3."""


class StoreAccess(StrEnum):
    """What an S3 tool may do with a dataset's files."""

    READ = "read"
    """List and get."""
    WRITE = "write"
    """Also put, in parts too, and mark as deleted; only while the dataset is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAccountIn:
    """Ask for a store account, which reaches this dataset and nothing else.

    Attributes:
        life_s: Seconds until it ends by itself, 900 to 43,200; sooner if the token
            that asks ends sooner.
    """

    access: StoreAccess = StoreAccess.READ
    life_s: int = LIFE_S

    def __post_init__(self) -> None:
        """Check the values."""
        require_range("life_s", self.life_s, SHORTEST_LIFE_S, LONGEST_LIFE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAccountOut:
    """A store account as listed: everything but its keys.

    Attributes:
        user: Who asked for it.
    """

    id: UUID
    access: StoreAccess
    user: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAccountCreated:
    """The one answer that holds the keys of a store account.

    Attributes:
        key_id: Access key id for the store.
        secret: Secret access key; the server does not keep it.
        endpoint: URL of the store.
        region: Region that requests are signed for.
        bucket: Bucket of the files.
        prefix: Start of the dataset's keys, with ``/`` at its end.
    """

    info: StoreAccountOut
    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    endpoint: str
    region: str
    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAccountList:
    """The store accounts of a dataset that live, the newest first."""

    items: tuple[StoreAccountOut, ...]


class StrayKind(StrEnum):
    """How what lies in the store differs from the dataset."""

    ADDED = "added"
    """There is an object that the dataset does not know."""
    OVERWRITTEN = "overwritten"
    """Over the dataset's version lies another one."""
    DELETED = "deleted"
    """Over the dataset's version lies a delete marker."""
    MISSING = "missing"
    """The dataset's version is not there."""
    HIDDEN = "hidden"
    """The dataset's version is not listed because an object lies above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayOut:
    """A path where other tools left the store unlike the dataset.

    Attributes:
        path: Below the dataset's prefix; not always one that a file may have.
        size: Of what lies there, in bytes; 0 if nothing does.
        modified: When it was written, or marked as deleted; None if nothing is there.
        problem: Why it cannot be adopted: a problem document; None if it can.
    """

    path: str
    kind: StrayKind
    size: int
    modified: datetime | None = None
    problem: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayPage:
    """Paths that differ, in the order of their bytes.

    Attributes:
        next: Where to go on (``after``); None at the end. A page may be empty and
            not be the last: the server looks at so many keys at a time.
    """

    items: tuple[StrayOut, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptIn:
    """Take what other tools did in the store into the dataset, or undo it.

    Attributes:
        paths: Only these, 1,000 at most; empty means all that there is.
        drop: Remove it instead.
    """

    paths: tuple[str, ...] = ()
    drop: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        require_range("paths", len(self.paths), 0, MAX_BATCH)
        for number, path in enumerate(self.paths):
            require_key(f"paths[{number}]", path)


def require_key(field: str, text: str) -> None:
    """The end of a key that a tool may have made: more than a file may be called."""
    if not 1 <= len(text.encode()) <= MAX_KEY:
        raise ValueError(f"{field}: has to have 1 to {MAX_KEY} bytes")
    if "\0" in text:
        raise ValueError(f"{field}: holds a character that is not allowed")
