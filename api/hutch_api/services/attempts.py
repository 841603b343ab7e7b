"""Attempts at runs: begun by a runner, and ended by it or by whoever finds it gone.

Each attempt fills a dataset of its own, which nobody else sees until it is closed.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import or_
from sqlmodel import col, select

from hutch.contract.problems import DeletedError, HutchError
from hutch.contract.steps import Step, reached
from hutch.contract.wire.datasets import State
from hutch.contract.wire.definitions import Mode, Resources, Target
from hutch.contract.wire.runs import Reason, RunState
from hutch_api.domain import system, types
from hutch_api.domain.access import Actor
from hutch_api.domain.runs import may_be_tried_again
from hutch_api.services import (
    audit,
    claims,
    deletion,
    derivation,
    leases,
    previews,
)
from hutch_api.services.leases import LEASE, Lease
from hutch_api.services.runs import end_run, require_approved
from hutch_api.services.work import Site, Work
from hutch_api.store.run_tables import Attempt, Definition, Run, RunInput
from hutch_api.store.tables import Dataset

FIRST_PAUSE: Final = timedelta(seconds=5)
"""Before a run is tried again; twice as long before each further try."""
_MOST_DOUBLINGS: Final = 6
_LOST: Final = "its runner was gone for longer than its lease"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A process that executes runs.

    Attributes:
        name: The same after a restart: what was left behind is taken up again.
        holder: This process, and no other.
        executor: By what it executes them: ``engine``, ``slurm`` or ``local``.
    """

    name: str
    holder: UUID
    executor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a runner is to execute.

    Attributes:
        lease: Its right to do so.
        number: Of the attempt, from 1.
        has_begun: The program has.
        is_closing: The output is accepted; only closing is left.
    """

    lease: Lease
    number: int
    image: str
    argv: tuple[str, ...]
    mode: Mode
    resources: Resources
    has_begun: bool = False
    is_closing: bool = False


def take_over(site: Site, runner: Runner) -> list[Assignment]:
    """Take up what a process of this name had when it ended, however it did.

    Another one of this name may execute by something else: what it has is its own.
    """
    ours = select(Attempt.id).where(Attempt.executor == runner.executor)
    with site.begin() as work:
        rows = work.session.exec(
            select(Run)
            .where(
                Run.runner == runner.name,
                col(Run.attempt_id).in_(ours),
                col(Run.state).in_((RunState.RUNNING, RunState.CLOSING)),
            )
            .order_by(col(Run.created_at))
            .with_for_update()
        ).all()
        return [_lease(work, row, runner) for row in rows]


def take(site: Site, runner: Runner) -> Assignment | None:
    """Take the next run that waits for such a runner; None if there is none.

    hutch's own programs are for runners that execute them as processes, and those
    execute nothing else.
    Runs whose runner is gone come first: those that were closing go on, of all others
    the attempt has ended.
    """
    while True:
        with site.begin() as work:
            row = _abandoned(work)
            if row is None:
                break
            if row.state is RunState.CLOSING:
                return _lease(work, row, runner)
            _end(work, row, Reason.LOST, _LOST)
    while True:
        with site.begin() as work:
            row = _next(work, runner)
            if row is None:
                return None
            found = _begin(work, row, runner)
        if found is not None:
            reached(Step.ATTEMPT_BEGUN)
            return found


def note_program(site: Site, lease: Lease, *, node: str) -> timedelta:
    """Note when, and where, the program itself began.

    Returns:
        For how long it has run, as was noted first.
    """
    with site.begin() as work:
        leases.hold(work, lease, RunState.RUNNING)
        attempt = work.session.get_one(Attempt, lease.attempt)
        attempt.node = node
        attempt.main_at = attempt.main_at or work.now
        return work.now - attempt.main_at


def note_exit(site: Site, lease: Lease, *, exit_code: int) -> None:
    """Note how the program ended."""
    with site.begin() as work:
        leases.hold(work, lease, RunState.RUNNING)
        work.session.get_one(Attempt, lease.attempt).exit_code = exit_code


def note_progress(
    site: Site, lease: Lease, *, progress: float | None, message: str
) -> None:
    """Note how far the program says it is."""
    with site.begin() as work:
        run = leases.hold(work, lease, RunState.RUNNING)
        run.progress, run.message = progress, message


def end(site: Site, lease: Lease, reason: Reason, detail: str) -> None:
    """End an attempt that did not succeed: the run is tried again, or has ended.

    Of one that was accepted nothing but the refusal to close it is an end.

    Raises:
        AttemptEndedError: Others have the run, or it has ended.
    """
    rejected = reason is Reason.OUTPUT_REJECTED
    states = leases.HELD if rejected else (RunState.RUNNING,)
    with site.begin() as work:
        _end(work, leases.hold(work, lease, *states), reason, detail)
    reached(Step.ATTEMPT_ENDED)


def clear_ended(site: Site) -> bool:
    """Remove what attempts have left in hutch; tell whether there was anything."""
    with site.look() as work:
        rows = work.session.exec(
            select(Attempt)
            .where(col(Attempt.ended_at).is_not(None), col(Attempt.cleared).is_(False))
            .order_by(col(Attempt.ended_at))
            .limit(100)
        ).all()
    for attempt in rows:
        clear(site, attempt.id)
    return bool(rows)


def has_ended(site: Site, attempt: UUID) -> bool:
    """Tell whether nobody goes on with an attempt; with an unknown one nobody does."""
    with site.look() as work:
        row = work.session.get(Attempt, attempt)
    return row is None or row.ended_at is not None


def clear_if_ended(site: Site, attempt: UUID) -> None:
    """Remove what an attempt has left in hutch, unless others go on with it."""
    with site.look() as work:
        row = work.session.get_one(Attempt, attempt)
    if row.ended_at is not None and not row.cleared:
        clear(site, attempt)


def clear(site: Site, attempt: UUID) -> None:
    """Remove what an ended attempt has left in hutch; again is fine."""
    with site.look() as work:
        row = work.session.get_one(Attempt, attempt)
        run = work.session.get_one(Run, row.run_id)
        actor = leases.actor_of(work, run)
        left = None if row.dataset_id is None else _left(work, row.dataset_id, attempt)
    if left is not None:
        own = Actor(
            user=actor.user,
            name=actor.name,
            role=actor.role,
            request_id=actor.request_id,
            attempt=attempt,
        )
        with suppress(DeletedError):
            deletion.delete(site, own, left)
    if row.dataset_id is None:  # it made previews
        previews.remove(site, attempt)
    reached(Step.ATTEMPT_CLEARED)
    with site.begin() as work:
        work.session.get_one(Attempt, attempt).cleared = True


def _left(work: Work, dataset: UUID, attempt: UUID) -> UUID | None:
    row = work.session.get_one(Dataset, dataset)
    is_left = row.attempt_id == attempt and row.state is not State.DELETED
    return dataset if is_left else None


def _abandoned(work: Work) -> Run | None:
    return work.session.exec(
        select(Run)
        .where(
            col(Run.state).in_((RunState.RUNNING, RunState.CLOSING)),
            col(Run.leased_until) < work.now,
        )
        .order_by(col(Run.created_at))
        .limit(1)  # all that are read are locked
        .with_for_update(skip_locked=True)
    ).first()


def _next(work: Work, runner: Runner) -> Run | None:
    own = select(Definition.id).where(Definition.image == system.IMAGE)
    kind = col(Run.definition_id)
    return work.session.exec(
        select(Run)
        .where(
            Run.state == RunState.QUEUED,
            kind.in_(own) if runner.executor == system.EXECUTOR else kind.not_in(own),
            or_(col(Run.not_before).is_(None), col(Run.not_before) <= work.now),
        )
        .order_by(col(Run.created_at))
        .limit(1)  # all that are read are locked
        .with_for_update(skip_locked=True)
    ).first()


def _begin(work: Work, run: Run, runner: Runner) -> Assignment | None:
    """Begin an attempt; None if the run may not go on, and has ended by that."""
    definition = work.session.get_one(Definition, run.definition_id)
    try:
        if (why := leases.why_stop(work, run)) is not None:
            end_run(work, run, RunState.CANCELLED, Reason.CANCELLED, why)
            return None
        require_approved(work, definition)
        attempt = Attempt(
            id=uuid4(),
            run_id=run.id,
            number=run.attempts + 1,
            runner=runner.name,
            executor=runner.executor,
            started_at=work.now,
        )
        run.attempt_id = attempt.id
        parents = _lock_parents(work, run)
        if definition.target is Target.DATASET:
            attempt.dataset_id = _make_child(work, run, definition, parents)
    except HutchError as error:
        run.attempt_id = None
        end_run(work, run, RunState.FAILED, Reason.ERROR, error.detail)
        return None
    work.session.add(attempt)
    work.session.flush()
    run.state, run.attempts = RunState.RUNNING, attempt.number
    run.started_at = run.started_at or work.now
    run.progress, run.message, run.reason, run.detail = None, "", None, ""
    audit.record(
        work,
        leases.actor_of(work, run),
        "begin-attempt",
        attempt.dataset_id,
        run=str(run.id),
        attempt=attempt.number,
        runner=runner.name,
    )
    return _lease(work, run, runner)


def _lock_parents(work: Work, run: Run) -> list[Dataset]:
    """Keep the inputs as they are; refuse those that may not be read any more."""
    wanted = work.session.exec(
        select(RunInput.dataset_id)
        .where(RunInput.run_id == run.id)
        .order_by(col(RunInput.position))
    ).all()
    actor = leases.actor_of(work, run)
    chosen = list(dict.fromkeys(one for one in wanted if one is not None))
    return derivation.lock_parents(work, actor, chosen)


def _make_child(
    work: Work, run: Run, definition: Definition, parents: list[Dataset]
) -> UUID:
    """Make the dataset that the attempt fills; only the attempt sees it."""
    assert definition.output_type is not None  # noqa: S101 - it makes a dataset
    kind = types.latest(definition.output_type)
    assert kind is not None  # noqa: S101 - types are never taken away
    row = Dataset(
        id=uuid4(),
        name=run.name,
        owner_id=run.owner_id,
        creator_id=run.owner_id,
        type=kind.name,
        type_version=kind.version,
        attributes={},
        keywords=[],
        state=State.OPEN,
        created_at=work.now,
        updated_at=work.now,
        attempt_id=run.attempt_id,
    )
    work.session.add(row)
    work.session.flush()
    derivation.add_inputs(work, row.id, parents)
    return row.id


def _lease(work: Work, run: Run, runner: Runner) -> Assignment:
    run.runner, run.holder = runner.name, runner.holder
    run.leased_until = work.now + LEASE
    assert run.attempt_id is not None  # noqa: S101 - it runs
    definition = work.session.get_one(Definition, run.definition_id)
    attempt = work.session.get_one(Attempt, run.attempt_id)
    return Assignment(
        lease=Lease(run=run.id, attempt=run.attempt_id, holder=runner.holder),
        number=run.attempts,
        image=definition.image,
        argv=tuple(definition.argv),
        mode=Mode(definition.mode),
        resources=Resources(**definition.resources),
        has_begun=attempt.main_at is not None,
        is_closing=run.state is RunState.CLOSING,
    )


def _end(work: Work, run: Run, reason: Reason, detail: str) -> None:
    attempt = work.session.get_one(Attempt, run.attempt_id)
    actor = leases.actor_of(work, run)
    facts: dict[str, Any] = {"run": str(run.id), "attempt": attempt.number}
    audit.record(work, actor, "end-attempt", reason=reason, **facts)
    attempt.ended_at, attempt.reason, attempt.detail = work.now, reason, detail
    claims.end_tokens(work, attempt.id)
    definition = work.session.get_one(Definition, run.definition_id)
    if reason is Reason.CANCELLED or run.cancelled_at is not None:
        end_run(work, run, RunState.CANCELLED, Reason.CANCELLED, detail)
    elif may_be_tried_again(reason, attempts=run.attempts, retries=definition.retries):
        doublings = min(run.attempts - 1, _MOST_DOUBLINGS)
        run.state = RunState.QUEUED
        run.not_before = work.now + FIRST_PAUSE * (1 << doublings)
        run.attempt_id = run.holder = run.leased_until = None
        run.detail = detail
    else:
        end_run(work, run, RunState.FAILED, reason, detail)
