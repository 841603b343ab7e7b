"""Runs as their owners see them; a page never takes a query for each."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.wire.runs import AttemptOut, RunInputOut, RunOut
from hutch_api.services.definitions import label_of
from hutch_api.services.work import Work
from hutch_api.store.run_tables import Attempt, Definition, Rule, Run, RunInput
from hutch_api.store.tables import User


def run_out(work: Work, row: Run) -> RunOut:
    """Render one run."""
    return runs_out(work, [row])[0]


def runs_out(work: Work, rows: Sequence[Run]) -> tuple[RunOut, ...]:
    """Render runs; never a query for each."""
    ids = [row.id for row in rows]
    inputs: dict[UUID, list[RunInputOut]] = {run: [] for run in ids}
    for one in work.session.exec(
        select(RunInput)
        .where(col(RunInput.run_id).in_(ids))
        .order_by(col(RunInput.position))
    ):
        inputs[one.run_id].append(_input_out(one))
    attempts: dict[UUID, list[AttemptOut]] = {run: [] for run in ids}
    for a in work.session.exec(
        select(Attempt)
        .where(col(Attempt.run_id).in_(ids))
        .order_by(col(Attempt.number))
    ):
        attempts[a.run_id].append(_attempt_out(a))
    names = _names(work, User, {row.owner_id for row in rows})
    rules = _names(work, Rule, {row.rule_id for row in rows if row.rule_id})
    chosen = select(Definition).where(
        col(Definition.id).in_({row.definition_id for row in rows})
    )
    definitions = {d.id: d for d in work.session.exec(chosen)}
    return tuple(
        RunOut(
            id=row.id,
            definition=label_of(definitions[row.definition_id]),
            image=definitions[row.definition_id].image,
            name=row.name,
            owner=names[row.owner_id],
            state=row.state,
            inputs=tuple(inputs[row.id]),
            parameters=row.parameters,
            created_at=row.created_at,
            attempts=tuple(attempts[row.id]),
            rule=None if row.rule_id is None else rules[row.rule_id],
            started_at=row.started_at,
            ended_at=row.ended_at,
            dataset=row.dataset_id,
            reason=row.reason,
            detail=row.detail,
            progress=row.progress,
            message=row.message,
            target=definitions[row.definition_id].target,
        )
        for row in rows
    )


def _names(
    work: Work, kind: type[User] | type[Rule], ids: set[UUID]
) -> dict[UUID, str]:
    query = select(kind.id, kind.name).where(col(kind.id).in_(ids))
    return dict(work.session.exec(query).all())


def _input_out(row: RunInput) -> RunInputOut:
    return RunInputOut(
        name=row.name,
        dataset=row.dataset_id,
        run=row.source_id,
        digest=row.digest,
        seal=row.seal,
    )


def _attempt_out(row: Attempt) -> AttemptOut:
    return AttemptOut(
        number=row.number,
        runner=row.runner,
        started_at=row.started_at,
        node=row.node,
        ended_at=row.ended_at,
        exit_code=row.exit_code,
        reason=row.reason,
        detail=row.detail,
    )
