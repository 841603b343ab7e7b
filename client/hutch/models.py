"""What the verbs of the library report."""

from dataclasses import dataclass
from uuid import UUID

from hutch.contract.problems import HutchError


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that a verb could not deal with; the others went on.

    Attributes:
        path: Relative path, fit to be shown.
        error: What is wrong, and what to do now.
    """

    path: str
    error: HutchError


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport:
    """What a push did.

    Attributes:
        sent: Files that are now in the dataset as they are here.
        bytes: Sum of their sizes.
        removed: Files taken out of the dataset.
        kept: Paths that are gone here but stay in the dataset; ``delete`` takes
            them out.
        unchanged: Files that needed nothing.
        problems: Files that did not get there.
    """

    sent: int
    bytes: int
    removed: int
    kept: tuple[str, ...]
    unchanged: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """What a pull or a clone did.

    Attributes:
        fetched: Files that are now here as they are in the dataset.
        bytes: Sum of their sizes.
        removed: Files removed here, because they are gone in the dataset.
        absent: Paths that are in the dataset, but were deleted here; ``restore``
            fetches them.
        unchanged: Files that needed nothing.
        problems: Files that are not here as they are in the dataset.
        moved: The dataset, still open, changed during the fetch: run it again.
    """

    fetched: int
    bytes: int
    removed: int
    absent: tuple[str, ...]
    unchanged: int
    problems: tuple[Problem, ...]
    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was found to be as recorded, and what was not.

    Attributes:
        files: Files whose SHA-256 was computed.
        bytes: Sum of their sizes.
        confirmed: Files that this made confirmed on the server.
        problems: Files that are not what the dataset says.
    """

    files: int
    bytes: int
    confirmed: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageCheck:
    """One dataset of a lineage: recomputed from its records.

    Attributes:
        errors: All that does not agree, each with the ``thing`` and, for a file, the
            ``path`` among its facts; empty if all does.
        skipped: Why it could not be recomputed; None if it was.
    """

    dataset: UUID
    name: str | None
    errors: tuple[HutchError, ...] = ()
    skipped: str | None = None
