"""What happens in each cell of the kill matrix of runs: step by process.

A runner stands at the step, in the middle of a run; the victim is killed with SIGKILL
and started again, or another runner takes its place. Then the run has one outcome:
one closed dataset, or the failure of its program, and of all else nothing is left.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast
from uuid import UUID

from hutch.contract.steps import Step
from hutch.contract.wire.runs import Reason
from tests.steps import OF_RUNS, Hold

if TYPE_CHECKING:
    from tests.laws.kills.run_world import RunWorld

Way = Literal["runner", "runner/other", "api", "engine"]
"""Who is killed; and in one, that a runner of another name goes on."""
WAYS: Final[tuple[Way, ...]] = ("runner", "runner/other", "api", "engine")
CELLS: Final = tuple((step, way) for step in OF_RUNS for way in WAYS)
LINES: Final = 100_000
"""What a program says whose log is to have more than one piece."""
_OF_CONTAINERS: Final = (Step.STEP_MADE, Step.STEP_BEGUN)
"""Each container of an attempt gets there: fetch, the program, send."""
_CONTAINERS: Final = 3
_DEFINITIONS: Final = {Step.ATTEMPT_ENDED: "fail", Step.LOG_WRITTEN: "talk"}
"""Programs of the runs; the others copy their input."""
_GOING_ON: Final = OF_RUNS[: OF_RUNS.index(Step.RUN_ENDED)]
"""Steps after which a runner asks the engine until it answers."""
_HANDED_OVER_AT: Final = {Step.STEP_MADE: 2, Step.STEP_BEGUN: 1}
"""Containers that the first runner is done with when another takes its place."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One kill, or one at each container."""

    world: "RunWorld"
    step: Step
    way: Way

    def run(self) -> None:
        """Kill at the step, and see that the run has one outcome."""
        world = self.world
        hold = self._hold(first=True)
        losing = self._hold_at_program() if self._loses else None
        run = world.begin(_DEFINITIONS.get(self.step, "copy"))
        if losing is not None:
            self._lose(losing, run)
        world.stand(hold, run)
        for _ in range(self._kills - 1):
            following = self._hold()
            self._strike(run, hold)
            hold = following
            world.stand(hold, run)
        self._strike(run, hold)
        ended = world.end(run)
        if self.way == "runner/other":
            world.clear_after_other()
        world.tidy(run)
        fails = self.step is Step.ATTEMPT_ENDED
        world.require_one_outcome(run, ends=Reason.ERROR if fails else None)
        if self._loses:
            assert ended.attempts > 1
        if self.step is Step.LOG_WRITTEN:
            log = b"".join(world.world.library.runs.read_log(run))
            assert log.split() == [*(b"%d" % n for n in range(LINES)), b"copied"]

    @property
    def _loses(self) -> bool:
        """Whether an attempt is lost, so that the run has another one."""
        return self.step is Step.ATTEMPT_CLEARED

    @property
    def _kills(self) -> int:
        is_each = self.step in _OF_CONTAINERS and self.way != "runner/other"
        return _CONTAINERS if is_each else 1

    def _hold(self, *, first: bool = False) -> Hold:
        skip = 0
        if first and self.way == "runner/other":
            skip = _HANDED_OVER_AT.get(self.step, 0)
        elif not first and self.way == "runner" and self.step is Step.STEP_MADE:
            skip = 1  # the container that was made is made anew
        return self.world.world.steps.hold(self.step, "runner", skip=skip)

    def _hold_at_program(self) -> Hold:
        return self.world.world.steps.hold(Step.STEP_BEGUN, "runner", skip=1)

    def _lose(self, hold: Hold, run: UUID) -> None:
        """Take the container of the program away."""
        self.world.stand(hold, run)
        self.world.remove(run, "main")
        hold.release()

    def _strike(self, run: UUID, hold: Hold) -> None:
        """Kill the victim while the runner stands at the step; somebody goes on."""
        world = self.world
        if self.way == "runner":
            world.kill()
            world.start()
        elif self.way == "runner/other":
            world.kill()
            world.hand_over(run)
        elif self.way == "engine":
            world.engine.kill()
            if self.step in _GOING_ON:
                hold.release()  # so that it finds nobody
            world.engine.start()
        else:
            world.world.kill("api")
            world.world.start("api")
        hold.release()


def run(world: "RunWorld", step: Step, way: str) -> None:
    """Kill one process at one step of a run."""
    try:
        Cell(world, step, cast("Way", way)).run()
    except BaseException:
        world.abandon()
        raise
    finally:
        world.world.steps.release_all()
