"""Previews: small pictures that a run of hutch's own makes of a closed dataset.

They lie beside the logs in the meta bucket. Readers see those of the newest run that
has succeeded, from the moment it has; what an attempt has sent before that, and what a
later run has replaced, is there for nobody and is removed by a runner.

Of what is removed the rows go first: a preview that is on its way meanwhile finds its
own row gone after it was written, and takes itself back.
"""

from uuid import UUID

from sqlalchemy import delete, update
from sqlmodel import col, func, select

from hutch.contract.problems import (
    AttemptEndedError,
    InvalidInputError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right
from hutch.contract.wire.definitions import Target
from hutch.contract.wire.previews import (
    MAX_PREVIEWS,
    PreviewList,
    PreviewOut,
    media_type_of,
    require_length,
)
from hutch.contract.wire.runs import RunState
from hutch_api.domain.access import Actor
from hutch_api.services import access, audit, leases
from hutch_api.services.work import Site, Work
from hutch_api.store.run_tables import Attempt, Definition, Preview, Run, RunInput


def put(site: Site, actor: Actor, name: str, data: bytes) -> None:
    """Keep a preview that the step of an attempt sends; again replaces it.

    Raises:
        TokenInsufficientError: The token is not that of a step that sends previews.
        AttemptEndedError: The attempt has ended, or its output is accepted.
        InvalidInputError: Name or length are not allowed, or there are too many.
    """
    access.require_scope(actor, Scope.WRITE)
    with site.begin() as work:
        attempt, dataset = _sender(work, actor)
        media_type = _checked(work, attempt, name, len(data))
        work.session.merge(
            Preview(
                attempt_id=attempt,
                name=name,
                dataset_id=dataset,
                bytes=len(data),
                media_type=media_type,
            )
        )
        audit.record(
            work, actor, "put-preview", dataset, attempt=str(attempt), name=name
        )
    site.objects.put_record(name_of(dataset, attempt, name), data)
    with site.look() as work:
        is_kept = work.session.get(Preview, (attempt, name)) is not None
    if not is_kept:
        site.objects.delete_records(_prefix(dataset, attempt))
        raise _ended(attempt)


def list_previews(site: Site, actor: Actor, dataset: UUID) -> PreviewList:
    """List the previews of a dataset with requests that fetch them.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        NotFoundError: There is no such dataset for the actor.
    """
    with site.look() as work:
        access.find(work, actor, dataset, right=Right.READ, scope=Scope.READ)
        made = work.session.exec(
            select(Attempt)
            .join(Preview, col(Preview.attempt_id) == col(Attempt.id))
            .join(Run, col(Run.attempt_id) == col(Attempt.id))
            .where(
                Preview.dataset_id == dataset,
                Run.state == RunState.SUCCEEDED,
                col(Attempt.cleared),
            )
            .order_by(col(Attempt.ended_at).desc(), col(Attempt.id))
            .limit(1)
        ).first()
        if made is None:
            return PreviewList(items=())
        rows = work.session.exec(
            select(Preview)
            .where(Preview.attempt_id == made.id)
            .order_by(col(Preview.name))
        ).all()
    items = tuple(
        PreviewOut(
            name=row.name,
            bytes=row.bytes,
            media_type=row.media_type,
            request=site.objects.sign_record(name_of(dataset, made.id, row.name)),
        )
        for row in rows
    )
    return PreviewList(items=items, run=made.run_id, made_at=made.ended_at)


def count(work: Work, attempt: UUID) -> int:
    """Count what an attempt has sent."""
    query = select(func.count()).where(Preview.attempt_id == attempt)
    return work.session.exec(query).one()


def show(work: Work, attempt: Attempt) -> UUID:
    """Let the previews of an attempt be the ones of their dataset.

    Those of earlier runs are shown no more, and left to be removed like what failed
    attempts leave.

    Returns:
        The dataset.
    """
    dataset = _input_of(work, attempt.run_id)
    # One at a time: each has to see those that the other replaces. What is under way
    # is not cleared anyway.
    access.lock_datasets(work, [dataset])
    older = select(Preview.attempt_id).where(
        Preview.dataset_id == dataset, Preview.attempt_id != attempt.id
    )
    work.session.exec(
        update(Attempt).where(col(Attempt.id).in_(older)).values(cleared=False)
    )
    return dataset


def remove(site: Site, attempt: UUID) -> None:
    """Remove what an attempt at a run that makes previews has sent; again is fine."""
    with site.begin() as work:
        dataset = _input_of(work, work.session.get_one(Attempt, attempt).run_id)
        work.session.exec(delete(Preview).where(col(Preview.attempt_id) == attempt))
    site.objects.delete_records(_prefix(dataset, attempt))


def remove_all(site: Site, dataset: UUID) -> None:
    """Remove every preview of a dataset; again is fine."""
    with site.begin() as work:
        work.session.exec(delete(Preview).where(col(Preview.dataset_id) == dataset))
    site.objects.delete_records(_prefix(dataset))


def name_of(dataset: UUID, attempt: UUID, name: str) -> str:
    """Name the record that holds a preview."""
    return f"{_prefix(dataset, attempt)}{name}"


def _prefix(dataset: UUID, attempt: UUID | None = None) -> str:
    whole = f"previews/{dataset}/"
    return whole if attempt is None else f"{whole}{attempt}/"


def _sender(work: Work, actor: Actor) -> tuple[UUID, UUID]:
    """Lock the run of a step, and see that it still sends previews.

    Returns:
        The attempt, and the dataset that it makes previews of.
    """
    found = work.session.exec(
        select(Run, Definition.target)
        .join(Attempt, col(Attempt.run_id) == col(Run.id))
        .join(Definition, col(Definition.id) == col(Run.definition_id))
        .where(Attempt.id == actor.attempt)
        .with_for_update(of=Run)
    ).first()
    if actor.attempt is None or found is None or found[1] is not Target.PREVIEWS:
        raise TokenInsufficientError(
            "only the step of a run that makes previews sends them; this token is none "
            "of such a step"
        )
    leases.require_live(work, actor.attempt)
    return actor.attempt, _input_of(work, found[0].id)


def _checked(work: Work, attempt: UUID, name: str, length: int) -> str:
    try:
        media_type = media_type_of(name)
        require_length(length)
    except ValueError as error:
        raise InvalidInputError(f"preview: {error}", field="preview") from None
    others = work.session.exec(
        select(func.count()).where(
            Preview.attempt_id == attempt, col(Preview.name) != name
        )
    ).one()
    if others >= MAX_PREVIEWS:
        raise InvalidInputError(
            f"preview: there are {MAX_PREVIEWS} already, as many as are allowed",
            field="preview",
        )
    return media_type


def _input_of(work: Work, run: UUID) -> UUID:
    """Give the dataset that a run makes previews of: its only input."""
    given = work.session.exec(
        select(RunInput.dataset_id).where(RunInput.run_id == run)
    ).one()
    assert given is not None  # noqa: S101 - it has begun
    return given


def _ended(attempt: UUID) -> AttemptEndedError:
    return AttemptEndedError(
        "this attempt at the run has ended; its previews are removed",
        attempt=str(attempt),
    )
