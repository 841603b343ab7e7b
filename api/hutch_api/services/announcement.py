"""What decides whether a file may be sent: its path, its base, and who else sends it.

Runs inside the transaction that writes the intents, under the dataset's lock, so
that two pushes cannot both be told yes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID, uuid4

from sqlmodel import col, update

from hutch.contract.parts import SMALL, part_size
from hutch.contract.paths import PathError, RelativePath, ancestors, fold, parse
from hutch.contract.problems import (
    FileChangedError,
    HutchError,
    InvalidInputError,
    PathBusyError,
    PathClashError,
    PathInvalidError,
)
from hutch.contract.wire.transfer import UploadIn
from hutch_api.domain.access import Actor
from hutch_api.services.neighbours import Batch, Known, look_up, name_there
from hutch_api.services.work import Work
from hutch_api.store.indexes import IS_LIVE
from hutch_api.store.rows import FileRow, IntentRow, among, insert_rows, values_of
from hutch_api.store.tables import (
    Dataset,
    Intent,
    IntentState,
    Push,
    Verb,
)

_LONG_NAME: Final = 240
"""Bytes; SeaweedFS fails at a create-only PUT of a name above 246, not at parts."""


class Held(Protocol):
    """What a dataset holds at a path: enough to tell who changed it."""

    @property
    def version(self) -> str:
        """Its version in the store."""
        ...

    @property
    def committed_at(self) -> datetime:
        """When it came."""
        ...

    @property
    def committed_by(self) -> UUID:
        """Who brought it."""
        ...


@dataclass(frozen=True, slots=True)
class _Changes:
    """What an announcement writes at its end, one statement for each kind."""

    fresh: list[IntentRow] = field(default_factory=list)
    touched: list[UUID] = field(default_factory=list)
    ended: list[UUID] = field(default_factory=list)

    def write(self, work: Work) -> None:
        """Write them; what ends goes before what takes its place."""
        if self.ended:
            work.session.exec(
                update(Intent)
                .where(
                    among(work.session, col(Intent.id), self.ended),
                    IS_LIVE,
                )
                .values(state=IntentState.ABORTED, touched_at=work.now)
            )
        if self.touched:
            work.session.exec(
                update(Intent)
                .where(among(work.session, col(Intent.id), self.touched))
                .values(touched_at=work.now)
            )
        insert_rows(work.session, Intent, [values_of(row) for row in self.fresh])


@dataclass(frozen=True, slots=True)
class _Context:
    """One announcement: what every file of it is decided with."""

    work: Work
    actor: Actor
    push: Push
    dataset: Dataset
    known: Known
    force: bool
    changes: _Changes


@dataclass(slots=True)
class Announced:
    """The outcome for one file: an intent, fresh or found again, or an error."""

    path: str
    intent: IntentRow | None = None
    error: HutchError | None = None
    replaced: list[IntentRow] = field(default_factory=list)


def announce_files(
    work: Work,
    actor: Actor,
    *,
    push: Push,
    dataset: Dataset,
    wanted: Iterable[UploadIn],
    force: bool,
    portable: bool,
) -> list[Announced]:
    """Decide about each file and write the intents of those that may be sent."""
    checked = [check_path(item.path, portable=portable) for item in wanted]
    folds = {fold(path) for path in checked if isinstance(path, str)}
    paths = [p for p in checked if isinstance(p, str)]
    known = look_up(work, dataset.id, folds, paths, push=push.id)
    changes = _Changes()
    context = _Context(work, actor, push, dataset, known, force, changes)
    batch = Batch()
    outcomes = []
    for item, path in zip(wanted, checked, strict=True):
        outcome = Announced(item.path)
        outcomes.append(outcome)
        if isinstance(path, HutchError):
            outcome.error = path
            continue
        try:
            require_no_clash(path, known, batch)
            _decide(context, outcome, path, item)
        except HutchError as error:
            outcome.error = error
        else:
            batch.add(path)
    changes.write(work)
    return outcomes


def check_path(text: str, *, portable: bool) -> RelativePath | PathInvalidError:
    """Tell whether a file may be called so; the error says why not."""
    try:
        return parse(text, portable=portable)
    except PathError as error:
        return PathInvalidError(f"{text!r} {error.reason}", path=text)


def require_no_clash(path: RelativePath, known: Known, batch: Batch) -> None:
    """Refuse what could not lie beside the rest on a disk that ignores case.

    Raises:
        PathClashError: It could not.
    """
    folded = fold(path)
    other = name_there(folded, known, batch) or path
    if other != path or folded in batch.names:
        raise PathClashError(
            f"{path!r} differs from {other!r} only in case; rename one of them",
            path=path,
            other=other,
        )
    if folded in known.above or folded in batch.above:
        raise PathClashError(
            f"{path!r} is a directory in the dataset; it cannot be a file too",
            path=path,
        )
    for above in ancestors(folded):
        there = name_there(above, known, batch)
        if there is not None:
            raise PathClashError(
                f"{path!r} lies below {there!r}, which is a file in the dataset",
                path=path,
                other=there,
            )


def require_base(
    path: str, file: Held | None, base: str | None, *, known: Mapping[UUID, str]
) -> None:
    """Refuse to replace a file that is not the one the caller knew.

    Raises:
        FileChangedError: With who changed it and when.
    """
    current = None if file is None else file.version
    if current == base:
        return
    if file is None:
        raise FileChangedError(
            f"{path!r} was removed from the dataset meanwhile; pull first, or push "
            "with --force",
            path=path,
        )
    raise FileChangedError(
        f"{path!r} was changed in the dataset by {known.get(file.committed_by, '?')} "
        f"at {file.committed_at:%Y-%m-%d %H:%M:%S} UTC; pull first, or push with "
        "--force",
        path=path,
        by=known.get(file.committed_by),
        at=file.committed_at.isoformat(),
        version=file.version,
    )


def _decide(
    context: _Context, outcome: Announced, path: RelativePath, item: UploadIn
) -> None:
    known, work, push = context.known, context.work, context.push
    folded = fold(path)
    file, live = known.files.get(folded), known.live.get(folded)
    if not context.force and not _is_own(file, item, known):
        require_base(path, file, item.base, known=known.names)
    if live is not None:
        if live.push_id == push.id and _same(live, item) and _is_opened(live):
            context.changes.touched.append(live.id)
            outcome.intent = replace(live, touched_at=work.now)
            return
        _require_takeover(context, live)
        outcome.replaced.append(live)
        context.changes.ended.append(live.id)
    verb = _verb(path, item, file=file, live=live, known=known)
    intent = IntentRow(
        id=uuid4(),
        dataset_id=context.dataset.id,
        push_id=push.id,
        actor_id=context.actor.user,
        path=path,
        fold=folded,
        verb=verb,
        state=IntentState.URL if verb is Verb.SINGLE else IntentState.NEW,
        size=item.size,
        part_size=None if verb is Verb.SINGLE else part_size(item.size),
        base=None if file is None else file.version,
        force=context.force,
        crc64nvme=item.crc64nvme if verb is Verb.SINGLE else None,
        sha256=None,
        upload=None,
        cleared=False,
        version=None,
        created_at=work.now,
        touched_at=work.now,
    )
    context.changes.fresh.append(intent)
    outcome.intent = intent


def _is_own(file: FileRow | None, item: UploadIn, known: Known) -> bool:
    """Tell whether this push itself committed what it now announces anew.

    The very same bytes need not be sent again: they are refused with their version,
    as any change is, and the client sees that they are what it has.
    """
    if file is None or file.intent_id not in known.own:
        return False
    return (file.size, file.crc64nvme) != (item.size, item.crc64nvme)


def _is_opened(live: IntentRow) -> bool:
    """Tell whether an intent can be gone on with.

    One that is still new belongs to a request that opens its upload, or died over it.
    Another upload for the same intent would leave the first one without a row.
    """
    return live.state is not IntentState.NEW


def _same(live: IntentRow, item: UploadIn) -> bool:
    if live.size != item.size:
        return False
    return live.verb is Verb.MULTIPART or live.crc64nvme == item.crc64nvme


def _verb(
    path: str,
    item: UploadIn,
    *,
    file: FileRow | None,
    live: IntentRow | None,
    known: Known,
) -> Verb:
    """Choose: one create-only PUT only for a key that the store cannot know."""
    if item.size > SMALL or len(path.rpartition("/")[2].encode()) > _LONG_NAME:
        return Verb.MULTIPART
    if file is not None or live is not None or path in known.used:
        return Verb.MULTIPART
    if item.crc64nvme is None:
        raise InvalidInputError(
            f"{path!r} has {item.size} bytes and travels in one PUT, which needs its "
            "crc64nvme",
            path=path,
        )
    return Verb.SINGLE


def _require_takeover(context: _Context, live: IntentRow) -> None:
    if live.push_id == context.push.id:
        return
    mine = context.actor.user in {live.actor_id, context.dataset.owner_id}
    if context.force and mine:
        return
    who = context.known.names.get(live.actor_id, "?")
    advice = (
        "push with --force to take it over" if mine else "ask them, or wait until then"
    )
    raise PathBusyError(
        f"{live.path!r} is being pushed by {who} since "
        f"{live.created_at:%Y-%m-%d %H:%M:%S} UTC; {advice}",
        path=live.path,
        by=who,
        since=live.created_at.isoformat(),
    )
