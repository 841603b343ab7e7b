"""Guards where a dataset ends: close, deletion, sweeps and store accounts."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlmodel import col, select

from hutch.contract import records as forms
from hutch.contract.problems import (
    CloseRefusedError,
    DatasetBusyError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import CloseIn, State
from hutch_api.adapters.memory import MemoryStore
from hutch_api.adapters.memory_accounts import MemoryAccounts
from hutch_api.domain.access import Actor, Limits
from hutch_api.domain.layout import key_of, seal_of
from hutch_api.services import (
    closing,
    deletion,
    files,
    operations,
    records,
    remains,
    store_accounts,
    upkeep,
)
from hutch_api.services.sweep import sweep, sweep_due
from hutch_api.store.tables import (
    Account,
    AccountState,
    Dataset,
    File,
    Intent,
    IntentState,
    Operation,
)
from tests.conftest import Clock
from tests.transfer.flow import Flow, code
from tests.transfer.foreign import Foreign
from tests.transfer.race import left_to_a_worker

pytestmark = pytest.mark.rules
BIG = b"x" * (17 * 1024**2)


def limited(actor: Actor, *scopes: Scope) -> Actor:
    return Actor(
        user=actor.user,
        name=actor.name,
        role=actor.role,
        request_id="test",
        limits=Limits(frozenset(scopes)),
    )


def intents(flow: Flow) -> list[Intent]:
    with flow.site.look() as work:
        return list(work.session.exec(select(Intent).order_by(col(Intent.path))).all())


def account_states(flow: Flow) -> list[str]:
    with flow.site.look() as work:
        return sorted(work.session.exec(select(Account.state)).all())


# ---- scopes


def test_closing_needs_the_scope_to_close(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    with pytest.raises(TokenInsufficientError):
        flow.close(limited(ada, Scope.READ, Scope.WRITE), dataset, empty=True)


def test_deleting_needs_the_scope_to_delete(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    with pytest.raises(TokenInsufficientError):
        deletion.delete(
            flow.site, limited(ada, Scope.READ, Scope.WRITE, Scope.CLOSE), dataset
        )


def test_an_operation_is_told_to_those_who_may_read_its_dataset(flow: Flow) -> None:
    ada, eve = flow.user("ada"), flow.user("eve")
    dataset = flow.dataset(ada).id
    out = flow.close(ada, dataset, empty=True)
    with flow.site.look() as work:
        assert operations.get_operation(work, ada, out.id) == out
        with pytest.raises(NotFoundError):
            operations.get_operation(work, eve, out.id)
        with pytest.raises(TokenInsufficientError):
            operations.get_operation(work, limited(ada, Scope.WRITE), out.id)


# ---- closing and deleting


def test_a_dataset_is_not_deleted_while_it_closes(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    with left_to_a_worker():
        flow.close(ada, dataset, empty=True)
    with pytest.raises(DatasetBusyError):
        deletion.delete(flow.site, ada, dataset)


@pytest.mark.parametrize("what", ["close", "delete"])
def test_nothing_passes_an_account_that_is_not_gone(flow: Flow, what: str) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})

    def down(self: object, key_id: str) -> None:
        raise StoreUnavailableError("the store does not answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryAccounts, "delete", down)
        if what == "close":
            flow.close(ada, dataset)
        else:
            deletion.delete(flow.site, ada, dataset)
    with flow.site.look() as work:
        waiting = work.session.get_one(Dataset, dataset).state
    assert waiting is (State.CLOSING if what == "close" else State.DELETING)
    assert account_states(flow) == [AccountState.DELETING]


def test_a_close_waits_for_its_own_accounts_only(flow: Flow) -> None:
    ada = flow.user("ada")
    one, two = flow.dataset(ada, "one").id, flow.dataset(ada, "two").id
    flow.push(ada, one, {"a": b"1"})
    flow.push(ada, two, {"a": b"1"})
    with flow.site.begin() as work:
        store_accounts.retire(work, two)
    flow.close(ada, one)
    assert account_states(flow) == [AccountState.DELETING, AccountState.GONE]


@pytest.mark.parametrize("what", ["close", "delete"])
def test_uploads_end_in_the_store_with_their_dataset(flow: Flow, what: str) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    flow.announce(ada, flow.start(ada, dataset), {"big": BIG})
    if what == "close":
        flow.close(ada, dataset, abandon=True)
    else:
        deletion.delete(flow.site, ada, dataset)
    assert flow.site.objects.uploads(key_of(dataset, "big")) == []
    [big] = [i for i in intents(flow) if i.path == "big"]
    assert (big.state, big.cleared) == (IntentState.ABORTED, True)
    with flow.site.look() as work:
        row = work.session.get_one(Dataset, dataset)
        assert row.sweep_at == flow.site.clock() + timedelta(minutes=1)
        count = len(work.session.exec(select(File)).all())
    assert count == (1 if what == "close" else 0)


def test_dead_versions_are_found_page_by_page(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    names = ("a", "b", "c")
    for data in (b"1", b"2", b"3"):
        flow.push(ada, dataset, dict.fromkeys(names, data), force=True)
    push = flow.start(ada, dataset)
    for upload in flow.announce(ada, push, {"x": b"1", "y": b"1"}):
        flow.carry(ada, push, upload, b"1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remains, "PAGE", 1)
        patch.setattr(files, "PAGE", 1)
        patch.setattr(records, "CHUNK", 1)
        flow.close(ada, dataset, abandon=True)
    listed = [v.key for v in flow.site.objects.versions(f"d/{dataset}/")]
    assert listed == [key_of(dataset, name) for name in names]
    assert len(b"".join(files.manifest(flow.site, ada, dataset)).splitlines()) == 3


@pytest.mark.foreign
@pytest.mark.parametrize("what", ["close", "delete", "sweep"])
def test_a_store_that_never_stops_listing_is_not_asked_for_ever(
    flow: Flow, foreign: Foreign, what: str
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    if what == "sweep":
        flow.close(ada, dataset)
    foreign.put(key_of(dataset, "stray"), b"stays")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryStore, "delete", lambda *_: None)
        if what == "sweep":
            sweep(flow.site, dataset)
            return
        acts = {
            "close": partial(
                closing.close, flow.site, ada, dataset, CloseIn(drop=True)
            ),
            "delete": partial(deletion.delete, flow.site, ada, dataset),
        }
        with pytest.raises(StoreError, match="goes on listing"):
            acts[what]()


def test_a_refused_close_says_so_to_whoever_polls(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    version = flow.push(ada, dataset, {"a": b"1"})["a"].version
    assert version is not None
    with left_to_a_worker():
        out = flow.close(ada, dataset)
    with flow.site.begin() as work:  # as if the store had lost it
        file = work.session.get_one(File, (dataset, "a"))
        file.version = "lost"
    upkeep.go_on(flow.site)
    with flow.site.begin() as work:
        work.session.get_one(File, (dataset, "a")).version = version
        told = operations.get_operation(work, ada, out.id)
        assert work.session.get_one(Dataset, dataset).state is State.OPEN
    assert code(told.problem) == "close-refused"
    with pytest.raises(CloseRefusedError):
        operations.outcome(flow.site, out.id)


# ---- sweeps


@pytest.mark.foreign
@pytest.mark.parametrize("lie", ["none", "instance", "seal", "digest", "files", "pins"])
def test_a_sweep_stops_at_any_record_that_differs(
    flow: Flow, foreign: Foreign, lie: str
) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    foreign.put(key_of(dataset, "b"), b"evidence")
    document = records.read_seal(flow.site, dataset)
    assert document is not None
    with flow.site.begin() as work:
        row = work.session.get_one(Dataset, dataset)
        match lie:
            case "none":
                flow.site.objects.delete_records(seal_of(dataset))
            case "instance":
                changed = replace(document, instance=str(UUID(int=1)))
                data = forms.write_seal(changed)
                flow.site.objects.put_record(seal_of(dataset), data)
            case "seal":
                row.seal = "0" * 64
            case "digest":
                row.digest = "0" * 64
            case "pins":
                work.session.get_one(File, (dataset, "a")).version = "another"
            case _:
                work.session.get_one(File, (dataset, "a")).sha256 = "0" * 64
    with pytest.raises(StoreError, match="differ"):
        sweep(flow.site, dataset)
    assert len(list(flow.site.objects.versions(f"d/{dataset}/"))) == 2


def test_a_sweep_that_fails_comes_again_behind_the_others(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    one = flow.closed(ada, {"a": b"1"}, "one")
    clock.move(timedelta(seconds=1))
    two = flow.closed(ada, {"a": b"1"}, "two")
    seal = flow.site.objects.get_record(seal_of(one)) or b""
    flow.site.objects.delete_records(seal_of(one))
    clock.move(timedelta(minutes=2))
    with pytest.raises(StoreError):
        sweep_due(flow.site)
    assert sweep_due(flow.site)
    assert not sweep_due(flow.site)
    with flow.site.look() as work:
        sweeps = [work.session.get_one(Dataset, d).sweeps for d in (one, two)]
    assert sweeps == [0, 1]
    flow.site.objects.put_record(seal_of(one), seal)
    clock.move(timedelta(minutes=31))
    assert sweep_due(flow.site)


def test_a_damaged_seal_or_manifest_is_not_believed(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    document = records.read_seal(flow.site, dataset)
    assert document is not None
    [piece] = document.manifest
    name = f"datasets/{dataset}/{piece}"
    whole = flow.site.objects.get_record(name) or b""
    flow.site.objects.put_record(name, whole + b"more")
    with pytest.raises(StoreError, match="damaged"):
        b"".join(records.read_manifest(flow.site, dataset))
    other = {**document.record, "digest": "0" * 64}
    data = forms.write_seal(replace(document, record=other))
    flow.site.objects.put_record(seal_of(dataset), data)
    with pytest.raises(StoreError, match="damaged"):
        records.read_seal(flow.site, dataset)


# ---- store accounts


def test_an_account_that_ends_soon_is_replaced(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    push = flow.start(ada, flow.dataset(ada).id)
    before = store_accounts.usable_account(flow.site, ada, push)
    clock.move(store_accounts.LIFE - timedelta(minutes=59))
    after = store_accounts.usable_account(flow.site, ada, push)
    assert before.key_id != after.key_id
    assert account_states(flow) == [AccountState.DELETING, AccountState.LIVE]
    store_accounts.settle(flow.site)


def test_an_account_in_use_is_kept_and_one_that_ends_soon_is_not(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    push = flow.start(ada, flow.dataset(ada).id)
    store_accounts.usable_account(flow.site, ada, push)
    for _ in range(3):
        clock.move(timedelta(minutes=10))
        store_accounts.usable_account(flow.site, ada, push)
        upkeep.end_accounts(flow.site)
        assert account_states(flow) == [AccountState.LIVE]
    with flow.site.begin() as work:
        account = work.session.exec(select(Account)).one()
        account.expires_at = work.now + store_accounts.URL_LIFE
    upkeep.end_accounts(flow.site)
    assert account_states(flow) == [AccountState.GONE]


def test_an_account_whose_making_never_ended_is_given_up(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    push = flow.start(ada, flow.dataset(ada).id)
    store_accounts.usable_account(flow.site, ada, push)
    with flow.site.begin() as work:
        account = work.session.exec(select(Account)).one()
        account.state = AccountState.CREATING
    clock.move(timedelta(seconds=59))
    upkeep.end_accounts(flow.site)
    assert account_states(flow) == [AccountState.CREATING]
    clock.move(timedelta(seconds=2))
    upkeep.end_accounts(flow.site)
    assert account_states(flow) == [AccountState.GONE]


def test_unknown_accounts_are_looked_for_now_and_then(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    push = flow.start(ada, flow.dataset(ada).id)
    live = store_accounts.usable_account(flow.site, ada, push)
    assert isinstance(flow.site.objects, MemoryStore)
    flow.site.objects.accounts["STRAY"] = "d/nobody/"
    assert store_accounts.collect_unknown(flow.site) == 1
    assert list(flow.site.accounts.key_ids()) == [live.key_id]
    flow.site.objects.accounts["STRAY"] = "d/nobody/"
    assert store_accounts.collect_unknown(flow.site) == 0
    clock.move(store_accounts.COLLECT_EVERY)
    assert store_accounts.collect_unknown(flow.site) == 1


def test_an_account_of_the_table_that_is_gone_is_collected(flow: Flow) -> None:
    ada = flow.user("ada")
    push = flow.start(ada, flow.dataset(ada).id)
    store_accounts.usable_account(flow.site, ada, push)
    with flow.site.begin() as work:
        work.session.exec(select(Account)).one().state = AccountState.GONE
    assert store_accounts.collect_unknown(flow.site) == 1


def test_an_operation_that_ended_is_not_counted_further(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    out = flow.close(ada, dataset, empty=True)
    operations.hand_over(flow.site, out.id, StoreError("too late"))
    operations.advance(flow.site, out.id, 9)
    with flow.site.look() as work:
        row = work.session.get_one(Operation, out.id)
    assert (row.done, row.leased_until, row.problem) == (0, None, None)
