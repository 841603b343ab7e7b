"""Two at once, on a database that lets them meet."""

from uuid import UUID

import pytest
from sqlmodel import select

from hutch.contract.problems import (
    BadCredentialsError,
    DatasetBusyError,
    DeletedError,
    HutchError,
    NameTakenError,
)
from hutch.contract.wire.datasets import DatasetIn, DatasetOut, DatasetPatch, State
from hutch_api.domain.access import Actor
from hutch_api.services import datasets, derivation, idempotency, wrong_passwords
from hutch_api.store.requests import LoginFailure
from hutch_api.store.tables import Dataset
from tests.services.races import at_once, wait_until_blocked
from tests.services.world import World


def keyed(world: World, actor: Actor, name: str) -> UUID:
    """Create a dataset as a request with an idempotency key does."""
    with world.site.begin() as work:
        known = idempotency.once(
            work, actor, key="k", route="POST /v1/datasets", request=name.encode()
        )
        if known is not None:
            return UUID(known)
        made = datasets.create_dataset(work, actor, DatasetIn(name=name))
        idempotency.keep(work, actor, key="k", resource=str(made.id))
        return made.id


def test_of_two_who_take_a_name_at_once_one_gets_it(busy_world: World) -> None:
    anna = busy_world.user("anna")
    for attempt in range(5):
        name = f"scan-{attempt}"
        got = at_once(*[lambda name=name: busy_world.create(anna, name)] * 4)
        assert sum(isinstance(result, DatasetOut) for result in got) == 1
        assert sum(isinstance(result, NameTakenError) for result in got) == 3
    assert len(busy_world.names(anna)) == 5


def test_of_two_who_rename_to_one_name_at_once_one_gets_it(busy_world: World) -> None:
    anna = busy_world.user("anna")
    made = [busy_world.create(anna, name).id for name in ("a", "b")]

    def rename(dataset: UUID) -> DatasetOut:
        with busy_world.site.begin() as work:
            patch = DatasetPatch(name="c")
            return datasets.patch_dataset(work, anna, dataset, patch)

    got = at_once(*[lambda each=each: rename(each) for each in made])
    assert sum(isinstance(result, DatasetOut) for result in got) == 1
    assert sum(isinstance(result, NameTakenError) for result in got) == 1
    assert "c" in busy_world.names(anna)


def test_a_key_used_twice_at_once_makes_one_dataset(busy_world: World) -> None:
    anna = busy_world.user("anna")
    got = at_once(*[lambda: keyed(busy_world, anna, "scan")] * 4)
    assert len(set(map(str, got))) == 1
    assert not isinstance(got[0], Exception)
    assert busy_world.names(anna) == ["scan"]


def test_deletion_waits_for_a_child_that_is_being_made(busy_world: World) -> None:
    anna = busy_world.user("anna")
    parent = busy_world.closed(anna, "parent")
    with busy_world.site.begin() as work:
        child = datasets.create_dataset(
            work, anna, DatasetIn(name="child", inputs=(parent.id,))
        )

        def delete() -> None:
            busy_world.delete(anna, parent.id)

        def commit() -> None:
            wait_until_blocked(busy_world.site.engine)
            assert State(_state(busy_world, parent.id)) is State.CLOSED
            work.session.commit()

        assert at_once(delete, commit) == [None, None]
    assert busy_world.see(anna, parent.id).state is State.DELETED
    (edge,) = busy_world.see(anna, child.id).inputs
    assert (edge.digest, edge.seal) == (parent.digest, parent.seal)


def test_no_child_is_made_of_a_parent_that_is_going(busy_world: World) -> None:
    anna = busy_world.user("anna")
    parent = busy_world.closed(anna, "parent")
    with busy_world.site.begin() as work:
        query = select(Dataset).where(Dataset.id == parent.id).with_for_update()
        work.session.exec(query).one().state = State.DELETING

        def derive() -> DatasetOut:
            return busy_world.derive(anna, "child", parent.id)

        def commit() -> None:
            wait_until_blocked(busy_world.site.engine)
            work.session.commit()

        refused, _ = at_once(derive, commit)
    assert isinstance(refused, DatasetBusyError)
    assert busy_world.names(anna, name="child") == []


def test_deriving_and_deleting_at_once_ends_in_one_of_two_ways(
    busy_world: World,
) -> None:
    anna = busy_world.user("anna")
    for attempt in range(5):
        parent = busy_world.closed(anna, f"parent-{attempt}")

        def derive(
            parent: UUID = parent.id, name: str = f"child-{attempt}"
        ) -> DatasetOut:
            return busy_world.derive(anna, name, parent)

        def delete(parent: UUID = parent.id) -> None:
            busy_world.delete(anna, parent)

        made, deleted = at_once(derive, delete)
        assert deleted is None
        assert busy_world.see(anna, parent.id).state is State.DELETED
        if isinstance(made, DatasetOut):
            assert made.inputs[0].seal == parent.seal
        else:
            assert isinstance(made, DatasetBusyError | DeletedError)


def test_parents_are_locked_without_waiting_for_each_other(busy_world: World) -> None:
    anna = busy_world.user("anna")
    one, two = (busy_world.closed(anna, name).id for name in ("one", "two"))

    def derive(*parents: UUID) -> list[UUID]:
        with busy_world.site.begin() as work:
            return [p.id for p in derivation.lock_parents(work, anna, parents)]

    got = at_once(lambda: derive(one, two), lambda: derive(two, one))
    assert got == [[one, two], [two, one]]


@pytest.mark.usefixtures("busy_world")
def test_wrong_passwords_at_once_are_all_counted(busy_world: World) -> None:
    busy_world.user("anna")
    got = at_once(*[lambda: busy_world.login("anna", "wrong password")] * 4)
    assert all(isinstance(result, BadCredentialsError) for result in got)
    with busy_world.site.look() as work:
        assert work.session.get_one(LoginFailure, "anna").count == 4
    assert wrong_passwords.FREE > 4


def _state(world: World, dataset: UUID) -> str:
    with world.site.look() as work:
        return work.session.get_one(Dataset, dataset).state


def test_no_race_ends_in_an_error_of_the_database(busy_world: World) -> None:
    anna = busy_world.user("anna")
    acts = [
        lambda: busy_world.create(anna, "same"),
        lambda: busy_world.create(anna, "same"),
        lambda: busy_world.create(anna, "other"),
        lambda: busy_world.create(anna, "other"),
    ]
    for result in at_once(*acts):
        assert isinstance(result, DatasetOut | HutchError)
