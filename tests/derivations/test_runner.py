"""What a runner does when executor and services say something unusual."""

import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from hutch.contract.wire.runs import Reason, RunState, StepKind
from hutch_api.domain.access import Actor
from hutch_api.ports.executor import Phase, Sight
from hutch_api.runner.loop import Loop
from hutch_api.runner.supervision import FailedError, Supervision, _LeavingError
from hutch_api.services import attempts, users
from hutch_api.services.attempts import Assignment, Runner
from hutch_api.services.leases import StoppedError
from tests.derivations.board import Board

REFUSED = Sight(step=StepKind.IN, phase=Phase.ENDED, exit_code=4, detail="refused")

GONE = Sight(step=StepKind.IN, phase=Phase.GONE)


@dataclass
class Desk:
    """An executor whose jobs go as a test says.

    Attributes:
        sights: What it shows, one after another.
        left: The attempts that it has something of.
        ended: Those that it was asked to end.
    """

    name = "engine"
    sights: deque[Sight] = field(default_factory=deque)
    left: set[UUID] = field(default_factory=set)
    ended: list[UUID] = field(default_factory=list)

    def proceed(self, *_: object, **__: object) -> Sight:
        return self.sights.popleft()

    def log(self, *_: object, **__: object) -> bytes:
        return b""

    def used(self, *_: object, **__: object) -> int:
        return 0

    def end(self, job: UUID) -> None:
        self.ended.append(job)

    def held(self) -> set[UUID]:
        return self.left

    def close(self) -> None:
        pass


@pytest.fixture
def scan(board: Board, anna: Actor) -> UUID:
    board.define(anna)
    return board.scan(anna).id


def supervise(
    board: Board, taken: Assignment, desk: Desk, *, takes_along: bool = False
) -> Supervision:
    return Supervision(
        board.world.site,
        desk,
        taken,
        leaving=lambda: takes_along,
        takes_along=takes_along,
    )


def loop(board: Board, desk: Desk, runner: Runner) -> Loop:
    return Loop(
        board.world.site,
        desk,
        runner,
        slots=1,
        pause=timedelta(seconds=0.01),
        stop=threading.Event(),
    )


def test_a_step_that_was_refused_is_no_cancellation(
    board: Board, anna: Actor, scan: UUID
) -> None:
    run = board.start(anna, "result", scan=scan)
    supervise(board, board.take(), Desk(deque([REFUSED]))).carry_out()
    seen = board.see(anna, run.id)
    assert (seen.state, seen.detail) == (RunState.QUEUED, "step in: refused")


def test_a_step_that_was_refused_for_a_cancellation_is_one(
    board: Board, anna: Actor, scan: UUID
) -> None:
    run = board.start(anna, "result", scan=scan)
    taken = board.take()
    board.cancel(anna, run.id)
    supervise(board, taken, Desk(deque([REFUSED]))).carry_out()
    assert board.see(anna, run.id).state is RunState.CANCELLED


@pytest.mark.parametrize("sight", [REFUSED, GONE], ids=["refused", "gone"])
def test_what_others_go_on_with_is_not_removed(
    board: Board, anna: Actor, scan: UUID, sight: Sight
) -> None:
    board.start(anna, "result", scan=scan)
    stale = board.take(board.runner("one"))
    (fresh,) = attempts.take_over(board.world.site, board.runner("one"))
    assert fresh.lease.attempt == stale.lease.attempt
    desk = Desk(deque([sight]))
    supervise(board, stale, desk).carry_out()
    assert desk.ended == []


def test_a_runner_removes_only_what_has_ended(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "first", scan=scan)
    lost, unknown = board.take(), uuid4()
    attempts.end(board.world.site, lost.lease, Reason.ERROR, "it failed")
    board.start(anna, "second", scan=scan)
    live = board.take(board.runner("one"))
    desk = Desk(left={lost.lease.attempt, unknown, live.lease.attempt})
    loop(board, desk, board.runner("one"))._tidy()
    assert set(desk.ended) == {lost.lease.attempt, unknown}


def test_what_was_accepted_is_never_taken_along(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "result", scan=scan)
    one = supervise(board, board.take(), Desk(), takes_along=True)
    with pytest.raises(FailedError):
        one._require_staying()
    one._accepted = True
    with pytest.raises(_LeavingError):
        one._require_staying()


def test_what_was_accepted_is_not_stopped(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "result", scan=scan)
    one = supervise(board, board.take(), Desk())
    with board.world.site.begin() as work:
        users.disable_user(work, "anna")
    with pytest.raises(StoppedError):
        one._renew()
    one._accepted = True
    one._renew()
