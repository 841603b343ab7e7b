"""The output of a run: accepted once, then closed like any other dataset."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.problems import (
    CloseRefusedError,
    DatasetClosedError,
    UnauthenticatedError,
)
from hutch.contract.steps import Step, reached
from hutch.contract.wire.datasets import CloseIn, OperationState, State
from hutch.contract.wire.definitions import Resources, Target
from hutch.contract.wire.runs import RunState
from hutch_api.domain.access import Actor
from hutch_api.services import audit, claims, leases, previews
from hutch_api.services.closing import close
from hutch_api.services.definitions import label_of
from hutch_api.services.leases import Lease
from hutch_api.services.runs import end_run
from hutch_api.services.work import Site, Work
from hutch_api.store.run_tables import Attempt, Definition, Rule, Run, RunInput
from hutch_api.store.tables import Dataset

_MIB: Final = 1024 * 1024


class OutputRejectedError(Exception):
    """What an attempt made cannot be a dataset; the text says why."""


def accept(site: Site, lease: Lease) -> None:
    """Decide that this attempt is the one that succeeds; nothing stops it after that.

    Raises:
        AttemptEndedError: Others have the run, or it has ended.
        StoppedError: The run may not go on.
        OutputRejectedError: There are more files or bytes than allowed, or no
            previews.
    """
    with site.begin() as work:
        run = leases.hold(work, lease, RunState.RUNNING)
        if (why := leases.why_stop(work, run)) is not None:
            raise leases.StoppedError(why)
        attempt = work.session.get_one(Attempt, lease.attempt)
        definition = work.session.get_one(Definition, run.definition_id)
        if definition.target is Target.PREVIEWS:
            _require_previews(work, attempt)
        else:
            _accept_child(work, run, attempt, definition)
        run.state = RunState.CLOSING
    reached(Step.OUTPUT_ACCEPTED)


def _accept_child(
    work: Work, run: Run, attempt: Attempt, definition: Definition
) -> None:
    child = work.session.get_one(Dataset, attempt.dataset_id)
    _require_small(child, Resources(**definition.resources))
    child.name = _free_name(work, run)
    child.name_is_unique = True
    child.run = record(work, run, attempt, definition, ended_at=work.now)


def finish(site: Site, lease: Lease) -> bool:
    """Close the output and end the run; tell whether it is done.

    Previews need no closing: with the run they are there, and older ones are not.
    A large one is closed by a worker; ask again until it is.

    Raises:
        AttemptEndedError: Others have the run.
        OutputRejectedError: It cannot be closed; the run has to be ended.
    """
    with site.look() as work:
        run = work.session.get_one(Run, lease.run)
        actor = leases.actor_of(work, run)
        dataset = work.session.get_one(Attempt, lease.attempt).dataset_id
    if dataset is not None and not _close(site, actor, dataset):
        return False
    with site.begin() as work:
        run = leases.hold(work, lease, RunState.CLOSING)
        run.dataset_id = dataset
        attempt = work.session.get_one(Attempt, lease.attempt)
        attempt.ended_at, attempt.cleared = work.now, True
        claims.end_tokens(work, attempt.id)
        end_run(work, run, RunState.SUCCEEDED, None, "")
        made = dataset or previews.show(work, attempt)
        audit.record(work, actor, "run-succeeded", made, run=str(run.id))
    reached(Step.RUN_ENDED)
    return True


def _close(site: Site, actor: Actor, dataset: UUID) -> bool:
    # What was accepted does not end with the token that began it.
    person = replace(actor, token=None)
    try:
        operation = close(site, person, dataset, CloseIn())
    except DatasetClosedError:
        return True
    except CloseRefusedError as error:
        raise OutputRejectedError(error.detail) from error
    except UnauthenticatedError as error:  # they are disabled
        with site.look() as work:
            state = work.session.get_one(Dataset, dataset).state
        if state is State.OPEN:
            raise OutputRejectedError(error.detail) from error
        return state is State.CLOSED  # a worker goes on with what has begun
    return operation.state is OperationState.DONE


def record(
    work: Work,
    run: Run,
    attempt: Attempt,
    definition: Definition,
    *,
    ended_at: datetime,
) -> dict[str, Any]:
    """Write down what made a dataset: what its seal covers of the run.

    Fields may be added, none changes its meaning.
    """
    inputs = work.session.exec(
        select(RunInput)
        .where(RunInput.run_id == run.id)
        .order_by(col(RunInput.position))
    ).all()
    rule = None if run.rule_id is None else work.session.get_one(Rule, run.rule_id)
    began = attempt.main_at or attempt.started_at
    return {
        "id": str(run.id),
        "definition": label_of(definition),
        "image": definition.image,
        "argv": list(definition.argv),
        "mode": str(definition.mode),
        "parameters": run.parameters,
        "inputs": [
            {
                "name": i.name,
                "id": str(i.dataset_id),
                "digest": i.digest,
                "seal": i.seal,
            }
            for i in inputs
        ],
        "executor": attempt.executor,
        "node": attempt.node,
        "attempt": attempt.number,
        "started_at": began.isoformat(),
        "ended_at": ended_at.isoformat(),
        "exit_code": attempt.exit_code,
        "log": f"logs/{run.id}/{attempt.number}/",
        "by": leases.actor_of(work, run).name,
        "rule": None if rule is None else rule.name,
    }


def _require_previews(work: Work, attempt: Attempt) -> None:
    if not previews.count(work, attempt.id):
        raise OutputRejectedError("it left no previews")


def _require_small(child: Dataset, most: Resources) -> None:
    if child.files > most.files:
        raise OutputRejectedError(
            f"it left {child.files} files, {most.files} are allowed"
        )
    if child.bytes > most.scratch_mib * _MIB:
        raise OutputRejectedError(
            f"it left {child.bytes} bytes, {most.scratch_mib} MiB are allowed"
        )


def _free_name(work: Work, run: Run) -> str:
    """Give the name that was asked for, or a longer one if it was taken meanwhile.

    What was computed for hours is not thrown away for a name.
    """
    taken = set(
        work.session.exec(
            select(Dataset.name).where(
                Dataset.owner_id == run.owner_id,
                col(Dataset.state) != State.DELETED,
                col(Dataset.attempt_id).is_(None),
                col(Dataset.name).startswith(run.name, autoescape=True),
            )
        )
    )
    if run.name not in taken:
        return run.name
    return f"{run.name[:90]}-{str(run.id)[:8]}"
