"""Datasets: made, described, handed over."""

from datetime import timedelta

import pytest

from hutch.contract.problems import (
    DatasetBusyError,
    DatasetClosedError,
    DeletedError,
    ForbiddenError,
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    PreconditionFailedError,
    TokenInsufficientError,
    TooLargeError,
)
from hutch.contract.wire.accounts import Role, Scope
from hutch.contract.wire.datasets import (
    DatasetOut,
    DatasetPatch,
    Right,
    State,
)
from hutch_api.domain.access import Actor
from hutch_api.services import datasets
from hutch_api.store.tables import Dataset
from tests.services.world import World


def patch(
    world: World,
    actor: Actor,
    made: DatasetOut,
    change: DatasetPatch,
    if_match: str | None = None,
) -> DatasetOut:
    with world.site.begin() as work:
        return datasets.patch_dataset(work, actor, made.id, change, if_match=if_match)


def put_into(world: World, made: DatasetOut, state: State) -> None:
    with world.site.begin() as work:
        work.session.get_one(Dataset, made.id).state = state


NEW_TEXT = DatasetPatch(description="new", keywords=("new",))
NEW_ATTRIBUTE = DatasetPatch(attributes={"new": 1})


def test_a_new_dataset_is_open_and_empty_and_ones_own(
    world: World, anna: Actor
) -> None:
    made = world.create(
        anna,
        "scan",
        type="scan.tomo",
        attributes={"energy": 25.0, "nothing": None},
        description="a tooth",
        keywords=("tooth",),
    )
    assert (made.state, made.files, made.bytes, made.revision) == ("open", 0, 0, 0)
    assert (made.owner, made.creator, made.right) == ("anna", "anna", Right.OWN)
    assert (made.type, made.type_version) == ("scan.tomo", 1)
    assert made.attributes == {"energy": 25.0}
    assert (made.inputs, made.digest, made.seal) == ((), None, None)
    assert world.see(anna, made.id) == made
    assert world.audited("create") == [{"name": "scan", "owner": "anna"}]


def test_attributes_come_back_as_they_were_given(world: World, anna: Actor) -> None:
    given = {
        "flux": 1e22,
        "whole": 100000.0,
        "count": 2**53 - 1,
        "tiny": 5e-324,
        "text": "Zähne \u6b6f",
        "list": [1, 1.0, True, {"deep": [[]]}],
    }
    made = world.create(anna, "scan", attributes=given)
    assert repr(world.see(anna, made.id).attributes) == repr(given)


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"x": "y" * 20_000}, InvalidInputError),
        ({"x": "y" * 70_000}, TooLargeError),
        ({f"x{n}": "y" * 9_000 for n in range(8)}, TooLargeError),
        ({"x": [[[[[[[[[[1]]]]]]]]]]}, InvalidInputError),
        ({"x": float("nan")}, InvalidInputError),
        ({"x": float("inf")}, InvalidInputError),
        ({"x": 2**53}, InvalidInputError),
        ({"x": "a\0b"}, InvalidInputError),
        ({"x": "\ud800"}, InvalidInputError),
        ({"a\0b": 1}, InvalidInputError),
        ({"x" * 101: 1}, InvalidInputError),
        ({"x": object()}, InvalidInputError),
    ],
)
def test_attributes_that_cannot_be_kept_are_refused(
    world: World, anna: Actor, attributes: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        world.create(anna, "scan", attributes=attributes)
    made = world.create(anna, "scan")
    with pytest.raises(error):
        patch(world, anna, made, DatasetPatch(attributes=attributes))


@pytest.mark.parametrize("name", ["scan.fly", "", "generic@1", "a\0b"])
def test_an_unknown_type_is_refused_and_the_known_are_named(
    world: World, anna: Actor, name: str
) -> None:
    with pytest.raises(InvalidInputError, match=r"scan\.tomo"):
        world.create(anna, "scan", type=name)


def test_a_name_is_used_once_by_each_owner(
    world: World, anna: Actor, ben: Actor
) -> None:
    world.create(anna, "scan")
    world.create(ben, "scan")
    with pytest.raises(NameTakenError):
        world.create(anna, "scan")


def test_the_name_of_what_was_deleted_is_free_again(world: World, anna: Actor) -> None:
    made = world.closed(anna, "scan")
    world.delete(anna, made.id)
    assert world.create(anna, "scan").id != made.id


def test_a_token_for_certain_datasets_makes_no_other(world: World, anna: Actor) -> None:
    made = world.create(anna, "scan")
    limited = world.limited(anna, *Scope, of=[made.id])
    with pytest.raises(TokenInsufficientError):
        world.create(limited, "other")


def test_a_beamline_makes_datasets_for_others_and_keeps_write(
    world: World, anna: Actor
) -> None:
    beamline = world.user("id19", Role.BEAMLINE)
    made = world.create(beamline, "scan", owner="anna")
    assert (made.owner, made.creator, made.right) == ("anna", "id19", Right.WRITE)
    assert world.see(anna, made.id).right is Right.OWN
    world.unshare(anna, made.id, "user:id19")
    with pytest.raises(NotFoundError):
        world.see(beamline, made.id)


@pytest.mark.parametrize("role", [Role.USER, Role.APPROVER, Role.ADMIN])
@pytest.mark.usefixtures("anna")
def test_nobody_else_makes_datasets_for_others(world: World, role: Role) -> None:
    other = world.user("other", role)
    assert world.create(other, "mine", owner="other").owner == "other"
    with pytest.raises(ForbiddenError):
        world.create(other, "scan", owner="anna")


@pytest.mark.parametrize("name", ["nobody", "a\0b", ""])
def test_a_dataset_has_an_owner_who_exists(world: World, name: str) -> None:
    beamline = world.user("id19", Role.BEAMLINE)
    with pytest.raises(NotFoundError):
        world.create(beamline, "scan", owner=name)


def test_an_open_dataset_is_described_anew(world: World, anna: Actor) -> None:
    made = world.create(anna, "scan", attributes={"a": 1, "b": 2})
    change = DatasetPatch(
        name="better", description="d", keywords=("k",), attributes={"b": None, "c": 3}
    )
    after = patch(world, anna, made, change)
    assert (after.name, after.description, after.keywords) == ("better", "d", ("k",))
    assert after.attributes == {"a": 1, "c": 3}
    assert after.updated_at > made.updated_at
    assert world.audited("patch") == [
        {
            "fields": ["name", "description", "keywords", "attributes"],
            "old_name": "scan",
            "new_name": "better",
        }
    ]


def test_a_closed_dataset_keeps_its_attributes_and_its_seal(
    world: World, anna: Actor
) -> None:
    made = world.closed(anna, "scan", attributes={"a": 1})
    with pytest.raises(DatasetClosedError):
        patch(world, anna, made, NEW_ATTRIBUTE)
    after = patch(world, anna, made, NEW_TEXT)
    assert (after.description, after.attributes) == ("new", {"a": 1})
    assert (after.seal, after.digest) == (made.seal, made.digest)
    with pytest.raises(DatasetClosedError):
        patch(world, anna, made, DatasetPatch(description="no", attributes={"new": 1}))
    assert world.see(anna, made.id).description == "new"


def test_no_patch_reopens_a_dataset(world: World, anna: Actor) -> None:
    made = world.closed(anna, "scan")
    for change in (DatasetPatch(), NEW_TEXT, DatasetPatch(name="other")):
        assert patch(world, anna, made, change).state is State.CLOSED
    assert not hasattr(DatasetPatch(), "state")


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (State.CLOSING, DatasetBusyError),
        (State.DELETING, DeletedError),
        (State.DELETED, DeletedError),
    ],
)
def test_attributes_change_only_while_open(
    world: World, anna: Actor, state: State, error: type[Exception]
) -> None:
    made = world.create(anna, "scan")
    put_into(world, made, state)
    with pytest.raises(error):
        patch(world, anna, made, NEW_ATTRIBUTE)


def test_writers_set_attributes_and_only_the_owner_the_rest(
    world: World, anna: Actor, ben: Actor, cara: Actor
) -> None:
    made = world.create(anna, "scan")
    world.share(anna, made.id, "user:ben", Right.WRITE)
    world.share(anna, made.id, "user:cara")
    assert patch(world, ben, made, NEW_ATTRIBUTE).attributes == {"new": 1}
    for actor, change in ((ben, NEW_TEXT), (cara, NEW_ATTRIBUTE), (cara, NEW_TEXT)):
        with pytest.raises(ForbiddenError):
            patch(world, actor, made, change)
    with pytest.raises(TokenInsufficientError):
        patch(world, world.limited(anna, Scope.READ), made, NEW_ATTRIBUTE)


def test_what_one_may_not_read_cannot_be_patched(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    for change in (DatasetPatch(), NEW_TEXT, NEW_ATTRIBUTE):
        with pytest.raises(NotFoundError):
            patch(world, ben, made, change)


def test_a_taken_name_is_refused_and_nothing_changes(world: World, anna: Actor) -> None:
    world.create(anna, "other")
    made = world.create(anna, "scan")
    with pytest.raises(NameTakenError):
        patch(world, anna, made, DatasetPatch(name="other", description="new"))
    assert world.see(anna, made.id) == made


def test_a_patch_on_what_has_changed_meanwhile_is_refused(
    world: World, anna: Actor
) -> None:
    made = world.create(anna, "scan")
    seen = datasets.etag(made)
    after = patch(world, anna, made, NEW_TEXT, if_match=seen)
    assert datasets.etag(after) != seen
    with pytest.raises(PreconditionFailedError):
        patch(world, anna, made, NEW_TEXT, if_match=seen)
    patch(world, anna, made, NEW_TEXT, if_match=f'"old", {datasets.etag(after)}')
    patch(world, anna, made, NEW_TEXT, if_match="*")


def test_an_etag_is_the_same_for_what_is_shown_and_what_is_stored(
    world: World, anna: Actor
) -> None:
    made = world.closed(anna, "scan")
    with world.site.look() as work:
        row = work.session.get_one(Dataset, made.id)
        assert datasets.etag(row) == datasets.etag(made)


def test_a_tombstone_is_seen_by_those_who_had_rights(
    world: World, anna: Actor, ben: Actor, cara: Actor
) -> None:
    made = world.closed(anna, "scan")
    world.share(anna, made.id, "user:ben")
    world.delete(anna, made.id)
    for actor in (anna, ben):
        seen = world.see(actor, made.id)
        assert (seen.state, seen.seal) == (State.DELETED, made.seal)
        assert world.names(actor) == []
        assert world.names(actor, state=State.DELETED) == ["scan"]
    with pytest.raises(NotFoundError):
        world.see(cara, made.id)
    assert world.names(cara, state=State.DELETED) == []


def test_updates_within_one_moment_have_different_etags(
    world: World, anna: Actor
) -> None:
    made = world.create(anna, "scan")
    tags = {datasets.etag(patch(world, anna, made, NEW_TEXT)) for _ in range(3)}
    assert len(tags) == 3
    assert timedelta() < world.see(anna, made.id).updated_at - made.updated_at
