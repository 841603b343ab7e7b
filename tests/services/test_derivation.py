"""Only closed datasets have children, and children name what they came from."""

from uuid import uuid4

import pytest

from hutch.contract.problems import (
    DeletedError,
    NotFoundError,
    ParentOpenError,
    TokenInsufficientError,
    TooLargeError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right, State
from hutch_api.domain.access import Actor
from hutch_api.store.tables import Dataset
from tests.services.world import World


def test_a_child_names_its_parents_by_what_they_held(world: World, anna: Actor) -> None:
    parents = [world.closed(anna, name) for name in ("a", "b", "c")]
    order = [parents[2], parents[0], parents[1]]
    child = world.derive(anna, "child", *(parent.id for parent in order))
    assert [(i.id, i.digest, i.seal) for i in child.inputs] == [
        (parent.id, parent.digest, parent.seal) for parent in order
    ]
    assert child.state is State.OPEN
    assert child.files == 0


def test_deriving_is_audited(world: World, anna: Actor) -> None:
    parent = world.closed(anna, "parent")
    world.derive(anna, "child", parent.id)
    (told,) = world.audited("derive")
    assert told == {"name": "child", "owner": "anna", "inputs": [str(parent.id)]}


@pytest.mark.parametrize("state", [State.OPEN, State.CLOSING])
def test_nothing_is_derived_from_an_open_parent(
    world: World, anna: Actor, state: State
) -> None:
    closed, parent = world.closed(anna, "closed"), world.create(anna, "parent")
    with world.site.begin() as work:
        work.session.get_one(Dataset, parent.id).state = state
    with pytest.raises(ParentOpenError) as refused:
        world.derive(anna, "child", closed.id, parent.id)
    assert refused.value.facts == {"dataset": str(parent.id), "state": state}
    assert world.names(anna, name="child") == []


def test_nothing_is_derived_from_what_was_deleted(world: World, anna: Actor) -> None:
    parent = world.closed(anna, "parent")
    world.delete(anna, parent.id)
    with pytest.raises(DeletedError):
        world.derive(anna, "child", parent.id)


def test_a_parent_that_one_may_not_read_does_not_exist(
    world: World, anna: Actor, ben: Actor
) -> None:
    hidden, open_one = world.closed(anna, "hidden"), world.create(anna, "open")
    for parent in (hidden.id, open_one.id, uuid4()):
        with pytest.raises(NotFoundError):
            world.derive(ben, "child", parent)


def test_reading_is_enough_to_derive(world: World, anna: Actor, ben: Actor) -> None:
    parent = world.closed(anna, "parent")
    world.share(anna, parent.id, "user:ben")
    child = world.derive(ben, "child", parent.id)
    assert (child.owner, child.right) == ("ben", Right.OWN)


@pytest.mark.parametrize("missing", [Scope.READ, Scope.CREATE])
def test_deriving_needs_a_token_to_read_and_to_create(
    world: World, anna: Actor, missing: Scope
) -> None:
    parent = world.closed(anna, "parent")
    limited = world.limited(anna, *(set(Scope) - {missing}))
    with pytest.raises(TokenInsufficientError):
        world.derive(limited, "child", parent.id)


def test_a_child_keeps_its_record_of_a_deleted_parent(
    world: World, anna: Actor
) -> None:
    parent = world.closed(anna, "parent")
    child = world.derive(anna, "child", parent.id)
    world.delete(anna, parent.id)
    (kept,) = world.see(anna, child.id).inputs
    assert (kept.digest, kept.seal) == (parent.digest, parent.seal)


def test_a_correction_says_so(world: World, anna: Actor) -> None:
    parent = world.closed(anna, "parent")
    made = world.create(anna, "better", inputs=(parent.id,), correction=True)
    assert made.correction


def test_there_is_an_end_to_the_number_of_parents(world: World, anna: Actor) -> None:
    with pytest.raises(TooLargeError):
        world.derive(anna, "child", *(uuid4() for _ in range(101)))
