"""Datasets, what is known of them and who may reach them, on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from hutch.contract.wire.checks import (
    MAX_KEYWORDS,
    MAX_LABEL,
    require_name,
    require_text,
)


class State(StrEnum):
    """Where a dataset stands. After ``closed`` there is no way back."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    DELETING = "deleting"
    DELETED = "deleted"


class Fault(StrEnum):
    """What the server found when it read a closed file again."""

    CORRUPT = "corrupt"
    """Its bytes are not those that are recorded."""
    MISSING = "missing"
    """The store does not have the version any more."""
    UNREADABLE = "unreadable"
    """The store has it, but fails to give it."""


class Right(StrEnum):
    """What somebody may do with a dataset; each holds the ones before it."""

    READ = "read"
    WRITE = "write"
    OWN = "own"


class PrincipalKind(StrEnum):
    """To whom a share is given."""

    USER = "user"
    GROUP = "group"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetIn:
    """Make a dataset; with ``inputs`` it is derived from them.

    Attributes:
        owner: For whom; None means the caller. Beamline accounts may name another.
        inputs: Parents, all closed; empty for an original dataset.
        correction: It corrects its one parent instead of processing it.
    """

    name: str
    type: str = "generic"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    keywords: tuple[str, ...] = ()
    owner: str | None = None
    inputs: tuple[UUID, ...] = ()
    correction: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        require_name("name", self.name)
        require_description(self.description, self.keywords)
        if self.correction and len(self.inputs) != 1:
            raise ValueError("correction: a correction has exactly one parent")
        if len(set(self.inputs)) != len(self.inputs):
            raise ValueError("inputs: a parent is named twice")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPatch:
    """Change what may still change; None leaves a field as it is.

    Attributes:
        attributes: Merged into those there are; a null value removes one. Only
            while the dataset is open; the rest later too, outside the seal.
    """

    name: str | None = None
    description: str | None = None
    keywords: tuple[str, ...] | None = None
    attributes: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.name is not None:
            require_name("name", self.name)
        require_description(self.description or "", self.keywords or ())


def require_description(description: str, keywords: tuple[str, ...]) -> None:
    """Check what people write about a dataset."""
    require_text("description", description)
    if len(keywords) > MAX_KEYWORDS:
        raise ValueError(f"keywords: {len(keywords)}, {MAX_KEYWORDS} are allowed")
    for number, keyword in enumerate(keywords):
        require_text(f"keywords[{number}]", keyword, most=MAX_LABEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOut:
    """A parent by what it held when the child was made."""

    id: UUID
    digest: str
    seal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOut:
    """A dataset, or the tombstone of one.

    Attributes:
        creator: Who made it; differs from the owner if a beamline account did.
        revision: Counts the commits; file pages and downloads carry it.
        files: Number of files.
        bytes: Sum of their sizes.
        digest: Digest of the manifest; None until closed.
        seal: Seal; None until closed.
        right: What the caller may do with it.
        tools_since: From when on other tools may have written to its files; None if
            nobody asked for that.
        scrubbed_at: When the server had read all of its files again; None until then.
        faults: Number of files that it found corrupt, missing or unreadable.
        run: Record of the run that made it, as the seal covers it; None if people did.
    """

    id: UUID
    name: str
    owner: str
    creator: str
    type: str
    type_version: int
    attributes: Mapping[str, Any]
    description: str
    keywords: tuple[str, ...]
    state: State
    revision: int
    files: int
    bytes: int
    inputs: tuple[InputOut, ...]
    correction: bool
    right: Right
    created_at: datetime
    updated_at: datetime
    digest: str | None = None
    seal: str | None = None
    closed_at: datetime | None = None
    deleted_at: datetime | None = None
    tools_since: datetime | None = None
    scrubbed_at: datetime | None = None
    faults: int = 0
    run: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPage:
    """Datasets, the newest first; ``next`` is the cursor of the page after it."""

    items: tuple[DatasetOut, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerIn:
    """Give a dataset to another owner."""

    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareIn:
    """The right to give: ``read`` or ``write``."""

    right: Right

    def __post_init__(self) -> None:
        """Check the values."""
        if self.right is Right.OWN:
            raise ValueError("right: ownership is given with 'give', not shared")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareOut:
    """A right that somebody was given."""

    kind: PrincipalKind
    name: str
    right: Right
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareList:
    """The shares of a dataset."""

    items: tuple[ShareOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseIn:
    """Close a dataset, for good.

    Attributes:
        abandon: End uploads that are not finished; their files are not kept.
        empty: Close it although it holds no file.
        adopt: Take what other tools did in the store into the dataset before.
        drop: Remove what is in the store but not in the dataset.
    """

    abandon: bool = False
    empty: bool = False
    adopt: bool = False
    drop: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        if self.adopt and self.drop:
            raise ValueError("drop: what is adopted cannot be dropped; choose one")


class OperationKind(StrEnum):
    """Work that may outlast a request."""

    ADOPT = "adopt"
    CLOSE = "close"
    DELETE = "delete"


class OperationState(StrEnum):
    """How far an operation is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedOut:
    """What an adoption did, by paths.

    Attributes:
        adopted: Became files of the dataset.
        removed: Are files no more.
        dropped: Were undone.
        problems: A problem document for each that was left, the first hundred.
    """

    adopted: int = 0
    removed: int = 0
    dropped: int = 0
    problems: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationOut:
    """Work that may outlast a request; poll it until it is done or failed.

    Attributes:
        done: Steps or files behind it, of ``total``.
        problem: Why it failed, or, while it runs, what kept it from going on the last
            time: a problem document.
        result: What an adoption did so far; None of others.
    """

    id: UUID
    kind: OperationKind
    dataset: UUID
    state: OperationState
    done: int
    total: int
    created_at: datetime
    updated_at: datetime
    problem: dict[str, Any] | None = None
    result: AdoptedOut | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageNode:
    """A dataset in a lineage; name and owner are None where the caller may not see.

    Attributes:
        depth: Steps away: negative for ancestors, positive for descendants.
        definition: What it was made by, ``name@version``; None if people made it, or
            the caller may not see.
    """

    id: UUID
    depth: int
    digest: str | None = None
    seal: str | None = None
    name: str | None = None
    owner: str | None = None
    type: str | None = None
    state: State | None = None
    definition: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEdge:
    """A child and a parent, by what the parent held."""

    child: UUID
    parent: UUID
    digest: str
    seal: str
    correction: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageOut:
    """Where a dataset comes from and what came of it."""

    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOut:
    """One change: who, when, what, in which request."""

    at: datetime
    actor: str
    action: str
    facts: Mapping[str, Any]
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Changes, the newest first."""

    items: tuple[AuditOut, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeOut:
    """A type: a named, versioned JSON Schema of attributes.

    Attributes:
        parent: The type it inherits from; None for ``generic``.
        json_schema: All of its rules, those of its ancestors included.
    """

    name: str
    version: int
    parent: str | None
    title: str
    json_schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeList:
    """The types that the site knows."""

    items: tuple[TypeOut, ...]
