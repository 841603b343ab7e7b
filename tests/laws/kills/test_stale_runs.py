"""Whoever was slow finds that others have its run, and changes nothing."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from hutch import connect
from hutch.contract.problems import AttemptEndedError
from hutch.contract.steps import Step
from hutch.contract.wire.runs import StepKind
from hutch.contract.wire.transfer import UploadIn, UploadsIn
from hutch.step.jobs import claim
from hutch_api.adapters.containment import name_of
from hutch_api.services import claims
from hutch_api.services.leases import LEASE, Lease
from tests.laws.kills.run_world import MOMENT, RunWorld
from tests.steps import Hold
from tests.zygote import Process

_FAILED, _STOPPED = 1, 4
"""Exit codes of hutch's own steps."""
_PROGRAM: Final = 1
"""Containers that are begun before that of the program."""


@pytest.fixture(autouse=True)
def ended(runs_world: RunWorld) -> Iterator[None]:
    """Leave no run to the next test, however this one ends."""
    yield
    if runs_world.live():
        runs_world.abandon()


def stand(world: RunWorld, step: Step) -> tuple[UUID, Hold]:
    """Begin a run, and wait until its runner stands at a step."""
    hold = world.world.steps.hold(step, "runner")
    run = world.begin()
    world.stand(hold, run)
    return run, hold


def rows(world: RunWorld, run: UUID) -> list[dict[str, Any]]:
    """Read all that is known of a run."""
    found = [world.row(run), *world.attempts(run)]
    return [row.model_dump() for row in found]


def wake(world: RunWorld, sleeping: Process, name: str, attempt: UUID) -> None:
    """Let a runner go on, until it has seen that others have its attempt."""
    sleeping.send(signal.SIGCONT)
    said = f"attempt {attempt} was ended by others"
    world.world.until(lambda: said in world.log_of(name).read_text(), said)


def wait_exited(world: RunWorld, attempt: UUID, step: str) -> dict[str, Any]:
    """Wait until a step has ended; give what the engine shows of it."""
    world.world.until(
        lambda: world.containers.state(attempt, step) == "exited", f"the end of {step}"
    )
    state: dict[str, Any] = world.containers.api.inspect_container(
        name_of(attempt, step)
    )["State"]
    return state


def wait_ended(world: RunWorld, run: UUID, attempt: UUID) -> None:
    """Wait until a run is in another attempt."""
    world.world.until(
        lambda: world.row(run).attempt_id != attempt, f"the end of attempt {attempt}"
    )


@pytest.mark.parametrize(
    "step", [Step.STEP_MADE, Step.STEP_BEGUN, Step.LOG_WRITTEN, Step.OUTPUT_ACCEPTED]
)
def test_a_runner_that_wakes_up_changes_nothing(
    runs_world: RunWorld, step: Step
) -> None:
    world = runs_world
    run, hold = stand(world, step)
    (stale,) = world.attempts(run)
    name, sleeping = world.name, world.runners[world.name]
    sleeping.send(signal.SIGSTOP)
    hold.release()
    if step is Step.OUTPUT_ACCEPTED:  # then it is closed by whoever has it
        going_on = world.world.steps.hold(Step.CLOSE_DECIDED, "runner")
    else:
        going_on = world.world.steps.hold(Step.STEP_BEGUN, "runner", skip=_PROGRAM)
    world.hand_over(run)
    world.stand(going_on, run)
    before = rows(world, run)
    last = world.attempts(run)[-1]
    left = world.containers.left(attempt=str(last.id))
    wake(world, sleeping, name, stale.id)
    if last.id != stale.id:
        world.world.until(
            lambda: not world.containers.left(attempt=str(stale.id)),
            "the end of what the first attempt has",
        )
    assert rows(world, run)[:2] + rows(world, run)[-1:] == before[:2] + before[-1:]
    assert world.containers.left(attempt=str(last.id)) == left
    going_on.release()
    world.end(run)
    world.tidy(run)  # a runner that ends leaves its door where others go on
    world.stop(name)
    world.require_one_outcome(run)


def test_two_processes_of_one_name_do_not_end_each_other(
    runs_world: RunWorld,
) -> None:
    world = runs_world
    run, hold = stand(world, Step.STEP_BEGUN)
    (attempt,) = world.attempts(run)
    sleeping = world.runners[world.name]
    sleeping.send(signal.SIGSTOP)
    hold.release()
    going_on = world.world.steps.hold(Step.STEP_BEGUN, "runner")
    world.start()
    world.stand(going_on, run)
    before, left = rows(world, run), world.containers.left(attempt=str(attempt.id))
    wake(world, sleeping, world.name, attempt.id)
    sleeping.send(signal.SIGTERM)
    assert sleeping.wait() == 0
    assert rows(world, run) == before
    assert world.containers.left(attempt=str(attempt.id)) == left
    going_on.release()
    assert world.end(run).attempts == 1
    world.tidy(run)
    world.require_one_outcome(run)


def test_what_a_stale_step_sends_is_refused(
    runs_world: RunWorld, tmp_path: Path
) -> None:
    world = runs_world
    run, _ = stand(world, Step.STEP_BEGUN)
    (stale,) = world.attempts(run)
    holder = world.row(run).holder
    assert holder is not None
    lease = Lease(run=run, attempt=stale.id, holder=holder)
    code = tmp_path / "claim"
    code.write_text(claims.make_claim(world.site, lease, StepKind.OUT))
    job = claim(world.world.url, code)
    assert job.dataset is not None
    with connect(world.world.url, token=job.token) as client:
        begun = client.pushes.start(job.dataset)
        world.kill()
        world.hand_over(run)
        wait_ended(world, run, stale.id)
        wanted = UploadsIn(files=(UploadIn(path="late", size=1),))
        with pytest.raises(AttemptEndedError):
            client.pushes.announce(begun.id, wanted)
        with pytest.raises(AttemptEndedError):
            client.datasets.get(job.dataset)
    world.end(run)
    world.clear_after_other()
    world.tidy(run)
    world.require_one_outcome(run)


def test_a_step_in_the_midst_of_sending_ends_with_its_attempt(
    runs_world: RunWorld,
) -> None:
    world = runs_world
    hold = world.world.steps.hold(Step.INTENTS_WRITTEN, "api")
    run = world.begin()
    world.stand(hold, run)
    (stale,) = world.attempts(run)
    world.kill()
    world.hand_over(run)
    wait_ended(world, run, stale.id)
    hold.release()
    code = wait_exited(world, stale.id, "out")["ExitCode"]
    said = world.containers.api.logs(name_of(stale.id, "out")).decode()
    # By now its run is in other hands, which may be deleting its dataset.
    assert code in {_FAILED, _STOPPED}, said
    world.end(run)
    world.clear_after_other()
    world.tidy(run)
    world.require_one_outcome(run)


def test_a_step_that_outlived_its_lease_cancels_nothing(runs_world: RunWorld) -> None:
    world = runs_world
    run, made = stand(world, Step.STEP_MADE)
    begun = world.world.steps.hold(Step.STEP_BEGUN, "runner")
    world.world.clock.move(LEASE + MOMENT)
    made.release()
    world.stand(begun, run)
    (lost,) = world.attempts(run)
    assert wait_exited(world, lost.id, "in")["ExitCode"] == _STOPPED
    begun.release()
    assert world.end(run).attempts == 2
    world.tidy(run)
    world.require_one_outcome(run)


def test_a_runner_whose_engine_is_gone_ends_well(runs_world: RunWorld) -> None:
    world = runs_world
    world.engine.kill()
    world.stop(world.name)
    world.engine.start()
    world.start()
