"""Announce files and sign the requests that carry them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlmodel import col, update

from hutch.contract.parts import part
from hutch.contract.problems import (
    HutchError,
    UploadGoneError,
    UploadIncompleteError,
    to_problem,
)
from hutch.contract.steps import Step, reached
from hutch.contract.wire import transfer as wire
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of
from hutch_api.domain.lifecycle import require_open
from hutch_api.ports.objects import Credentials
from hutch_api.services import audit
from hutch_api.services.announcement import Announced, announce_files
from hutch_api.services.finishing import resolve_pending
from hutch_api.services.parallel import in_parallel
from hutch_api.services.pushes import find_push
from hutch_api.services.remains import end_upload_now, free_above
from hutch_api.services.store_accounts import ready_account, usable_account
from hutch_api.services.work import Site, Work
from hutch_api.store.indexes import IS_LIVE
from hutch_api.store.rows import (
    INTENTS,
    IntentRow,
    among,
    read_intents,
    update_rows,
)
from hutch_api.store.tables import (
    Intent,
    IntentState,
    Verb,
)

TOUCHED_EVERY: Final = timedelta(hours=1)
"""An upload under way is noted as such at most this often: each note is a write."""


def announce(
    site: Site, actor: Actor, push: UUID, wanted: wire.UploadsIn
) -> wire.UploadsOut:
    """Announce files that a push will send, and tell how to send each.

    A path announced again in the same push goes on where it was: the same intent,
    with the parts that the store has.
    """
    resolve_pending(site, actor, push, {item.path for item in wanted.files})
    with site.begin() as work:
        row, dataset = find_push(work, actor, push, lock=True)
        require_open(dataset.state, name=dataset.name)
        outcomes = announce_files(
            work,
            actor,
            push=row,
            dataset=dataset,
            wanted=wanted.files,
            force=wanted.force,
            portable=site.portable_paths,
        )
        started = sum(o.intent is not None for o in outcomes)
        audit.record(
            work,
            actor,
            "announce",
            dataset.id,
            push=str(push),
            files=started,
            taken_over=sum(len(o.replaced) for o in outcomes),
        )
    reached(Step.INTENTS_WRITTEN)
    for intent in (i for o in outcomes for i in o.replaced):
        end_upload_now(site, intent)
    free_above(site, dataset.id, (o.intent.path for o in outcomes if o.intent))
    fresh = _open_uploads(site, outcomes)
    singles = any(o.intent and o.intent.verb is Verb.SINGLE for o in outcomes)
    account = usable_account(site, actor, push) if singles else None
    held = _held(site, outcomes, fresh)
    return wire.UploadsOut(
        files=tuple(_describe(site, o, account, held) for o in outcomes)
    )


def sign_parts(
    site: Site, actor: Actor, push: UUID, wanted: wire.PartsIn
) -> wire.PartsOut:
    """Sign UploadPart requests; each admits exactly the bytes that it names."""
    with site.begin() as work:
        _, dataset = find_push(work, actor, push, lock=True)
        require_open(dataset.state, name=dataset.name)
        account = ready_account(site, work, dataset.id)
        ids = {p.intent for p in wanted.parts}
        rows = read_intents(
            work.session,
            INTENTS.where(
                col(Intent.push_id) == push, among(work.session, col(Intent.id), ids)
            ),
        )
        _touch(work, [r.id for r in rows if work.now - r.touched_at > TOUCHED_EVERY])
    if account is None:
        account = usable_account(site, actor, push)
    intents = {row.id: row for row in rows}
    return wire.PartsOut(
        parts=tuple(_sign_part(site, intents, p, account) for p in wanted.parts)
    )


def _touch(work: Work, intents: Sequence[UUID]) -> None:
    """Note that these uploads are under way."""
    if intents:
        named = among(work.session, col(Intent.id), intents)
        work.session.exec(update(Intent).where(named).values(touched_at=work.now))


def abort(site: Site, actor: Actor, push: UUID, wanted: wire.AbortIn) -> None:
    """End uploads of a push without keeping their files; those ended are fine."""
    with site.begin() as work:
        _, dataset = find_push(work, actor, push, lock=True)
        live = (
            col(Intent.push_id) == push,
            among(work.session, col(Intent.id), wanted.intents),
            IS_LIVE,
        )
        ended = read_intents(work.session, INTENTS.where(*live))
        work.session.exec(
            update(Intent)
            .where(*live)
            .values(state=IntentState.ABORTED, touched_at=work.now)
        )
        audit.record(work, actor, "abort", dataset.id, files=len(ended))
    for intent in ended:
        end_upload_now(site, intent)


def _open_uploads(site: Site, outcomes: Sequence[Announced]) -> set[UUID]:
    """Open the multipart uploads of new intents and note their ids.

    Between the store's answer and the note a crash leaves an upload without a row;
    the worker finds it by its key.

    Returns:
        The intents whose uploads were opened here.
    """
    fresh = [
        o.intent for o in outcomes if o.intent and o.intent.state is IntentState.NEW
    ]

    def create(intent: IntentRow) -> str:
        key = key_of(intent.dataset_id, intent.path)
        return site.objects.create_upload(key, intent=intent.id)

    made = in_parallel(create, fresh)
    if not made:
        return set()
    reached(Step.UPLOAD_OPENED)
    opened = {
        intent.id: replace(intent, upload=upload, state=IntentState.URL)
        for intent, upload in zip(fresh, made, strict=True)
    }
    with site.begin() as work:
        now = read_intents(
            work.session,
            INTENTS.where(among(work.session, col(Intent.id), opened))
            .order_by(col(Intent.id))
            .with_for_update(),
        )
        # Those that ended meanwhile get no id: the worker looks for their uploads.
        late = [row for row in now if row.state is not IntentState.NEW]
        noted = [opened[row.id] for row in now if row.state is IntentState.NEW]
        update_rows(
            work.session,
            Intent,
            [{"id": i.id, "upload": i.upload, "state": i.state} for i in noted],
            key=("id",),
        )
    reached(Step.UPLOAD_WRITTEN)
    for row in late:
        upload = opened[row.id].upload
        if upload is not None:
            site.objects.abort_upload(key_of(row.dataset_id, row.path), upload)
    known = {i.id: i for i in (*noted, *late)}
    for outcome in outcomes:
        if outcome.intent is not None:
            outcome.intent = known.get(outcome.intent.id, outcome.intent)
    return set(opened)


_Held = Mapping[UUID, tuple[wire.PartHeld, ...] | HutchError]


def _held(site: Site, outcomes: Sequence[Announced], fresh: Collection[UUID]) -> _Held:
    """Ask the store for the parts of uploads that were begun before."""
    begun = [
        intent
        for intent in (o.intent for o in outcomes)
        if intent and intent.upload and intent.id not in fresh
    ]

    def ask(intent: IntentRow) -> tuple[wire.PartHeld, ...] | HutchError:
        assert intent.upload is not None  # noqa: S101 - those without are left out
        try:
            key = key_of(intent.dataset_id, intent.path)
            return tuple(site.objects.parts(key, intent.upload))
        except UploadGoneError:
            return ()  # the first part sent will be told, and the file starts again
        except HutchError as error:
            return error

    return {i.id: h for i, h in zip(begun, in_parallel(ask, begun), strict=True)}


def _describe(
    site: Site, outcome: Announced, account: Credentials | None, held: _Held
) -> wire.UploadOut:
    intent = outcome.intent
    if intent is None:
        assert outcome.error is not None  # noqa: S101 - one of the two is set
        return wire.UploadOut(path=outcome.path, problem=to_problem(outcome.error))
    if intent.verb is Verb.SINGLE:
        assert account is not None  # noqa: S101 - made because there is a single
        assert intent.crc64nvme is not None  # noqa: S101 - announced with its crc
        return wire.UploadOut(
            path=intent.path,
            intent=intent.id,
            verb=wire.Verb.SINGLE,
            request=site.objects.sign_put(
                key_of(intent.dataset_id, intent.path),
                size=intent.size,
                crc64nvme=intent.crc64nvme,
                intent=intent.id,
                account=account,
            ),
        )
    parts = held.get(intent.id, ())
    if isinstance(parts, HutchError):
        return wire.UploadOut(path=intent.path, problem=to_problem(parts))
    return wire.UploadOut(
        path=intent.path,
        intent=intent.id,
        verb=wire.Verb.MULTIPART,
        part_size=intent.part_size,
        held=parts,
    )


def _sign_part(
    site: Site,
    intents: Mapping[UUID, IntentRow],
    wanted: wire.PartIn,
    account: Credentials,
) -> wire.PartOut:
    intent = intents.get(wanted.intent)
    try:
        if intent is None or intent.state is not IntentState.URL or not intent.upload:
            raise UploadGoneError(
                "this upload has ended; announce the file again",
                intent=str(wanted.intent),
            )
        assert intent.part_size is not None  # noqa: S101 - set for every multipart
        piece = part(wanted.number, intent.size, length=intent.part_size)
    except ValueError as error:
        problem = to_problem(UploadIncompleteError(str(error)))
    except HutchError as error:
        problem = to_problem(error)
    else:
        request = site.objects.sign_part(
            key_of(intent.dataset_id, intent.path),
            upload=intent.upload,
            number=piece.number,
            size=piece.size,
            crc64nvme=wanted.crc64nvme,
            account=account,
        )
        return wire.PartOut(intent=wanted.intent, number=wanted.number, request=request)
    return wire.PartOut(intent=wanted.intent, number=wanted.number, problem=problem)
