"""Finish uploads: what the store shows becomes part of the dataset.

Three steps: note that these uploads are completing; ask the store, which alone
knows; commit what it has. A crash between them leaves ``completing`` intents that
``resolve`` brings to an end, and so does a client that asks again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select, update

from hutch.contract.problems import (
    FileChangedError,
    HutchError,
    InvalidInputError,
    UploadGoneError,
    UploadIncompleteError,
    to_problem,
)
from hutch.contract.steps import Step, reached
from hutch.contract.wire.transfer import (
    Finished,
    FinishIn,
    FinishItem,
    FinishOut,
    PartSent,
)
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of
from hutch_api.domain.lifecycle import require_open
from hutch_api.services import access
from hutch_api.services.arrival import find_arrived
from hutch_api.services.commit import Committed, commit_files
from hutch_api.services.parallel import in_parallel
from hutch_api.services.pushes import find_push
from hutch_api.services.remains import end_upload_now
from hutch_api.services.work import Site, Work
from hutch_api.store.indexes import IS_LIVE
from hutch_api.store.rows import (
    INTENTS,
    IntentRow,
    Upload,
    among,
    read_intents,
    update_rows,
)
from hutch_api.store.tables import Dataset, Intent, IntentState, Verb

Outcome = Committed | HutchError
"""What became of an upload: a file of the dataset, or the reason why not."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """An upload that is completing.

    Attributes:
        parts: As its client names them; none if there is no client.
        again: It was completing before: the store may have been killed inside
            Complete, and put the parts together once more.
    """

    intent: Upload
    parts: tuple[PartSent, ...]
    again: bool


def finish(site: Site, actor: Actor, push: UUID, wanted: FinishIn) -> FinishOut:
    """Take files that were sent into the dataset; asking twice is harmless.

    The store is believed, not the client: only a version with the right intent id,
    size and checksum becomes a file.
    """
    with site.begin() as work:
        _, dataset = find_push(work, actor, push, lock=True)
        named = among(work.session, col(Intent.id), [f.intent for f in wanted.files])
        rows = read_intents(
            work.session,
            INTENTS.where(col(Intent.push_id) == push, named)
            .order_by(col(Intent.id))
            .with_for_update(),
        )
        intents = {row.id: row for row in rows}
        outcomes: dict[UUID, Outcome] = {}
        pending: list[_Pending] = []
        for item in wanted.files:
            intent = intents.get(item.intent)
            again = intent is not None and intent.state is IntentState.COMPLETING
            try:
                moved = _prepare(intent, item, work.now)
                if isinstance(moved, Committed):
                    outcomes[item.intent] = moved
                    continue
                require_open(dataset.state, name=dataset.name)
            except HutchError as error:
                outcomes[item.intent] = error
            else:
                intents[item.intent] = moved
                pending.append(_Pending(moved, item.parts, again))
        _note_completing(work, [intents[p.intent.id] for p in pending])
    reached(Step.COMPLETING_WRITTEN)
    outcomes |= _complete(site, actor, pending)
    with site.look() as work:
        revision = work.session.exec(
            select(Dataset.revision).where(Dataset.id == dataset.id)
        ).one()
    return FinishOut(
        files=tuple(_describe(item.intent, outcomes) for item in wanted.files),
        revision=revision,
    )


def resolve_pending(
    site: Site, actor: Actor, push: UUID, paths: Collection[str]
) -> None:
    """Bring to an end what a push left completing on these paths."""
    with site.look() as work:
        _, dataset = find_push(work, actor, push)
        pending = read_intents(
            work.session,
            INTENTS.where(
                col(Intent.dataset_id) == dataset.id,
                col(Intent.push_id) == push,
                IS_LIVE,
                col(Intent.state) == IntentState.COMPLETING,
                among(work.session, col(Intent.path), paths),
            ),
        )
    if pending:
        resolve(site, pending)


def resolve(site: Site, intents: Sequence[Upload]) -> None:
    """Bring ``completing`` intents of one dataset to an end, on the store's word.

    Args:
        site: The site.
        intents: Left over by a crash or by a store that did not answer.

    Raises:
        StoreUnavailableError: The store does not answer now either.
    """
    pending = [_Pending(intent, (), again=True) for intent in intents]
    outcomes = _complete(site, None, pending)
    for outcome in outcomes.values():
        if isinstance(outcome, HutchError) and not isinstance(
            outcome, (UploadGoneError, UploadIncompleteError, FileChangedError)
        ):
            raise outcome


def _prepare(
    intent: IntentRow | None, item: FinishItem, now: datetime
) -> IntentRow | Committed:
    """Move an intent to ``completing``, so that the store is asked; or tell its end.

    Raises:
        UploadGoneError: It was ended.
        InvalidInputError: It was announced with another checksum.
    """
    if intent is None or intent.state is IntentState.ABORTED:
        raise UploadGoneError(
            "this upload has ended; announce the file again", intent=str(item.intent)
        )
    if intent.state is IntentState.DONE:
        assert intent.version is not None  # noqa: S101 - set with the state
        return Committed(intent.path, intent.version)
    # What the store is completing is verified with the checksum it was given first.
    fixed = intent.verb is Verb.SINGLE or intent.state is IntentState.COMPLETING
    if fixed and intent.crc64nvme != item.crc64nvme:
        raise InvalidInputError(
            f"{intent.path!r} was announced with another crc64nvme", path=intent.path
        )
    return replace(
        intent,
        crc64nvme=item.crc64nvme,
        sha256=item.sha256,
        state=IntentState.COMPLETING,
        touched_at=now,
    )


def _note_completing(work: Work, intents: Sequence[IntentRow]) -> None:
    update_rows(
        work.session,
        Intent,
        [
            {
                "id": intent.id,
                "state": intent.state,
                "crc64nvme": intent.crc64nvme,
                "sha256": intent.sha256,
                "touched_at": intent.touched_at,
            }
            for intent in intents
        ],
        key=("id",),
    )


def _complete(
    site: Site, actor: Actor | None, pending: Sequence[_Pending]
) -> dict[UUID, Outcome]:
    """Ask the store what it has, and commit that."""
    outcomes: dict[UUID, Outcome] = {}
    multipart = [p for p in pending if p.intent.verb is Verb.MULTIPART]
    left = {p.intent.id for p in multipart if p.again}
    errors = in_parallel(lambda p: _assemble(site, p, left), multipart)
    for one, error in zip(multipart, errors, strict=True):
        if error is not None:
            outcomes[one.intent.id] = error
    asked = [p.intent for p in pending if p.intent.id not in outcomes]
    if not asked:
        return outcomes
    try:
        arrived = find_arrived(site, asked)
    except HutchError as error:
        return outcomes | {intent.id: error for intent in asked}
    reached(Step.ARRIVAL_SEEN)
    return outcomes | _settle(site, actor, asked, arrived, left)


def _assemble(site: Site, pending: _Pending, left: set[UUID]) -> HutchError | None:
    """Complete a multipart upload.

    Args:
        site: The site.
        pending: The upload.
        left: Takes its id if the store refuses: it may have the object and still
            list the upload, which nobody can use.

    Returns:
        None if the listing decides: done now, done before, or to be given up. An
        error if the store could not be asked: the intent stays ``completing``.
    """
    intent = pending.intent
    if not intent.upload or intent.crc64nvme is None:
        return None
    key = key_of(intent.dataset_id, intent.path)
    try:
        parts = pending.parts or _listed_parts(site, key, intent.upload)
        site.objects.complete_upload(
            key, intent.upload, parts, crc64nvme=intent.crc64nvme
        )
        reached(Step.UPLOAD_COMPLETED)
    except (UploadGoneError, UploadIncompleteError):
        left.add(intent.id)
        return None
    except HutchError as error:
        return error
    return None


def _listed_parts(site: Site, key: str, upload: str) -> tuple[PartSent, ...]:
    """Take the parts from the store where no client is there to name them."""
    held = site.objects.parts(key, upload)
    return tuple(
        PartSent(number=p.number, etag=p.etag, crc64nvme=p.crc64nvme) for p in held
    )


def _settle(
    site: Site,
    actor: Actor | None,
    intents: Sequence[Upload],
    arrived: Mapping[UUID, str],
    left: Collection[UUID],
) -> dict[UUID, Outcome]:
    """Commit what arrived and give up what did not, in one transaction."""
    dataset = intents[0].dataset_id
    with site.begin() as work:
        access.lock_datasets(work, [dataset])
        committed = commit_files(
            work,
            actor,
            dataset,
            [(i, arrived[i.id]) for i in intents if i.id in arrived],
            left=left,
        )
        missing = [i for i in intents if i.id not in arrived]
        outcomes = {**committed, **_give_up(work, missing)}
    reached(Step.FILES_COMMITTED)
    for intent in intents:
        if isinstance(outcomes[intent.id], HutchError) or intent.id in left:
            end_upload_now(site, intent)
    return outcomes


def _give_up(work: Work, intents: Sequence[Upload]) -> dict[UUID, Outcome]:
    """End what has not arrived, unless somebody else has committed it meanwhile."""
    if not intents:
        return {}
    wanted = among(work.session, col(Intent.id), [intent.id for intent in intents])
    work.session.exec(
        update(Intent)
        .where(wanted, col(Intent.state) == IntentState.COMPLETING)
        .values(state=IntentState.ABORTED, touched_at=work.now)
    )
    outcomes: dict[UUID, Outcome] = {}
    for row in read_intents(work.session, INTENTS.where(wanted)):
        if row.state is IntentState.DONE and row.version:
            outcomes[row.id] = Committed(row.path, row.version)
            continue
        outcomes[row.id] = UploadIncompleteError(
            f"the store does not have {row.path!r} as it was announced; send it again",
            path=row.path,
        )
    return outcomes


def _describe(intent: UUID, outcomes: Mapping[UUID, Outcome]) -> Finished:
    outcome = outcomes[intent]
    if isinstance(outcome, Committed):
        return Finished(intent=intent, path=outcome.path, version=outcome.version)
    return Finished(
        intent=intent,
        path=outcome.facts.get("path"),
        problem=to_problem(outcome),
    )
