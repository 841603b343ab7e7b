"""The worker's chores: what is due is done, and nothing stands in the way of others."""

import logging
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import select

from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch.contract.wire.datasets import OperationState, State
from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain.layout import key_of
from hutch_api.services import operations, store_accounts, upkeep
from hutch_api.services.work import Site
from hutch_api.store.tables import (
    Account,
    AccountState,
    Dataset,
    Intent,
    IntentState,
    Operation,
    Superseded,
)
from tests.conftest import Clock
from tests.transfer.flow import Flow, crc, sha256
from tests.transfer.foreign import Foreign
from tests.transfer.held import held
from tests.transfer.race import left_to_a_worker

pytestmark = pytest.mark.rules
SECRET = "hash of a password"


def failing(
    patch: pytest.MonkeyPatch, method: str, dataset: UUID, error: Exception
) -> None:
    """Have the store fail at one dataset only."""
    right = getattr(MemoryStore, method)

    def act(self: MemoryStore, of: object, /, *args: object, **more: object) -> object:
        given = list(of) if method == "delete" else of  # type: ignore[call-overload]
        if str(dataset) in str(given):
            raise error
        return right(self, given, *args, **more)

    patch.setattr(MemoryStore, method, act)


def two(flow: Flow) -> tuple[UUID, UUID]:
    """Two datasets, the first of which comes first wherever ids decide."""
    ada = flow.user("ada")
    first, second = sorted(flow.dataset(ada, name).id for name in ("x", "y"))
    return first, second


def stuck(flow: Flow, dataset: UUID) -> None:
    """Leave a finish as a killed server does."""
    ada = flow.user("ada")
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"a": b"1"})
    flow.carry(ada, push, upload, b"1")
    with flow.site.begin() as work:
        intent = work.session.get_one(Intent, upload.intent)
        intent.state, intent.sha256 = IntentState.COMPLETING, sha256(b"1")
        intent.crc64nvme = crc(b"1")


def test_a_defect_in_one_chore_does_not_keep_the_others_from_work(
    flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def broken(site: Site) -> bool:
        with site.begin() as work:
            work.session.execute(text("SELECT :x FROM nowhere"), {"x": SECRET})
        return True

    def sound(_: Site) -> bool:
        done.append("sound")
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep, "CHORES", (_wrong, broken, sound))
        assert upkeep.run_once(flow.site)
    assert done == ["sound"]
    logged = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [r.exc_info is not None for r in logged] == [True]
    assert "ZeroDivisionError" in caplog.text
    assert SECRET not in caplog.text


def _wrong(_: Site) -> bool:
    return bool(1 // 0)


def test_values_of_statements_are_not_logged(
    flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(site: Site) -> bool:
        with site.begin() as work:
            query = text("INSERT INTO users (id, name) VALUES (:x, NULL)")
            work.session.execute(query, {"x": SECRET})
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep, "CHORES", (broken,))
        assert not upkeep.run_once(flow.site)
    assert "IntegrityError" in caplog.text
    assert SECRET not in caplog.text


def test_a_round_in_which_the_store_was_away_says_so(flow: Flow) -> None:
    def away(_: Site) -> bool:
        raise StoreUnavailableError("the store does not answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep, "CHORES", (away,))
        with pytest.raises(StoreUnavailableError):
            upkeep.run_once(flow.site)
        patch.setattr(upkeep, "CHORES", (away, lambda _: True))
        assert upkeep.run_once(flow.site)


def test_a_finish_that_cannot_be_mended_does_not_stand_before_others(
    flow: Flow, clock: Clock
) -> None:
    first, second = two(flow)
    stuck(flow, first)
    stuck(flow, second)
    clock.move(timedelta(minutes=2))
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, "versions", first, StoreError("broken"))
        upkeep.resolve_finishes(flow.site)
        assert (list(held(flow, first)), list(held(flow, second))) == ([], ["a"])
        assert not upkeep.resolve_finishes(flow.site)  # not at once again
    clock.move(timedelta(minutes=2))
    upkeep.resolve_finishes(flow.site)
    assert list(held(flow, first)) == ["a"]


def test_a_finish_that_somebody_still_works_on_is_left_alone(flow: Flow) -> None:
    dataset, _ = two(flow)
    stuck(flow, dataset)
    assert not upkeep.resolve_finishes(flow.site)
    assert held(flow, dataset) == {}


def test_a_finish_under_way_does_not_expire(flow: Flow, clock: Clock) -> None:
    dataset, _ = two(flow)
    stuck(flow, dataset)
    clock.move(timedelta(days=8))
    assert not upkeep.end_idle_uploads(flow.site)
    upkeep.resolve_finishes(flow.site)
    assert list(held(flow, dataset)) == ["a"]


def test_an_upload_of_today_does_not_expire(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.announce(ada, flow.start(ada, dataset), {"a": b"1"})
    assert not upkeep.end_idle_uploads(flow.site)


def test_an_upload_that_cannot_be_cleared_does_not_stand_before_others(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    for dataset in (both := two(flow)):
        push = flow.start(ada, dataset)
        [upload] = flow.announce(ada, push, {"a": b"1"})
        flow.carry(ada, push, upload, b"1")
    clock.move(timedelta(days=8))
    assert upkeep.end_idle_uploads(flow.site)
    assert not upkeep.clear_ended_uploads(flow.site)  # a late PUT may still land
    clock.move(timedelta(hours=3))
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, "versions", both[0], StoreError("broken"))
        upkeep.clear_ended_uploads(flow.site)
        assert not upkeep.clear_ended_uploads(flow.site)
    with flow.site.look() as work:
        rows = work.session.exec(select(Intent)).all()
        assert {i.dataset_id: i.cleared for i in rows} == {
            both[0]: False,
            both[1]: True,
        }
    clock.move(timedelta(hours=3))
    upkeep.clear_ended_uploads(flow.site)
    assert list(flow.site.objects.versions(key_of(both[0], "a"))) == []


@pytest.mark.foreign
def test_clearing_an_upload_touches_nothing_of_others(
    flow: Flow, foreign: Foreign, clock: Clock
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"ab": b"1"})
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"a": b"1"})
    flow.carry(ada, push, upload, b"1")
    foreign.put(key_of(dataset, "a"), b"1")
    clock.move(timedelta(days=8))
    upkeep.end_idle_uploads(flow.site)
    clock.move(timedelta(hours=3))
    upkeep.clear_ended_uploads(flow.site)
    left = [v.key for v in flow.site.objects.versions(f"d/{dataset}/")]
    assert left == [key_of(dataset, "a"), key_of(dataset, "ab")]


def test_a_version_that_cannot_be_deleted_does_not_stand_before_others(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    both = two(flow)
    for dataset in both:
        flow.push(ada, dataset, {"a": b"1"})
        flow.push(ada, dataset, {"a": b"2"}, force=True)
    assert not upkeep.delete_superseded(flow.site)
    clock.move(timedelta(hours=3))
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, "delete", both[0], StoreError("locked"))
        upkeep.delete_superseded(flow.site)
        assert not upkeep.delete_superseded(flow.site)
    with flow.site.look() as work:
        left = work.session.exec(select(Superseded.dataset_id)).all()
    assert left == [both[0]]
    clock.move(timedelta(hours=3))
    upkeep.delete_superseded(flow.site)
    assert len(list(flow.site.objects.versions(f"d/{both[0]}/"))) == 1


def test_an_account_that_cannot_be_deleted_does_not_stand_before_others(
    flow: Flow,
) -> None:
    ada = flow.user("ada")
    for dataset in two(flow):
        flow.push(ada, dataset, {"a": b"1"})
        with flow.site.begin() as work:
            store_accounts.retire(work, dataset)
    with flow.site.look() as work:
        first = work.session.exec(select(Account)).all()[0].key_id
    delete = type(flow.site.accounts).delete

    def locked(self: object, key_id: str) -> None:
        if key_id == first:
            raise StoreError("locked")
        delete(self, key_id)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(flow.site.accounts), "delete", locked)
        with pytest.raises(StoreError, match="locked"):
            store_accounts.settle(flow.site)
    with flow.site.look() as work:
        states = work.session.exec(select(Account.state)).all()
    assert sorted(states) == [AccountState.DELETING, AccountState.GONE]


def test_an_operation_that_fails_does_not_stand_before_others(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    both = two(flow)
    with left_to_a_worker(), pytest.MonkeyPatch.context() as patch:
        for dataset in both:
            flow.close(ada, dataset, empty=True)
            clock.move(timedelta(seconds=1))
        failing(patch, "versions", both[0], StoreError("broken"))
        with pytest.raises(StoreError):
            upkeep.go_on(flow.site)
        assert upkeep.go_on(flow.site)
        assert not upkeep.go_on(flow.site)
    with flow.site.look() as work:
        states = [work.session.get_one(Dataset, d).state for d in both]
    assert states == [State.CLOSING, State.CLOSED]
    clock.move(operations.RETRY + timedelta(seconds=1))
    assert upkeep.go_on(flow.site)


def test_an_operation_under_way_is_nobody_elses(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    with left_to_a_worker():
        out = flow.close(ada, dataset, empty=True)
    assert operations.claim(flow.site) is not None
    clock.move(operations.LEASE - timedelta(seconds=1))
    assert operations.claim(flow.site) is None
    operations.advance(flow.site, out.id, 0)  # whoever is at work keeps it
    clock.move(timedelta(seconds=2))
    assert operations.claim(flow.site) is None
    clock.move(operations.LEASE)
    assert operations.claim(flow.site) is not None
    assert upkeep.go_on(flow.site) is False
    clock.move(operations.LEASE * 2)
    assert upkeep.go_on(flow.site)
    operations.advance(flow.site, out.id, 5)
    with flow.site.look() as work:
        row = work.session.get_one(Operation, out.id)
    assert (row.done, row.leased_until) == (0, None)


def test_whoever_waits_sees_why_an_operation_does_not_go_on(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, "versions", dataset, StoreUnavailableError("it is away"))
        out = flow.close(ada, dataset, empty=True)
    assert out.state is OperationState.RUNNING
    assert out.problem is not None
    assert out.problem["detail"] == "it is away"
    clock.move(operations.RETRY + timedelta(seconds=1))
    upkeep.run_once(flow.site)
    with flow.site.look() as work:
        ended = operations.get_operation(work, ada, out.id)
    assert (ended.state, ended.problem) == (OperationState.DONE, None)
