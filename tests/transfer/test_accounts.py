"""The life of store accounts: what the table says, the store never outlives."""

from datetime import timedelta

import pytest
from sqlmodel import select

from hutch.contract.problems import DatasetBusyError, StoreUnavailableError
from hutch.contract.wire.datasets import State
from hutch_api.domain.accounts import Access
from hutch_api.ports.objects import Credentials
from hutch_api.services import store_accounts, upkeep
from hutch_api.store.tables import Account, AccountState, Dataset
from tests.conftest import Clock
from tests.transfer.flow import Flow


def accounts(flow: Flow) -> list[Account]:
    with flow.site.look() as work:
        return list(work.session.exec(select(Account)).all())


def test_one_account_serves_all_pushes_of_a_dataset(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    flow.push(ada, dataset, {"b": b"1"})
    assert [a.state for a in accounts(flow)] == [AccountState.LIVE]
    assert list(flow.site.accounts.key_ids()) == [accounts(flow)[0].key_id]


def test_an_idle_account_goes_after_a_quarter_of_an_hour(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    clock.move(timedelta(minutes=16))
    upkeep.run_once(flow.site)
    assert [a.state for a in accounts(flow)] == [AccountState.GONE]
    assert list(flow.site.accounts.key_ids()) == []


@pytest.mark.rules
def test_a_new_account_is_a_new_generation(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    first = store_accounts.usable_account(flow.site, ada, flow.start(ada, dataset))
    clock.move(timedelta(minutes=16))
    upkeep.run_once(flow.site)
    second = store_accounts.usable_account(flow.site, ada, flow.start(ada, dataset))
    assert first.key_id != second.key_id
    assert first.secret != second.secret


def test_a_creation_whose_outcome_is_unknown_burns_its_generation(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    create = flow.site.accounts.create

    def lost(self: object, *args: object, **kwargs: object) -> None:
        create(*args, **kwargs)  # type: ignore[arg-type]
        raise StoreUnavailableError("the answer was lost")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(flow.site.accounts), "create", lost)
        with pytest.raises(StoreUnavailableError):
            store_accounts.usable_account(flow.site, ada, flow.start(ada, dataset))
    assert [a.state for a in accounts(flow)] == [AccountState.DELETING]
    store_accounts.usable_account(flow.site, ada, flow.start(ada, dataset))
    upkeep.run_once(flow.site)
    states = sorted(a.state for a in accounts(flow))
    assert states == [AccountState.GONE, AccountState.LIVE]
    assert len(list(flow.site.accounts.key_ids())) == 1


def test_no_account_comes_alive_on_a_dataset_that_is_closing(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    create = flow.site.accounts.create

    def overtaken(self: object, *args: object, **kwargs: object) -> None:
        create(*args, **kwargs)  # type: ignore[arg-type]
        with flow.site.begin() as work:
            work.session.get_one(Dataset, dataset).state = State.CLOSING

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(flow.site.accounts), "create", overtaken)
        with pytest.raises(DatasetBusyError):
            store_accounts.usable_account(flow.site, ada, flow.start(ada, dataset))
    assert [a.state for a in accounts(flow)] == [AccountState.DELETING]
    upkeep.end_accounts(flow.site)
    assert list(flow.site.accounts.key_ids()) == []


def test_no_account_comes_alive_that_was_ended_while_it_was_made(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    create = flow.site.accounts.create

    def overtaken(self: object, *args: object, **kwargs: object) -> None:
        create(*args, **kwargs)  # type: ignore[arg-type]
        with flow.site.begin() as work:
            store_accounts.retire(work, dataset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(flow.site.accounts), "create", overtaken)
        with pytest.raises(StoreUnavailableError):
            store_accounts.usable_account(flow.site, ada, flow.start(ada, dataset))
    assert [a.state for a in accounts(flow)] == [AccountState.DELETING]


def test_accounts_that_the_table_does_not_know_are_collected(
    flow: Flow, clock: Clock
) -> None:
    flow.site.accounts.create(
        Credentials("A" * 20, "s" * 40),
        access=Access.PUT,
        prefix="d/nobody/",
        expires_at=clock() + timedelta(hours=1),
    )
    upkeep.run_once(flow.site)
    assert list(flow.site.accounts.key_ids()) == []


def test_a_store_that_fails_leaves_the_account_marked(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    store_accounts.usable_account(flow.site, ada, flow.start(ada, dataset))
    with flow.site.begin() as work:
        store_accounts.retire(work, dataset)

    def down(self: object, key_id: str) -> None:
        raise StoreUnavailableError("the store does not answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(flow.site.accounts), "delete", down)
        with pytest.raises(StoreUnavailableError):
            store_accounts.settle(flow.site)
    assert [a.state for a in accounts(flow)] == [AccountState.DELETING]
    assert store_accounts.settle(flow.site) == 1


@pytest.mark.rules
def test_secrets_stand_in_no_table(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    made = store_accounts.usable_account(flow.site, ada, flow.start(ada, dataset))
    [row] = accounts(flow)
    assert made.secret not in str(row.model_dump())
    assert made.key_id not in repr(row)
