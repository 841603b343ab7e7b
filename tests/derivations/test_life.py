"""The life of a run, from the queue to the closed dataset, or to its end."""

from datetime import timedelta
from uuid import UUID

import pytest

from hutch.contract.problems import (
    AttemptEndedError,
    ImageUnapprovedError,
    InUseError,
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    ParentOpenError,
    RunEndedError,
    TokenInsufficientError,
    UnauthenticatedError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import State
from hutch.contract.wire.runs import ClaimIn, Reason, RunState, StepKind
from hutch_api.domain.access import Actor
from hutch_api.services import attempts, claims, leases, outputs, tokens, users
from hutch_api.services.leases import LEASE, StoppedError
from hutch_api.services.outputs import OutputRejectedError
from hutch_api.store.run_tables import Attempt
from tests.conftest import Clock
from tests.derivations.board import IMAGE, Board


@pytest.fixture
def scan(board: Board, anna: Actor) -> UUID:
    board.define(anna)
    return board.scan(anna).id


def child_of(board: Board, attempt: UUID) -> UUID:
    with board.world.site.look() as work:
        child = work.session.get_one(Attempt, attempt).dataset_id
    assert child is not None
    return child


def test_a_run_makes_a_closed_dataset_with_its_record(
    board: Board, anna: Actor, scan: UUID
) -> None:
    run = board.start(anna, "result", scan=scan)
    assert run.state is RunState.QUEUED
    board.succeed(board.take())
    ended = board.see(anna, run.id)
    assert ended.state is RunState.SUCCEEDED
    assert ended.dataset is not None
    made = board.world.see(anna, ended.dataset)
    assert (made.name, made.state, made.files) == ("result", State.CLOSED, 1)
    assert [i.id for i in made.inputs] == [scan]
    assert made.run is not None
    assert made.run["image"] == IMAGE
    assert made.run["inputs"][0]["seal"] == made.inputs[0].seal
    assert (made.run["exit_code"], made.run["by"]) == (0, "anna")


def test_the_output_is_hidden_until_it_is_closed(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "result", scan=scan)
    taken = board.take()
    board.fill(taken.lease)
    child = child_of(board, taken.lease.attempt)
    assert board.world.names(anna) == ["scan"]
    with pytest.raises(NotFoundError):
        board.world.see(anna, child)
    board.finish(taken.lease)
    assert sorted(board.world.names(anna)) == ["result", "scan"]


def test_only_closed_readable_fitting_inputs_are_taken(
    board: Board, anna: Actor, ben: Actor, scan: UUID
) -> None:
    board.define(anna, "tomo", inputs={"scan": {"type": "scan.tomo"}})
    with pytest.raises(ParentOpenError):
        board.start(anna, "r", scan=board.world.create(anna, "open").id)
    with pytest.raises(NotFoundError):
        board.start(ben, "r", scan=scan)
    with pytest.raises(InvalidInputError, match=r"takes scan\.tomo"):
        board.start(anna, "r", "tomo", scan=scan)
    with pytest.raises(InvalidInputError, match="missing"):
        board.start(anna, "r")
    with pytest.raises(InvalidInputError, match="no such input"):
        board.start(anna, "r", scan=scan, other=scan)


def test_parameters_are_checked_and_stored_in_full(
    board: Board, anna: Actor, scan: UUID
) -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "centre": {"type": "number", "unit": "pixel", "default": 320.5},
            "rings": {"type": "boolean", "default": True},
        },
    }
    board.define(anna, "fbp", parameters=schema)
    run = board.start(anna, "r", "fbp", {"rings": False}, scan=scan)
    assert run.parameters == {"centre": 320.5, "rings": False}
    with pytest.raises(InvalidInputError, match=r"centre.*in pixel"):
        board.start(anna, "s", "fbp", {"centre": "x"}, scan=scan)
    with pytest.raises(InvalidInputError, match="other"):
        board.start(anna, "s", "fbp", {"other": 1}, scan=scan)


@pytest.mark.parametrize("keyword", ["pattern", "$ref", "format"])
def test_a_schema_that_could_keep_the_server_busy_is_refused(
    board: Board, anna: Actor, keyword: str
) -> None:
    with pytest.raises(InvalidInputError, match="not allowed"):
        board.define(
            anna,
            "d",
            parameters={"type": "object", "properties": {"a": {keyword: "(a+)+$"}}},
        )


def test_only_approved_images_run(board: Board, anna: Actor, scan: UUID) -> None:
    board.define(anna, "other", image=f"sha256:{'2' * 64}")
    with pytest.raises(ImageUnapprovedError):
        board.start(anna, "r", "other", scan=scan)


def test_a_name_is_taken_by_a_run_that_makes_it(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "result", scan=scan)
    with pytest.raises(NameTakenError):
        board.start(anna, "result", scan=scan)
    with pytest.raises(NameTakenError):
        board.start(anna, "scan", scan=scan)


def test_a_name_that_was_taken_meanwhile_loses_no_result(
    board: Board, anna: Actor, scan: UUID
) -> None:
    run = board.start(anna, "result", scan=scan)
    taken = board.take()
    board.world.create(anna, "result")
    board.succeed(taken)
    dataset = board.see(anna, run.id).dataset
    assert dataset is not None
    assert board.world.see(anna, dataset).name == f"result-{str(run.id)[:8]}"


def test_a_run_waits_for_the_run_that_makes_its_input(
    board: Board, anna: Actor, scan: UUID
) -> None:
    first = board.start(anna, "first", scan=scan)
    second = board.start(anna, "second", scan=first.id)
    assert second.state is RunState.WAITING
    board.succeed(board.take())
    assert board.see(anna, second.id).state is RunState.QUEUED
    board.succeed(board.take())
    made = board.see(anna, second.id)
    assert made.inputs[0].dataset == board.see(anna, first.id).dataset


def test_a_run_fails_with_the_run_that_it_waits_for(
    board: Board, anna: Actor, scan: UUID
) -> None:
    first = board.start(anna, "first", scan=scan)
    second = board.start(anna, "second", scan=first.id)
    taken = board.take()
    attempts.end(board.world.site, taken.lease, Reason.ERROR, "exit code 1")
    assert board.see(anna, second.id).state is RunState.FAILED


def test_an_input_that_a_run_reads_is_not_deleted(
    board: Board, anna: Actor, scan: UUID
) -> None:
    run = board.start(anna, "result", scan=scan)
    with pytest.raises(InUseError):
        board.world.delete(anna, scan)
    board.cancel(anna, run.id)
    board.world.delete(anna, scan)


def test_a_claim_code_works_once(board: Board, anna: Actor, scan: UUID) -> None:
    board.start(anna, "result", scan=scan)
    site, lease = board.world.site, board.take().lease
    code = claims.make_claim(site, lease, StepKind.IN)
    claims.redeem(site, ClaimIn(code=code), request_id="r")
    with pytest.raises(UnauthenticatedError):
        claims.redeem(site, ClaimIn(code=code), request_id="r")


def test_a_new_claim_code_ends_the_one_before(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "result", scan=scan)
    site, lease = board.world.site, board.take().lease
    old = claims.make_claim(site, lease, StepKind.IN)
    claims.make_claim(site, lease, StepKind.IN)
    with pytest.raises(UnauthenticatedError):
        claims.redeem(site, ClaimIn(code=old), request_id="r")


def test_a_step_sees_the_datasets_of_its_step_only(
    board: Board, anna: Actor, scan: UUID
) -> None:
    other = board.scan(anna, "other").id
    board.start(anna, "result", scan=scan)
    lease = board.take().lease
    reads = board.enter(board.claim(lease, StepKind.IN))
    writes = board.enter(board.claim(lease, StepKind.OUT))
    child = child_of(board, lease.attempt)
    assert board.world.see(reads, scan).id == scan
    assert board.world.see(writes, child).id == child
    for actor, dataset in ((reads, other), (reads, child), (writes, scan)):
        with pytest.raises(NotFoundError):
            board.world.see(actor, dataset)
    with pytest.raises(TokenInsufficientError):
        board.flow.start(reads, scan)


def test_the_tokens_of_steps_are_in_no_list(
    board: Board, anna: Actor, scan: UUID
) -> None:
    board.start(anna, "result", scan=scan)
    board.claim(board.take().lease, StepKind.IN)
    with board.world.site.look() as work:
        listed = tokens.list_tokens(work, anna).items
    assert [token.name for token in listed] == ["all"]


def test_a_step_ends_with_its_lease(
    board: Board, anna: Actor, scan: UUID, clock: Clock
) -> None:
    board.start(anna, "result", scan=scan)
    job = board.claim(board.take().lease, StepKind.IN)
    clock.move(LEASE)
    with pytest.raises(AttemptEndedError):
        board.enter(job)


def test_a_cancelled_run_ends_its_steps_at_once(
    board: Board, anna: Actor, scan: UUID
) -> None:
    run = board.start(anna, "result", scan=scan)
    taken = board.take()
    job = board.claim(taken.lease, StepKind.IN)
    board.cancel(anna, run.id)
    with pytest.raises(AttemptEndedError):
        board.enter(job)
    assert leases.renew(board.world.site, taken.lease) == "it was cancelled"
    with pytest.raises(StoppedError):
        outputs.accept(board.world.site, taken.lease)
    attempts.end(board.world.site, taken.lease, Reason.CANCELLED, "it was cancelled")
    assert board.see(anna, run.id).state is RunState.CANCELLED


def test_a_run_ends_with_the_token_that_began_it(
    board: Board, anna: Actor, scan: UUID
) -> None:
    token = board.world.token(anna, Scope.READ, Scope.RUN)
    run = board.start(board.world.actor(token.token), "result", scan=scan)
    taken = board.take()
    job = board.claim(taken.lease, StepKind.OUT)
    with board.world.site.begin() as work:
        tokens.revoke_token(work, anna, token.info.id)
    with pytest.raises(UnauthenticatedError):
        board.enter(job)
    assert leases.renew(board.world.site, taken.lease) is not None
    with pytest.raises(StoppedError):
        outputs.accept(board.world.site, taken.lease)
    assert board.see(anna, run.id).state is RunState.RUNNING


def test_a_run_ends_with_the_right_to_read_its_input(
    board: Board, anna: Actor, ben: Actor, scan: UUID
) -> None:
    board.world.share(anna, scan, "user:ben")
    board.start(ben, "result", scan=scan)
    taken = board.take()
    job = board.claim(taken.lease, StepKind.IN)
    board.world.unshare(anna, scan, "user:ben")
    with pytest.raises(NotFoundError):
        board.world.see(board.enter(job), scan)
    assert leases.renew(board.world.site, taken.lease) is not None
    with pytest.raises(StoppedError):
        outputs.accept(board.world.site, taken.lease)


def test_a_run_ends_with_its_user(board: Board, anna: Actor, scan: UUID) -> None:
    board.start(anna, "result", scan=scan)
    taken = board.take()
    job = board.claim(taken.lease, StepKind.IN)
    with board.world.site.begin() as work:
        users.disable_user(work, "anna")
    with pytest.raises(UnauthenticatedError):
        board.enter(job)
    assert leases.renew(board.world.site, taken.lease) is not None


def test_a_stale_attempt_changes_nothing(
    board: Board, anna: Actor, scan: UUID, clock: Clock
) -> None:
    run = board.start(anna, "result", scan=scan)
    stale = board.take()
    job = board.claim(stale.lease, StepKind.OUT)
    clock.move(LEASE + timedelta(seconds=1))
    assert attempts.take(board.world.site, board.runner("other")) is None
    clock.move(attempts.FIRST_PAUSE)
    fresh = board.take(board.runner("other"))
    assert fresh.number == 2
    for act in (
        lambda: board.enter(job),
        lambda: leases.renew(board.world.site, stale.lease),
        lambda: outputs.accept(board.world.site, stale.lease),
        lambda: attempts.note_exit(board.world.site, stale.lease, exit_code=0),
        lambda: attempts.end(board.world.site, stale.lease, Reason.ERROR, "x"),
    ):
        with pytest.raises(AttemptEndedError):
            act()
    board.succeed(fresh)
    ended = board.see(anna, run.id)
    assert [a.reason for a in ended.attempts] == [Reason.LOST, None]


def test_what_an_attempt_left_is_removed(board: Board, anna: Actor, scan: UUID) -> None:
    board.start(anna, "result", scan=scan)
    taken = board.take()
    board.fill(taken.lease)
    child = child_of(board, taken.lease.attempt)
    attempts.end(board.world.site, taken.lease, Reason.ERROR, "exit code 1")
    assert attempts.clear_ended(board.world.site)
    assert not attempts.clear_ended(board.world.site)
    assert list(board.world.site.objects.versions(f"d/{child}/")) == []
    assert board.world.names(anna) == ["scan"]


def test_only_failures_of_the_system_are_tried_again(
    board: Board, anna: Actor, scan: UUID, clock: Clock
) -> None:
    run = board.start(anna, "a", scan=scan)
    attempts.end(board.world.site, board.take().lease, Reason.OOM, "x")
    assert board.see(anna, run.id).state is RunState.FAILED
    run = board.start(anna, "b", scan=scan)
    for _ in range(3):
        attempts.end(board.world.site, board.take().lease, Reason.LOST, "x")
        clock.move(timedelta(minutes=10))
    ended = board.see(anna, run.id)
    assert (ended.state, ended.reason) == (RunState.FAILED, Reason.LOST)


def test_a_runner_takes_up_what_it_had(board: Board, anna: Actor, scan: UUID) -> None:
    board.start(anna, "result", scan=scan)
    first = board.take(board.runner("one"))
    assert attempts.take_over(board.world.site, board.runner("two")) == []
    [again] = attempts.take_over(board.world.site, board.runner("one"))
    assert again.lease.attempt == first.lease.attempt
    with pytest.raises(AttemptEndedError):
        leases.renew(board.world.site, first.lease)
    board.succeed(again)


def test_a_closing_run_goes_on_with_another_runner(
    board: Board, anna: Actor, scan: UUID, clock: Clock
) -> None:
    run = board.start(anna, "result", scan=scan)
    first = board.take()
    board.fill(first.lease)
    outputs.accept(board.world.site, first.lease)
    with pytest.raises(RunEndedError):
        board.cancel(anna, run.id)
    clock.move(LEASE + timedelta(seconds=1))
    second = board.take(board.runner("other"))
    assert second.is_closing
    assert outputs.finish(board.world.site, second.lease)
    assert board.see(anna, run.id).state is RunState.SUCCEEDED


def test_too_much_output_is_rejected(board: Board, anna: Actor, scan: UUID) -> None:
    board.define(anna, "small", resources={"files": 1})
    board.start(anna, "result", "small", scan=scan)
    taken = board.take()
    board.fill(taken.lease, {"a": b"1", "b": b"2"})
    with pytest.raises(OutputRejectedError, match="2 files, 1 are allowed"):
        outputs.accept(board.world.site, taken.lease)
