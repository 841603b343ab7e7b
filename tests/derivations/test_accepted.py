"""What was accepted is closed, whatever comes; nothing but a refusal ends it."""

from pathlib import Path
from uuid import UUID

import pytest

from hutch.contract.problems import AttemptEndedError
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.runs import Reason, RunState
from hutch_api.domain.access import Actor
from hutch_api.services import attempts, outputs, tokens, users
from hutch_api.services.attempts import Assignment
from hutch_api.services.outputs import OutputRejectedError
from hutch_api.services.rebuild import rebuild
from hutch_api.store.tables import Dataset
from tests.derivations.board import Board
from tests.laws.integrity.emptied import emptied


def accepted(board: Board, actor: Actor, scan: UUID) -> tuple[UUID, Assignment]:
    run = board.start(actor, "result", scan=scan).id
    taken = board.take()
    board.fill(taken.lease)
    outputs.accept(board.world.site, taken.lease)
    return run, taken


@pytest.fixture
def scan(board: Board, anna: Actor) -> UUID:
    board.define(anna)
    return board.scan(anna).id


def test_an_accepted_output_outlives_the_token_that_began_it(
    board: Board, anna: Actor, scan: UUID
) -> None:
    token = board.world.token(anna, Scope.READ, Scope.RUN)
    run, taken = accepted(board, board.world.actor(token.token), scan)
    with board.world.site.begin() as work:
        tokens.revoke_token(work, anna, token.info.id)
    assert outputs.finish(board.world.site, taken.lease)
    assert board.see(anna, run).state is RunState.SUCCEEDED


@pytest.mark.parametrize("reason", [Reason.LOST, Reason.CANCELLED, Reason.ERROR])
def test_an_accepted_output_is_not_lost(
    board: Board, anna: Actor, scan: UUID, reason: Reason
) -> None:
    run, taken = accepted(board, anna, scan)
    with pytest.raises(AttemptEndedError):
        attempts.end(board.world.site, taken.lease, reason, "it was slow")
    assert board.see(anna, run).state is RunState.CLOSING
    assert outputs.finish(board.world.site, taken.lease)


def test_an_output_of_somebody_who_was_disabled_ends_its_run(
    board: Board, anna: Actor, scan: UUID
) -> None:
    run, taken = accepted(board, anna, scan)
    with board.world.site.begin() as work:
        users.disable_user(work, "anna")
    with pytest.raises(OutputRejectedError):
        outputs.finish(board.world.site, taken.lease)
    attempts.end(board.world.site, taken.lease, Reason.OUTPUT_REJECTED, "disabled")
    assert board.see(anna, run).state is RunState.FAILED


def test_too_many_bytes_of_output_are_rejected(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.define(anna, "small", resources={"scratch_mib": 1})
    board.start(anna, "result", "small", scan=scan)
    taken = board.take()
    board.fill(taken.lease, {"a": b"x" * 2**20, "b": b"x"})
    with pytest.raises(OutputRejectedError, match="1 MiB are allowed"):
        outputs.accept(board.world.site, taken.lease)


def test_its_record_comes_back_with_a_lost_database(
    board: Board, anna: Actor, scan: UUID, tmp_path: Path
) -> None:
    run, taken = accepted(board, anna, scan)
    outputs.finish(board.world.site, taken.lease)
    made = board.see(anna, run).dataset
    assert made is not None
    with emptied(board.world.site, tmp_path) as site:
        assert rebuild(site).failed == {}
        with site.look() as work:
            record = work.session.get_one(Dataset, made).run
    assert record is not None
    assert record == board.world.see(anna, made).run
