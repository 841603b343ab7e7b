"""Groups have an effect, and only for those who see them."""

from collections.abc import Callable

import pytest

from hutch.contract.problems import (
    ForbiddenError,
    NameTakenError,
    NotFoundError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import GroupIn, GroupOut, Scope
from hutch.contract.wire.datasets import Right
from hutch_api.domain.access import Actor
from hutch_api.services import groups, users
from hutch_api.services.work import Work
from tests.services.world import World


def make(world: World, actor: Actor, name: str, *members: str) -> GroupOut:
    with world.site.begin() as work:
        made = groups.create_group(work, actor, GroupIn(name=name))
        for member in members:
            made = groups.add_member(work, actor, name, member)
    return made


def listed(world: World, actor: Actor) -> list[str]:
    with world.site.look() as work:
        return [group.name for group in groups.list_groups(work, actor).items]


def test_the_maker_of_a_group_owns_it_and_is_its_first_member(
    world: World, anna: Actor
) -> None:
    made = make(world, anna, "team")
    assert (made.owner, made.members) == ("anna", ("anna",))


def test_a_group_is_seen_by_its_members_alone(
    world: World, anna: Actor, ben: Actor, cara: Actor
) -> None:
    make(world, anna, "team", "ben")
    make(world, ben, "others")
    assert listed(world, anna) == ["team"]
    assert listed(world, ben) == ["others", "team"]
    assert listed(world, cara) == []
    with world.site.look() as work:
        assert groups.get_group(work, ben, "team").members == ("anna", "ben")
        with pytest.raises(NotFoundError):
            groups.get_group(work, cara, "team")


def test_a_share_with_a_group_reaches_its_members(
    world: World, anna: Actor, ben: Actor, cara: Actor
) -> None:
    made = world.create(anna, "scan")
    make(world, anna, "team", "ben")
    world.share(anna, made.id, "group:team", Right.WRITE)
    assert world.see(ben, made.id).right is Right.WRITE
    assert world.names(ben) == ["scan"]
    with pytest.raises(NotFoundError):
        world.see(cara, made.id)


def test_who_joins_later_gets_what_the_group_has(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    make(world, anna, "team")
    world.share(anna, made.id, "group:team")
    with world.site.begin() as work:
        groups.add_member(work, anna, "team", "ben")
    assert world.see(ben, made.id).right is Right.READ


def test_who_leaves_loses_what_the_group_has(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    make(world, anna, "team", "ben")
    world.share(anna, made.id, "group:team", Right.WRITE)
    with world.site.begin() as work:
        assert groups.remove_member(work, anna, "team", "ben").members == ("anna",)
    with pytest.raises(NotFoundError):
        world.see(ben, made.id)


def test_a_deleted_group_leaves_no_right_behind_for_one_of_the_same_name(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    make(world, anna, "team", "ben")
    world.share(anna, made.id, "group:team")
    with world.site.begin() as work:
        groups.delete_group(work, anna, "team")
    with pytest.raises(NotFoundError):
        world.see(ben, made.id)
    make(world, ben, "team")
    with pytest.raises(NotFoundError):
        world.see(ben, made.id)


Change = Callable[[Work, Actor], object]
CHANGES: list[Change] = [
    lambda work, actor: groups.add_member(work, actor, "team", "cara"),
    lambda work, actor: groups.remove_member(work, actor, "team", "anna"),
    lambda work, actor: groups.delete_group(work, actor, "team"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_only_its_owner_manages_a_group(
    world: World, anna: Actor, ben: Actor, cara: Actor, change: Change
) -> None:
    make(world, anna, "team", "ben")
    with world.site.begin() as work, pytest.raises(ForbiddenError):
        change(work, ben)
    with world.site.begin() as work, pytest.raises(NotFoundError):
        change(work, cara)


@pytest.mark.parametrize("change", CHANGES)
def test_a_token_for_certain_datasets_manages_no_group(
    world: World, anna: Actor, change: Change
) -> None:
    made = world.create(anna, "scan")
    make(world, anna, "team")
    limited = world.limited(anna, Scope.ACCOUNT, of=[made.id])
    with world.site.begin() as work, pytest.raises(TokenInsufficientError):
        change(work, limited)


@pytest.mark.usefixtures("cara")
def test_every_change_of_a_group_is_audited(world: World, anna: Actor) -> None:
    make(world, anna, "team", "cara")
    with world.site.begin() as work:
        groups.remove_member(work, anna, "team", "cara")
    with world.site.begin() as work:
        groups.delete_group(work, anna, "team")
    member = {"group": "team", "user": "cara"}
    assert world.audited("create-group") == [{"group": "team"}]
    assert world.audited("add-member") == [member]
    assert world.audited("remove-member") == [member]
    assert world.audited("delete-group") == [{"group": "team", "shares": 0}]


def test_adding_a_member_twice_changes_nothing(
    world: World, anna: Actor, ben: Actor
) -> None:
    make(world, anna, "team", ben.name, ben.name)
    assert len(world.audited("add-member")) == 1


@pytest.mark.parametrize("name", ["nobody", "a\0b", "\ud800"])
def test_an_unknown_user_does_not_join(world: World, anna: Actor, name: str) -> None:
    make(world, anna, "team")
    with world.site.begin() as work, pytest.raises(NotFoundError):
        groups.add_member(work, anna, "team", name)
    with world.site.begin() as work, pytest.raises(NotFoundError):
        groups.remove_member(work, anna, "team", name)


def test_a_disabled_user_does_not_join(world: World, anna: Actor, ben: Actor) -> None:
    make(world, anna, "team")
    with world.site.begin() as work:
        users.disable_user(work, ben.name)
    with world.site.begin() as work, pytest.raises(NotFoundError):
        groups.add_member(work, anna, "team", ben.name)


@pytest.mark.parametrize("name", ["team", "Team"])
def test_a_name_is_not_used_twice(
    world: World, anna: Actor, ben: Actor, name: str
) -> None:
    make(world, anna, "team")
    with pytest.raises(NameTakenError):
        make(world, ben, name)
