"""Previews: who makes and sees them, when they count, and when they are gone."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from hutch.contract.problems import (
    AttemptEndedError,
    InUseError,
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    ParentOpenError,
    StoreUnavailableError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right
from hutch.contract.wire.previews import MAX_BYTES, MAX_PREVIEWS
from hutch.contract.wire.runs import Reason, RunState, StepKind
from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain.access import Actor
from hutch_api.services import attempts, deletion, outputs, previews
from hutch_api.services.attempts import Runner
from hutch_api.services.leases import LEASE
from hutch_api.services.outputs import OutputRejectedError
from hutch_api.store.run_tables import Attempt, Preview
from tests.conftest import Clock
from tests.derivations.board import Board
from tests.derivations.previewing import PICTURES, PreviewBoard


@pytest.fixture
def making(board: Board) -> PreviewBoard:
    return PreviewBoard(board)


@pytest.fixture
def scan(board: Board, anna: Actor) -> UUID:
    return board.scan(anna).id


def test_previews_are_made_read_and_replaced(
    making: PreviewBoard, anna: Actor, scan: UUID
) -> None:
    assert making.listed(anna, scan).run is None
    first = making.make(anna, scan)
    assert (first.state, first.dataset, first.target) == (
        RunState.SUCCEEDED,
        None,
        "previews",
    )
    assert first.name == f"hutch-preview-{str(scan)[:8]}"
    listed = making.listed(anna, scan)
    assert (listed.run, listed.made_at) == (first.id, first.ended_at)
    assert [(p.name, p.bytes, p.media_type) for p in listed.items] == [
        ("0001.png", 4, "image/png"),
        ("index.json", 2, "application/json"),
    ]
    store = making.site.objects
    assert isinstance(store, MemoryStore)
    assert store.send(listed.items[0].request).body == PICTURES["0001.png"]
    second = making.make(anna, scan, {"0002.png": b"new"})
    assert making.listed(anna, scan).run == second.id
    assert making.names(anna, scan) == ["0002.png"]
    assert attempts.clear_ended(making.site)
    assert not attempts.clear_ended(making.site)
    [left] = making.records()
    assert left.endswith("/0002.png")
    assert making.names(anna, scan) == ["0002.png"]


def test_previews_are_shown_when_their_run_has_succeeded(
    making: PreviewBoard, anna: Actor, scan: UUID
) -> None:
    making.make(anna, scan, {"0001.png": b"old"})
    making.start(anna, scan)
    taken = making.take()
    making.send(taken.lease, {"0002.png": b"new"})
    assert making.names(anna, scan) == ["0001.png"]
    outputs.accept(making.site, taken.lease)
    assert making.names(anna, scan) == ["0001.png"]
    assert outputs.finish(making.site, taken.lease)
    assert making.names(anna, scan) == ["0002.png"]


def test_whoever_may_read_the_dataset_sees_them_and_nobody_else(
    making: PreviewBoard, anna: Actor, ben: Actor, scan: UUID
) -> None:
    making.make(anna, scan)
    with pytest.raises(NotFoundError):
        making.listed(ben, scan)
    with pytest.raises(NotFoundError):
        making.start(ben, scan)
    making.board.world.share(anna, scan, "user:ben", Right.READ)
    assert making.names(ben, scan) == sorted(PICTURES)
    assert making.make(ben, scan, {"9.png": b"x"}).owner == "ben"
    assert making.names(anna, scan) == ["9.png"]
    limited = making.board.world.limited(anna, Scope.WRITE)
    with pytest.raises(TokenInsufficientError):
        making.listed(limited, scan)


def test_a_run_for_previews_has_no_name_of_its_own(
    making: PreviewBoard, board: Board, anna: Actor, scan: UUID
) -> None:
    with pytest.raises(InvalidInputError, match="makes previews and no dataset"):
        making.start(anna, scan, name="mine")
    making.start(anna, scan)
    with pytest.raises(NameTakenError):
        making.start(anna, scan)
    with pytest.raises(ParentOpenError):
        making.start(anna, board.world.create(anna, "open").id)
    with pytest.raises(InvalidInputError, match="edge"):
        making.start(anna, scan, parameters={"edge": 63})
    with pytest.raises(InvalidInputError, match="images"):
        making.start(anna, scan, parameters={"images": 65})
    board.define(anna)
    with pytest.raises(InvalidInputError, match="name of the dataset"):
        board.start(anna, None, scan=scan)


def test_a_run_for_previews_is_nobodys_input(
    making: PreviewBoard, board: Board, anna: Actor, scan: UUID
) -> None:
    board.define(anna)
    run = making.start(anna, scan)
    with pytest.raises(InvalidInputError, match="makes previews and no dataset"):
        board.start(anna, "r", scan=run.id)


def test_a_dataset_is_not_deleted_while_previews_are_made_of_it(
    making: PreviewBoard, anna: Actor, scan: UUID
) -> None:
    making.start(anna, scan)
    making.take()
    with pytest.raises(InUseError):
        deletion.delete(making.site, anna, scan)


def test_a_runner_takes_what_it_can_execute(
    making: PreviewBoard, board: Board, anna: Actor, scan: UUID
) -> None:
    def take(executor: str) -> str | None:
        runner = Runner(name="r", holder=uuid4(), executor=executor)
        taken = attempts.take(making.site, runner)
        return None if taken is None else taken.image

    board.define(anna)
    making.start(anna, scan)
    assert take("engine") is None
    assert take("slurm") is None
    board.start(anna, "result", scan=scan)
    assert take("local") == "system"
    assert take("local") is None
    assert str(take("engine")).startswith("sha256:")


def test_a_runner_takes_up_what_it_executes_itself(
    making: PreviewBoard, anna: Actor, scan: UUID
) -> None:
    making.start(anna, scan)
    taken = making.take("here")
    other = Runner(name="here", holder=uuid4(), executor="engine")
    assert attempts.take_over(making.site, other) == []
    same = Runner(name="here", holder=uuid4(), executor="local")
    [again] = attempts.take_over(making.site, same)
    assert again.lease.attempt == taken.lease.attempt


# --- sending


def test_only_the_last_step_of_a_live_attempt_sends(
    making: PreviewBoard, board: Board, anna: Actor, scan: UUID, clock: Clock
) -> None:
    making.start(anna, scan)
    taken = making.take()
    for nobody in (
        anna,
        making.sender(taken.lease, StepKind.IN),
        making.sender(taken.lease, StepKind.MAIN),
    ):
        with pytest.raises(TokenInsufficientError):
            previews.put(making.site, nobody, "0001.png", b"x")
    board.define(anna)
    board.start(anna, "result", scan=scan)
    other = board.enter(board.claim(board.take().lease, StepKind.OUT))
    with pytest.raises(TokenInsufficientError):
        previews.put(making.site, other, "0001.png", b"x")
    sender = making.send(taken.lease)
    clock.move(LEASE + timedelta(seconds=1))
    with pytest.raises(AttemptEndedError):
        previews.put(making.site, sender, "0002.png", b"x")
    assert len(making.records()) == len(PICTURES)


def test_what_is_accepted_does_not_change(
    making: PreviewBoard, anna: Actor, scan: UUID
) -> None:
    making.start(anna, scan)
    taken = making.take()
    sender = making.send(taken.lease)
    outputs.accept(making.site, taken.lease)
    with pytest.raises(AttemptEndedError):
        previews.put(making.site, sender, "0001.png", b"other")
    assert outputs.finish(making.site, taken.lease)
    [shown, _] = making.listed(anna, scan).items
    store = making.site.objects
    assert isinstance(store, MemoryStore)
    assert store.send(shown.request).body == PICTURES["0001.png"]


def test_an_earlier_attempt_sends_nothing_into_a_later_one(
    making: PreviewBoard, anna: Actor, scan: UUID, clock: Clock
) -> None:
    making.start(anna, scan)
    stale = making.take()
    sender = making.send(stale.lease)
    attempts.end(making.site, stale.lease, Reason.LOST, "x")
    clock.move(attempts.FIRST_PAUSE)
    fresh = making.take()
    with pytest.raises(AttemptEndedError):
        previews.put(making.site, sender, "0003.png", b"x")
    making.send(fresh.lease, {"0001.png": b"x"})
    making.board.finish(fresh.lease)
    assert making.names(anna, scan) == ["0001.png"]


def test_a_preview_that_comes_too_late_takes_itself_back(
    making: PreviewBoard, anna: Actor, scan: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    making.start(anna, scan)
    taken = making.take()
    sender = making.sender(taken.lease)
    store = making.site.objects
    written = store.put_record

    def slow(name: str, data: bytes) -> None:
        attempts.end(making.site, taken.lease, Reason.ERROR, "x")
        attempts.clear(making.site, taken.lease.attempt)
        written(name, data)

    monkeypatch.setattr(store, "put_record", slow)
    with pytest.raises(AttemptEndedError):
        previews.put(making.site, sender, "0001.png", b"x")
    assert making.records() == []


NO_NAMES = (
    "a.txt",
    ".png",
    "A.png",
    "-a.png",
    "a/b.png",
    "../a.png",
    "a b.png",
    "a.png\n",
    "a",
    f"{'a' * 97}.png",
)


def test_a_name_that_is_none_is_refused(
    making: PreviewBoard, anna: Actor, scan: UUID
) -> None:
    making.start(anna, scan)
    sender = making.sender(making.take().lease)
    for name in NO_NAMES:
        with pytest.raises(InvalidInputError, match="not the name of a preview"):
            previews.put(making.site, sender, name, b"x")
    assert making.records() == []


def test_too_large_and_too_many_previews_are_refused(
    making: PreviewBoard, anna: Actor, scan: UUID
) -> None:
    making.start(anna, scan)
    taken = making.take()
    sender = making.sender(taken.lease)
    previews.put(making.site, sender, "a.png", b"x" * MAX_BYTES)
    with pytest.raises(InvalidInputError, match="are allowed"):
        previews.put(making.site, sender, "b.png", b"x" * (MAX_BYTES + 1))
    with making.site.begin() as work:
        work.session.add_all(
            Preview(
                attempt_id=taken.lease.attempt,
                name=f"{n}.png",
                dataset_id=scan,
                bytes=1,
                media_type="image/png",
            )
            for n in range(1, MAX_PREVIEWS)
        )
    previews.put(making.site, sender, "a.png", b"again")
    with pytest.raises(InvalidInputError, match="as many as are allowed"):
        previews.put(making.site, sender, "b.png", b"x")


def test_an_attempt_without_previews_is_no_success(
    making: PreviewBoard, anna: Actor, scan: UUID
) -> None:
    making.start(anna, scan)
    taken = making.take()
    with pytest.raises(OutputRejectedError, match="no previews"):
        outputs.accept(making.site, taken.lease)


# --- what is left


def test_what_a_failed_attempt_sent_is_removed(
    making: PreviewBoard, anna: Actor, scan: UUID
) -> None:
    making.make(anna, scan, {"0001.png": b"kept"})
    making.start(anna, scan)
    taken = making.take()
    making.send(taken.lease)
    attempts.end(making.site, taken.lease, Reason.ERROR, "x")
    assert attempts.clear_ended(making.site)
    assert making.names(anna, scan) == ["0001.png"]
    assert len(making.records()) == 1
    assert rows(making) == 1


def test_a_removal_that_breaks_off_is_done_again(
    making: PreviewBoard,
    anna: Actor,
    scan: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    making.start(anna, scan)
    taken = making.take()
    making.send(taken.lease)
    attempts.end(making.site, taken.lease, Reason.ERROR, "x")
    with monkeypatch.context() as patched:
        patched.setattr(making.site.objects, "delete_records", fail)
        with pytest.raises(StoreUnavailableError):
            attempts.clear_ended(making.site)
    assert making.records() != []
    assert attempts.clear_ended(making.site)
    assert making.records() == []


def fail(_prefix: str) -> None:
    raise StoreUnavailableError("the store is away")


def test_a_deleted_dataset_leaves_no_previews(
    making: PreviewBoard, anna: Actor, scan: UUID
) -> None:
    making.make(anna, scan)
    making.make(anna, scan)
    deletion.delete(making.site, anna, scan)
    assert making.records() == []
    assert rows(making) == 0
    assert making.listed(anna, scan).items == ()
    # What was to be removed of the first run is gone already.
    assert attempts.clear_ended(making.site)


def test_a_failed_run_of_a_dataset_removes_no_previews(
    making: PreviewBoard, board: Board, anna: Actor, scan: UUID
) -> None:
    making.make(anna, scan)
    board.define(anna)
    board.start(anna, "result", scan=scan)
    attempts.end(making.site, board.take().lease, Reason.ERROR, "x")
    assert attempts.clear_ended(making.site)
    assert making.names(anna, scan) == sorted(PICTURES)


def rows(making: PreviewBoard) -> int:
    with making.site.look() as work:
        return len(work.session.exec(select(Preview)).all())


def test_what_is_under_way_is_not_removed_by_what_succeeds(
    making: PreviewBoard, board: Board, anna: Actor, ben: Actor, scan: UUID
) -> None:
    board.world.share(anna, scan, "user:ben", Right.READ)
    making.start(anna, scan)
    slow = making.take()
    making.send(slow.lease)
    making.make(ben, scan, {"9.png": b"x"})
    assert not attempts.clear_ended(making.site)
    making.board.finish(slow.lease)
    assert making.names(anna, scan) == sorted(PICTURES)
    with making.site.look() as work:
        states = {a.id: a.cleared for a in work.session.exec(select(Attempt))}
    assert states.pop(slow.lease.attempt)
    assert list(states.values()) == [False]
