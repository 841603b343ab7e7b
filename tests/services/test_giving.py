"""Giving a dataset to another owner."""

from dataclasses import replace
from unittest.mock import ANY
from uuid import uuid4

import pytest

from hutch.contract.problems import (
    DatasetBusyError,
    DeletedError,
    ForbiddenError,
    NameTakenError,
    NotFoundError,
)
from hutch.contract.wire.accounts import Role, Scope
from hutch.contract.wire.datasets import (
    DatasetOut,
    DatasetPatch,
    OwnerIn,
    Right,
    State,
)
from hutch_api.domain.access import Actor
from hutch_api.services import datasets, users
from hutch_api.store.tables import Dataset
from tests.services.world import World


def give(world: World, actor: Actor, made: DatasetOut, to: str) -> DatasetOut | None:
    with world.site.begin() as work:
        return datasets.give_dataset(work, actor, made.id, OwnerIn(owner=to))


def put_into(world: World, made: DatasetOut, state: State) -> None:
    with world.site.begin() as work:
        work.session.get_one(Dataset, made.id).state = state


def test_a_given_dataset_is_the_new_owners(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    world.share(anna, made.id, "user:ben", Right.WRITE)
    after = give(world, anna, made, "ben")
    assert after is not None
    assert (after.owner, after.right) == ("ben", Right.READ)
    assert world.see(ben, made.id).right is Right.OWN
    assert world.audited("give") == [{"old": "anna", "new": "ben"}]
    with pytest.raises(ForbiddenError):
        give(world, anna, made, "anna")
    world.unshare(ben, made.id, "user:anna")
    with pytest.raises(NotFoundError):
        world.see(anna, made.id)


def test_giving_a_dataset_to_its_owner_changes_nothing(
    world: World, anna: Actor
) -> None:
    made = world.create(anna, "scan")
    assert give(world, anna, made, "anna") == made
    assert world.audited("give") == []


def test_a_dataset_is_not_given_into_a_name_that_is_taken(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    there = world.create(ben, "scan").id
    world.share(ben, there, "user:anna")
    with pytest.raises(NameTakenError):
        give(world, anna, made, "ben")
    assert world.see(anna, made.id).owner == "anna"


def test_giving_tells_nothing_of_a_name_that_one_does_not_see(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    world.create(ben, "scan")
    after = give(world, anna, made, "ben")
    assert after == replace(made, owner="ben", right=Right.READ, updated_at=ANY)
    assert world.names(ben) == ["scan", "scan"]
    with pytest.raises(NameTakenError):
        world.create(ben, "scan")


def test_a_dataset_is_given_to_somebody_who_is_there(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    with world.site.begin() as work:
        users.disable_user(work, ben.name)
    for name in ("nobody", ben.name, "a\0b"):
        with pytest.raises(NotFoundError):
            give(world, anna, made, name)


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (State.CLOSING, DatasetBusyError),
        (State.DELETING, DeletedError),
        (State.DELETED, DeletedError),
    ],
)
@pytest.mark.usefixtures("ben")
def test_a_dataset_is_given_only_when_nothing_happens_to_it(
    world: World, anna: Actor, state: State, error: type[Exception]
) -> None:
    made = world.create(anna, "scan")
    put_into(world, made, state)
    with pytest.raises(error):
        give(world, anna, made, "ben")


def test_an_admin_gives_an_orphan_without_seeing_it(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    admin = world.user("root", Role.ADMIN)
    with pytest.raises(NotFoundError):
        give(world, admin, made, "ben")
    with world.site.begin() as work:
        users.disable_user(work, anna.name)
    assert world.names(admin) == []
    assert give(world, admin, made, "ben") is None
    with pytest.raises(NotFoundError):
        world.see(admin, made.id)
    assert world.see(ben, made.id).right is Right.OWN
    with world.site.begin() as work:
        users.enable_user(work, anna.name)
    with pytest.raises(NotFoundError):
        world.see(anna, made.id)


def test_nobody_but_an_admin_takes_an_orphan(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    with world.site.begin() as work:
        users.disable_user(work, anna.name)
    for actor in (ben, world.user("id19", Role.BEAMLINE)):
        with pytest.raises(NotFoundError):
            give(world, actor, made, "ben")
    other = world.create(ben, "other")
    admin = world.limited(world.user("root", Role.ADMIN), *Scope)
    with pytest.raises(NotFoundError):
        give(world, admin, other, "root")
    with pytest.raises(NotFoundError):
        give(world, admin, replace(made, id=uuid4()), "ben")


def test_what_was_given_away_is_no_longer_written_to(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    give(world, anna, made, ben.name)
    change = DatasetPatch(attributes={"new": 1})
    with world.site.begin() as work, pytest.raises(ForbiddenError):
        datasets.patch_dataset(work, anna, made.id, change)


def test_what_one_may_not_read_cannot_be_given(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    with pytest.raises(NotFoundError):
        give(world, ben, made, "ben")
