"""Runs: begun by somebody, seen by them, and ended by them.

What happens in between is the runner's: ``services.attempts`` and ``services.leases``.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col, select

from hutch.contract.problems import (
    DefinitionRetiredError,
    ImageUnapprovedError,
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    RunEndedError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right, State
from hutch.contract.wire.definitions import Target
from hutch.contract.wire.runs import (
    ENDED,
    Reason,
    RunIn,
    RunOut,
    RunPage,
    RunState,
)
from hutch_api.domain import parameters
from hutch_api.domain.access import Actor
from hutch_api.domain.cursors import Cursor
from hutch_api.services import access, audit, images
from hutch_api.services.definitions import find_definition, is_system, label_of
from hutch_api.services.run_inputs import is_visible, name_of, read_inputs, supply
from hutch_api.services.run_listing import run_out, runs_out
from hutch_api.services.work import Work
from hutch_api.store.conflicts import written
from hutch_api.store.run_tables import Definition, Rule, Run, RunInput
from hutch_api.store.tables import Dataset

_End = tuple[Run, RunState, Reason | None, str]
LONGEST_PAGE: Final = 1_000
_QUOTED: Final = 300
"""Characters of what a run says that those waiting for it repeat."""


def start_run(
    work: Work,
    actor: Actor,
    wanted: RunIn,
    *,
    rule: Rule | None = None,
    depth: int = 0,
) -> RunOut:
    """Put a run into the queue.

    Args:
        work: The transaction.
        actor: As whom it runs; with their token it ends.
        wanted: What to run on what.
        rule: The rule that begins it; None if a person does.
        depth: Rules behind it.

    Raises:
        TokenInsufficientError: The token lacks ``run`` or ``read``, or reaches certain
            datasets only.
        NotFoundError: No such definition, dataset or run for the actor.
        DefinitionRetiredError: The definition starts no more runs.
        ImageUnapprovedError: Nobody has approved its image.
        InvalidInputError: An input is missing, unknown or of another type, or a
            parameter does not fit.
        ParentOpenError: An input is not closed.
        DatasetBusyError: An input is being deleted.
        DeletedError: An input was deleted.
        NameTakenError: The actor has a dataset, or a run that makes one, of this name.
    """
    access.require_run_scope(actor)
    access.require_scope(actor, Scope.READ)
    definition = find_definition(work, wanted.definition, wanted.version)
    require_usable(work, definition)
    given = parameters.complete(definition.parameters, wanted.parameters)
    id_ = uuid4()
    inputs = read_inputs(work, actor, id_, definition, wanted.inputs)
    name = name_of(definition, wanted, inputs)
    _require_free(work, actor, name, target=definition.target)
    is_complete = all(row.dataset_id is not None for row in inputs)
    run = Run(
        id=id_,
        definition_id=definition.id,
        owner_id=actor.user,
        token_id=actor.token,
        rule_id=None if rule is None else rule.id,
        depth=depth,
        name=name,
        parameters=given,
        request_id=actor.request_id,
        state=RunState.QUEUED if is_complete else RunState.WAITING,
        created_at=work.now,
    )
    if not written(work.session, run, "owner_id", "name"):
        raise _name_taken(name)
    work.session.add_all(inputs)
    _note(work, actor, run, definition, inputs)
    work.session.flush()
    return run_out(work, run)


def _note(
    work: Work,
    actor: Actor,
    run: Run,
    definition: Definition,
    inputs: Sequence[RunInput],
) -> None:
    audit.record(
        work,
        actor,
        "run",
        run=str(run.id),
        definition=label_of(definition),
        inputs=[str(row.dataset_id or row.source_id) for row in inputs],
        name=run.name,
    )


def list_runs(
    work: Work,
    actor: Actor,
    *,
    state: RunState | None = None,
    definition: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> RunPage:
    """List the actor's runs, the newest first.

    Args:
        work: The transaction.
        actor: Who asks.
        state: Only those in this state.
        definition: Only those of this definition, in any version.
        after: Cursor of the page before.
        limit: Longest page, 1 to 1,000.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        InvalidInputError: The cursor or the limit is not allowed.
    """
    access.require_scope(actor, Scope.READ)
    if not 1 <= limit <= LONGEST_PAGE:
        raise InvalidInputError(
            f"limit: {limit} is not within 1 to {LONGEST_PAGE}", field="limit"
        )
    wanted = [is_visible(actor)]
    if state is not None:
        wanted.append(col(Run.state) == state)
    if definition is not None:
        named = select(Definition.id).where(Definition.name == definition)
        wanted.append(col(Run.definition_id).in_(named))
    if after is not None:
        wanted.append(_older(Cursor.parse(after)))
    rows = work.session.exec(
        select(Run)
        .where(*wanted)
        .order_by(col(Run.created_at).desc(), col(Run.id).desc())
        .limit(limit + 1)
    ).all()
    items = runs_out(work, rows[:limit])
    last = rows[limit - 1] if len(rows) > limit else None
    return RunPage(
        items=items,
        next=None if last is None else Cursor(last.created_at, last.id).text(),
    )


def get_run(work: Work, actor: Actor, run: UUID) -> RunOut:
    """Show a run.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        NotFoundError: The actor has no such run.
    """
    access.require_scope(actor, Scope.READ)
    return run_out(work, find_run(work, actor, run))


def show_started(work: Work, actor: Actor, run: UUID) -> RunOut:
    """Show a run again to the one whose repeated request has begun it.

    Raises:
        TokenInsufficientError: The token could not have begun it.
        NotFoundError: It is not for the actor any more.
    """
    access.require_run_scope(actor)
    return run_out(work, find_run(work, actor, run))


def cancel_run(work: Work, actor: Actor, run: UUID) -> RunOut:
    """End a run: at once if nothing works on it, else its runner does; again is fine.

    Its tokens are good for nothing from this moment on.

    Raises:
        TokenInsufficientError: The token lacks the scope ``run``.
        NotFoundError: The actor has no such run.
        RunEndedError: It has ended in another way, or is closing its output.
    """
    access.require_run_scope(actor)
    row = find_run(work, actor, run, lock=True)
    if row.state is RunState.CANCELLED or row.cancelled_at is not None:
        return run_out(work, row)
    if row.state is RunState.CLOSING or row.state in ENDED:
        raise RunEndedError(
            f"the run {row.name} is {row.state} and cannot be cancelled any more",
            state=row.state,
        )
    row.cancelled_at = work.now
    if row.state is not RunState.RUNNING:
        end_run(work, row, RunState.CANCELLED, Reason.CANCELLED, "it was cancelled")
    audit.record(work, actor, "cancel-run", run=str(run))
    work.session.flush()
    return run_out(work, row)


def end_run(
    work: Work, run: Run, state: RunState, reason: Reason | None, detail: str
) -> None:
    """Write down how a run ended, and let those that wait for it know."""
    ahead: list[_End] = [(run, state, reason, detail)]
    while ahead:  # one waits for the other, and they may be many
        end = ahead.pop()
        ended, (ended.state, ended.reason, ended.detail) = end[0], end[1:]
        ended.ended_at = work.now
        ended.holder = ended.leased_until = None
        ahead.extend(_let_know(work, ended))


def _let_know(work: Work, run: Run) -> Iterator[_End]:
    """Go on with the runs that wait for one that has ended; give those that fail."""
    waiting = work.session.exec(
        select(Run, RunInput)
        .join(RunInput, col(RunInput.run_id) == col(Run.id))
        .where(RunInput.source_id == run.id, Run.state == RunState.WAITING)
        .order_by(col(Run.id))
        .with_for_update()
    ).all()
    for other, wanted in waiting:
        fault: str | None = (
            f"its input {wanted.name} was to be made by the run {run.name}, which "
            f"{run.state}: {run.detail[:_QUOTED]}"
        )
        if run.state is RunState.SUCCEEDED:
            fault = _supply(work, other, wanted, run)
        if fault is not None:
            yield other, RunState.FAILED, Reason.ERROR, fault


def find_run(work: Work, actor: Actor, run: UUID, *, lock: bool = False) -> Run:
    """Fetch a run of the actor's.

    Raises:
        NotFoundError: There is none.
    """
    query = select(Run).where(Run.id == run, is_visible(actor))
    if lock:
        query = query.with_for_update()
    row = work.session.exec(query.execution_options(populate_existing=True)).first()
    if row is None:
        raise NotFoundError(f"there is no run {run}", run=str(run))
    return row


def require_usable(work: Work, definition: Definition) -> None:
    """Refuse a definition that starts no runs.

    Raises:
        DefinitionRetiredError: It was retired.
        ImageUnapprovedError: Its image is not approved.
    """
    if definition.retired_at is not None:
        raise DefinitionRetiredError(
            f"{label_of(definition)} was retired and starts no more runs"
        )
    require_approved(work, definition)


def require_approved(work: Work, definition: Definition) -> None:
    """Refuse an image that nobody has approved; hutch's own programs have none.

    Raises:
        ImageUnapprovedError: With the image.
    """
    if is_system(definition):
        return
    if images.find_approval(work, definition.image) is None:
        raise ImageUnapprovedError(
            f"the image of {label_of(definition)} is not approved; an approver does "
            f"that with 'hutch image approve {definition.image}'",
            image=definition.image,
        )


def _supply(work: Work, waiting: Run, wanted: RunInput, source: Run) -> str | None:
    """Give a run the input that it waited for; it is queued when it has all.

    Returns:
        Why it cannot have it; None if it can.
    """
    definition = work.session.get_one(Definition, waiting.definition_id)
    made = work.session.get_one(Dataset, source.dataset_id)
    try:
        supply(definition, wanted, made)
    except InvalidInputError as error:
        return error.detail
    work.session.flush()
    missing = work.session.exec(
        select(RunInput.name).where(
            RunInput.run_id == waiting.id, col(RunInput.dataset_id).is_(None)
        )
    ).first()
    if missing is None:
        waiting.state = RunState.QUEUED
    return None


def _require_free(work: Work, actor: Actor, name: str, *, target: Target) -> None:
    taken = None
    if target is Target.DATASET:
        taken = work.session.exec(
            select(Dataset.id).where(
                Dataset.owner_id == actor.user,
                Dataset.name == name,
                col(Dataset.state) != State.DELETED,
                access.granted(actor, Right.OWN),
            )
        ).first()
    making = work.session.exec(
        select(Run.id).where(
            Run.owner_id == actor.user,
            Run.name == name,
            col(Run.state).not_in(ENDED),
        )
    ).first()
    if taken is not None or making is not None:
        raise _name_taken(name)


def _name_taken(name: str) -> NameTakenError:
    return NameTakenError(
        f"you have a dataset, or a run that makes one, called {name} already; choose "
        "another name",
        name=name,
    )


def _older(cursor: Cursor) -> ColumnElement[bool]:
    return or_(
        col(Run.created_at) < cursor.at,
        and_(col(Run.created_at) == cursor.at, col(Run.id) < cursor.id),
    )
