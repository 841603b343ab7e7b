"""Announce files and sign the requests that carry them."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlmodel import col, select

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
from hutch_api.services.store_accounts import usable_account
from hutch_api.services.work import Site
from hutch_api.store.tables import (
    LIVE_INTENTS,
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
    _open_uploads(site, outcomes)
    singles = any(o.intent and o.intent.verb is Verb.SINGLE for o in outcomes)
    account = usable_account(site, actor, push) if singles else None
    return wire.UploadsOut(
        files=tuple(in_parallel(lambda o: _describe(site, o, account), outcomes))
    )


def sign_parts(
    site: Site, actor: Actor, push: UUID, wanted: wire.PartsIn
) -> wire.PartsOut:
    """Sign UploadPart requests; each admits exactly the bytes that it names."""
    with site.begin() as work:
        _, dataset = find_push(work, actor, push)
        require_open(dataset.state, name=dataset.name)
        ids = {p.intent for p in wanted.parts}
        rows = work.session.exec(
            select(Intent).where(Intent.push_id == push, col(Intent.id).in_(ids))
        ).all()
        for row in rows:
            if work.now - row.touched_at > TOUCHED_EVERY:
                row.touched_at = work.now
    account = usable_account(site, actor, push)
    intents = {row.id: row for row in rows}
    return wire.PartsOut(
        parts=tuple(_sign_part(site, intents, p, account) for p in wanted.parts)
    )


def abort(site: Site, actor: Actor, push: UUID, wanted: wire.AbortIn) -> None:
    """End uploads of a push without keeping their files; those ended are fine."""
    with site.begin() as work:
        _, dataset = find_push(work, actor, push, lock=True)
        ended = work.session.exec(
            select(Intent).where(
                Intent.push_id == push,
                col(Intent.id).in_(wanted.intents),
                col(Intent.state).in_(LIVE_INTENTS),
            )
        ).all()
        for intent in ended:
            intent.state, intent.touched_at = IntentState.ABORTED, work.now
        audit.record(work, actor, "abort", dataset.id, files=len(ended))
    for intent in ended:
        end_upload_now(site, intent)


def _open_uploads(site: Site, outcomes: Iterable[Announced]) -> None:
    """Open the multipart uploads of new intents and note their ids.

    Between the store's answer and the note a crash leaves an upload without a row;
    the worker finds it by its key.
    """
    fresh = [
        o.intent for o in outcomes if o.intent and o.intent.state is IntentState.NEW
    ]

    def create(intent: Intent) -> tuple[Intent, str]:
        key = key_of(intent.dataset_id, intent.path)
        return intent, site.objects.create_upload(key, intent=intent.id)

    made = list(in_parallel(create, fresh))
    if not made:
        return
    reached(Step.UPLOAD_OPENED)
    late = []
    with site.begin() as work:
        for intent, upload in made:
            row = work.session.get_one(Intent, intent.id, with_for_update=True)
            if row.state is IntentState.NEW:
                row.upload, row.state = upload, IntentState.URL
            else:  # ended meanwhile; without an id the worker looks for the upload
                late.append((intent, upload))
            intent.upload, intent.state = row.upload, row.state
    reached(Step.UPLOAD_WRITTEN)
    for intent, upload in late:
        site.objects.abort_upload(key_of(intent.dataset_id, intent.path), upload)


def _describe(
    site: Site, outcome: Announced, account: Credentials | None
) -> wire.UploadOut:
    intent = outcome.intent
    if intent is None:
        assert outcome.error is not None  # noqa: S101 - one of the two is set
        return wire.UploadOut(path=outcome.path, problem=to_problem(outcome.error))
    key = key_of(intent.dataset_id, intent.path)
    if intent.verb is Verb.SINGLE:
        assert account is not None  # noqa: S101 - made because there is a single
        assert intent.crc64nvme is not None  # noqa: S101 - announced with its crc
        return wire.UploadOut(
            path=intent.path,
            intent=intent.id,
            verb=wire.Verb.SINGLE,
            request=site.objects.sign_put(
                key,
                size=intent.size,
                crc64nvme=intent.crc64nvme,
                intent=intent.id,
                account=account,
            ),
        )
    try:
        held = site.objects.parts(key, intent.upload) if intent.upload else []
    except UploadGoneError:
        held = []  # the first part sent will be told, and the file starts again
    except HutchError as error:
        return wire.UploadOut(path=intent.path, problem=to_problem(error))
    return wire.UploadOut(
        path=intent.path,
        intent=intent.id,
        verb=wire.Verb.MULTIPART,
        part_size=intent.part_size,
        held=tuple(held),
    )


def _sign_part(
    site: Site,
    intents: Mapping[UUID, Intent],
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
