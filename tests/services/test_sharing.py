"""Shares are the only way to what belongs to somebody else."""

import pytest

from hutch.contract.problems import (
    ConflictError,
    DeletedError,
    ForbiddenError,
    NotFoundError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import GroupIn, Role, Scope
from hutch.contract.wire.datasets import PrincipalKind, Right
from hutch_api.domain.access import Actor
from hutch_api.services import groups, revocation, sharing, users
from tests.services.world import World


def shares(world: World, actor: Actor, dataset: object) -> list[str]:
    with world.site.look() as work:
        listed = sharing.list_shares(work, actor, dataset)  # type: ignore[arg-type]
        return [f"{s.kind}:{s.name} {s.right}" for s in listed.items]


@pytest.mark.parametrize("role", list(Role))
def test_a_new_dataset_is_readable_by_its_owner_alone(
    world: World, anna: Actor, role: Role
) -> None:
    made = world.create(anna, "scan")
    other = world.user("other", role)
    assert world.names(other) == []
    with pytest.raises(NotFoundError):
        world.see(other, made.id)


def test_a_share_of_one_dataset_does_not_match_another_of_the_same_name(
    world: World, anna: Actor, ben: Actor, cara: Actor
) -> None:
    shared, other = world.create(anna, "scan"), world.create(ben, "scan")
    world.share(anna, shared.id, "user:cara", Right.WRITE)
    assert world.see(cara, shared.id).owner == "anna"
    with pytest.raises(NotFoundError):
        world.see(cara, other.id)
    assert len(world.names(cara)) == 1


def test_a_share_with_a_user_does_not_match_a_group_of_the_same_name(
    world: World, anna: Actor, ben: Actor, cara: Actor
) -> None:
    made = world.create(anna, "scan")
    with world.site.begin() as work:
        groups.create_group(work, cara, GroupIn(name="ben"))
    world.share(anna, made.id, "user:ben")
    assert world.see(ben, made.id).right is Right.READ
    with pytest.raises(NotFoundError):
        world.see(cara, made.id)


def test_the_strongest_right_counts(world: World, anna: Actor, ben: Actor) -> None:
    made = world.create(anna, "scan")
    with world.site.begin() as work:
        groups.create_group(work, anna, GroupIn(name="team"))
        groups.add_member(work, anna, "team", "ben")
    world.share(anna, made.id, "user:ben")
    world.share(anna, made.id, "group:team", Right.WRITE)
    assert world.see(ben, made.id).right is Right.WRITE
    assert shares(world, ben, made.id) == ["user:ben read", "group:team write"]
    world.unshare(anna, made.id, "group:team")
    assert world.see(ben, made.id).right is Right.READ


def test_sharing_again_replaces_the_right(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    for right in (Right.WRITE, Right.READ, Right.READ):
        world.share(anna, made.id, f"user:{ben.name}", right)
    assert shares(world, anna, made.id) == ["user:ben read"]


def test_what_was_unshared_is_gone(world: World, anna: Actor, ben: Actor) -> None:
    made = world.create(anna, "scan")
    world.share(anna, made.id, "user:ben", Right.WRITE)
    world.unshare(anna, made.id, "user:ben")
    with pytest.raises(NotFoundError):
        world.see(ben, made.id)
    with pytest.raises(NotFoundError):
        world.unshare(anna, made.id, "user:ben")


def test_who_may_write_may_not_share(
    world: World, anna: Actor, ben: Actor, cara: Actor
) -> None:
    made = world.create(anna, "scan")
    world.share(anna, made.id, "user:ben", Right.WRITE)
    with pytest.raises(ForbiddenError):
        world.share(ben, made.id, f"user:{cara.name}")
    with pytest.raises(ForbiddenError):
        world.unshare(ben, made.id, "user:ben")


def test_who_may_not_read_learns_nothing_from_sharing(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    with pytest.raises(NotFoundError):
        world.share(ben, made.id, "user:ben")
    with pytest.raises(NotFoundError):
        shares(world, ben, made.id)


def test_a_token_without_share_shares_nothing(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    limited = world.limited(anna, *(set(Scope) - {Scope.SHARE}))
    with pytest.raises(TokenInsufficientError):
        world.share(limited, made.id, f"user:{ben.name}")


@pytest.mark.usefixtures("ben")
def test_a_group_is_shared_with_only_by_those_who_see_it(
    world: World, anna: Actor, cara: Actor
) -> None:
    made = world.create(anna, "scan")
    with world.site.begin() as work:
        groups.create_group(work, cara, GroupIn(name="team"))
    with pytest.raises(NotFoundError):
        world.share(anna, made.id, "group:team")


@pytest.mark.parametrize("name", ["nobody", "a\0b", "\ud800", ""])
@pytest.mark.parametrize("kind", list(PrincipalKind))
def test_nobody_and_nothing_can_be_shared_with(
    world: World, anna: Actor, kind: str, name: str
) -> None:
    made = world.create(anna, "scan")
    with pytest.raises(NotFoundError):
        world.share(anna, made.id, f"{kind}:{name}")
    with pytest.raises(NotFoundError):
        world.unshare(anna, made.id, f"{kind}:{name}")


def test_a_disabled_user_is_not_shared_with(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    with world.site.begin() as work:
        users.disable_user(work, ben.name)
    with pytest.raises(NotFoundError):
        world.share(anna, made.id, f"user:{ben.name}")


def test_the_owner_needs_no_share(world: World, anna: Actor) -> None:
    made = world.create(anna, "scan")
    with pytest.raises(ConflictError):
        world.share(anna, made.id, f"user:{anna.name}")


def test_what_was_deleted_is_not_shared(world: World, anna: Actor, ben: Actor) -> None:
    made = world.closed(anna, "scan")
    world.delete(anna, made.id)
    with pytest.raises(DeletedError):
        world.share(anna, made.id, f"user:{ben.name}")


@pytest.mark.usefixtures("ben")
def test_losing_write_ends_store_accounts_and_losing_read_does_not(
    world: World, anna: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.create(anna, "scan")
    lost: list[object] = []
    monkeypatch.setattr(
        revocation, "write_lost", lambda _, *, dataset: lost.append(dataset)
    )
    world.share(anna, made.id, "user:ben", Right.READ)
    world.share(anna, made.id, "user:ben", Right.WRITE)
    assert lost == []
    world.share(anna, made.id, "user:ben", Right.READ)
    assert lost == [made.id]
    world.unshare(anna, made.id, "user:ben")
    assert lost == [made.id]


@pytest.mark.usefixtures("ben")
def test_sharing_is_audited(world: World, anna: Actor) -> None:
    made = world.create(anna, "scan")
    world.share(anna, made.id, "user:ben")
    world.unshare(anna, made.id, "user:ben")
    told = {"kind": "user", "to": "ben", "right": "read"}
    assert world.audited("share") == [told]
    assert world.audited("unshare") == [told]
