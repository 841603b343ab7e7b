"""What a dataset holds and awaits near the paths that somebody announces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import literal
from sqlmodel import col, select

from hutch.contract.paths import RelativePath, ancestors, fold
from hutch_api.services.files import user_names
from hutch_api.services.work import Work
from hutch_api.store.indexes import IS_ENDED, IS_LIVE, IS_UNCLEARED
from hutch_api.store.rows import (
    FILES,
    INTENTS,
    FileRow,
    IntentRow,
    among,
    read_files,
    read_intents,
    texts,
)
from hutch_api.store.tables import (
    File,
    Intent,
    IntentState,
    Superseded,
)


@dataclass(frozen=True, slots=True)
class Known:
    """What the dataset holds and awaits near the announced paths.

    Attributes:
        files: Files by the fold of their path.
        live: Live intents by the fold of their path.
        names: User names by id, of those who committed or send them.
        used: Paths whose key the store may know although no file is there.
        above: Folds of announced paths that are directories already.
        own: Intents of this push among those that committed ``files``.
    """

    files: Mapping[str, FileRow]
    live: Mapping[str, IntentRow]
    names: Mapping[UUID, str]
    used: frozenset[str]
    above: frozenset[str]
    own: frozenset[UUID]


@dataclass(slots=True)
class Batch:
    """The paths of an announcement that have been let through.

    Attributes:
        names: By their folds.
        above: Folds of the directories that they lie in.
    """

    names: dict[str, str] = field(default_factory=dict)
    above: set[str] = field(default_factory=set)

    def add(self, path: RelativePath) -> None:
        """Let a path through."""
        folded = fold(path)
        self.names[folded] = path
        self.above.update(ancestors(folded))


def look_up(
    work: Work,
    dataset: UUID,
    folds: set[str],
    paths: Sequence[str],
    *,
    push: UUID | None = None,
) -> Known:
    """Find out, in a handful of statements, what all of them are decided with.

    Args:
        work: The transaction; it holds the lock of the dataset.
        dataset: Which one.
        folds: The folds of the announced paths.
        paths: The paths.
        push: The push that announces; None if nothing is pushed.
    """
    session = work.session
    parents = {a for f in folds for a in ancestors(f)}
    files = read_files(
        session,
        FILES.where(
            col(File.dataset_id) == dataset,
            among(session, col(File.fold), folds | parents),
        ),
    )
    live = read_intents(
        session,
        INTENTS.where(
            col(Intent.dataset_id) == dataset,
            IS_LIVE,
            among(session, col(Intent.fold), folds | parents),
        ).order_by(col(Intent.dataset_id), col(Intent.fold)),
    )
    superseded = session.exec(
        select(Superseded.path).where(
            Superseded.dataset_id == dataset,
            among(session, col(Superseded.path), paths),
        )
    ).all()
    aborted = session.exec(
        select(Intent.path).where(
            Intent.dataset_id == dataset,
            Intent.state == IntentState.ABORTED,
            IS_ENDED,
            IS_UNCLEARED,
            among(session, col(Intent.path), paths),
        )
    ).all()
    committed = among(session, col(Intent.id), [f.intent_id for f in files])
    own = select(Intent.id).where(Intent.push_id == push, committed)
    people = {f.committed_by for f in files} | {i.actor_id for i in live}
    return Known(
        files={f.fold: f for f in files},
        live={i.fold: i for i in live},
        names=user_names(work, people),
        used=frozenset([*superseded, *aborted]),
        above=_directories(work, dataset, folds),
        own=frozenset(session.exec(own).all() if push and files else ()),
    )


def _directories(work: Work, dataset: UUID, folds: set[str]) -> frozenset[str]:
    """Find which of these folds have files or live intents below them.

    The first path after ``fold/`` lies below it, or none does. Asked for in order, it
    is found by the index of folds, whatever the database believes to know of a dataset
    that has just begun.
    """
    if not folds:
        return frozenset()
    wanted = texts(work.session, folds)
    low, high = wanted.c.value + literal("/"), wanted.c.value + literal("0")
    next_file = (
        select(File.fold)
        .where(col(File.dataset_id) == dataset, col(File.fold) > low)
        .order_by(col(File.dataset_id), col(File.fold))
        .limit(1)
        .scalar_subquery()
    )
    next_intent = (
        select(Intent.fold)
        .where(col(Intent.dataset_id) == dataset, IS_LIVE, col(Intent.fold) > low)
        .order_by(col(Intent.dataset_id), col(Intent.fold))
        .limit(1)
        .scalar_subquery()
    )
    query = select(wanted.c.value).where((next_file < high) | (next_intent < high))
    return frozenset(work.session.exec(query).all())


def name_there(folded: str, known: Known, batch: Batch) -> str | None:
    """Find what the path with this fold is really called."""
    taken = known.files.get(folded) or known.live.get(folded)
    return taken.path if taken else batch.names.get(folded)
