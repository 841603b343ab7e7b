"""The query parameters of lists."""

from dataclasses import dataclass
from typing import Final

from hutch.contract.wire.checks import MAX_LABEL, require_range, require_text
from hutch.contract.wire.datasets import State
from hutch.contract.wire.definitions import MAX_VERSION
from hutch.contract.wire.runs import RunState

_MAX_NUMBER: Final = 2**31 - 1
MAX_PAGE: Final = 1_000
MAX_DEPTH: Final = 100
_MAX_CURSOR: Final = 4_000
"""Longest cursor in characters: the longest path, escaped, fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a list.

    Attributes:
        after: Cursor: the ``next`` of the page before; absent on the first page.
        limit: Most items on the page, 1 to 1,000.
    """

    after: str | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        """Check the values."""
        require_page(self.after, self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetsQuery:
    """Which datasets to list.

    Attributes:
        owner: Name of the owner.
        name: Name of the dataset, in full.
        state: Where it stands; absent means all but deleted ones.
        type: Name of its type; types that inherit from it count.
        query: Words that its name, description or keywords hold.
        prefix: Start of its id.
        after: Cursor: the ``next`` of the page before; absent on the first page.
        limit: Most items on the page, 1 to 1,000.
    """

    owner: str | None = None
    name: str | None = None
    state: State | None = None
    type: str | None = None
    query: str | None = None
    prefix: str | None = None
    after: str | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        """Check the values."""
        require_page(self.after, self.limit)
        for field in ("owner", "name", "type", "query", "prefix"):
            require_text(field, getattr(self, field) or "", most=MAX_LABEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionQuery:
    """Which version of a definition.

    Attributes:
        version: Absent means the newest.
    """

    version: int | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.version is not None:
            require_range("version", self.version, 1, MAX_VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsQuery:
    """Which runs to list.

    Attributes:
        state: How far they are.
        definition: Name of the definition; all versions count.
        after: Cursor: the ``next`` of the page before; absent on the first page.
        limit: Most items on the page, 1 to 1,000.
    """

    state: RunState | None = None
    definition: str | None = None
    after: str | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        """Check the values."""
        require_page(self.after, self.limit)
        require_text("definition", self.definition or "", most=MAX_LABEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which pieces of a log.

    Attributes:
        attempt: Number of the attempt; absent means the last one.
        after: Number of the last piece that is there already; absent means none.
    """

    attempt: int | None = None
    after: int = -1

    def __post_init__(self) -> None:
        """Check the values."""
        if self.attempt is not None:
            require_range("attempt", self.attempt, 1, _MAX_NUMBER)
        require_range("after", self.after, -1, _MAX_NUMBER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How far to look.

    Attributes:
        depth: Most steps up and down, 1 to 100.
    """

    depth: int = 10

    def __post_init__(self) -> None:
        """Check the values."""
        require_range("depth", self.depth, 1, MAX_DEPTH)


def require_page(after: str | None, limit: int) -> None:
    """Check what every list takes."""
    require_range("limit", limit, 1, MAX_PAGE)
    require_text("after", after or "", most=_MAX_CURSOR)
