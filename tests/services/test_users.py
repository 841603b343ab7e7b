"""Users, as the administrator's commands keep them."""

import pytest

from hutch.contract.problems import (
    BadCredentialsError,
    ForbiddenError,
    InvalidInputError,
    NameTakenError,
    NotFoundError,
)
from hutch.contract.wire.accounts import Role, Scope
from hutch.contract.wire.datasets import Right
from hutch_api.domain.access import Actor
from hutch_api.services import users, wrong_passwords
from hutch_api.services.work import Site
from hutch_api.store.tables import User
from tests.services.world import PASSWORD, World


def test_a_user_is_added_with_a_role(site: Site, world: World) -> None:
    with site.begin() as work:
        made = users.add_user(work, name="id19", password=PASSWORD, role=Role.BEAMLINE)
    assert made.role is Role.BEAMLINE
    assert world.actor(world.login("id19").token).role is Role.BEAMLINE
    assert world.audited("add-user") == [{"user": "id19", "role": "beamline"}]


def test_a_password_is_stored_as_argon2id(site: Site) -> None:
    with site.begin() as work:
        made = users.add_user(work, name="dora", password=PASSWORD, role=Role.USER)
        stored = work.session.get_one(User, made.id).password
    assert stored.startswith("$argon2id$")


@pytest.mark.parametrize("name", ["anna", "ANNA"])
@pytest.mark.usefixtures("anna")
def test_a_name_is_not_used_twice_not_even_in_another_case(
    site: Site, name: str
) -> None:
    with site.begin() as work, pytest.raises(NameTakenError):
        users.add_user(work, name=name, password=PASSWORD, role=Role.USER)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", "ä", "x" * 101, "a\0"])
def test_a_name_that_would_not_fit_an_address_is_refused(site: Site, name: str) -> None:
    with site.begin() as work, pytest.raises(InvalidInputError):
        users.add_user(work, name=name, password=PASSWORD, role=Role.USER)


def test_users_are_listed_with_whether_they_are_disabled(
    site: Site, anna: Actor, ben: Actor
) -> None:
    with site.begin() as work:
        users.disable_user(work, ben.name)
        users.disable_user(work, ben.name)
        listed = [(user.name, disabled) for user, disabled in users.list_users(work)]
    assert listed == [(anna.name, False), (ben.name, True)]


def test_disabling_twice_is_audited_once(site: Site, world: World, anna: Actor) -> None:
    for change in (users.disable_user, users.disable_user, users.enable_user):
        with site.begin() as work:
            change(work, anna.name)
    assert len(world.audited("disable-user")) == 1
    assert len(world.audited("enable-user")) == 1


def test_a_new_password_ends_the_wait_for_it(
    site: Site, world: World, anna: Actor
) -> None:
    for _ in range(wrong_passwords.FREE):
        with pytest.raises(BadCredentialsError):
            world.login(anna.name, "wrong password")
    with site.begin() as work:
        users.set_password(work, name=anna.name, password="a new one")
    world.login(anna.name, "a new one")


def test_a_role_that_is_taken_counts_no_more_for_tokens_that_stay_good(
    site: Site, world: World, anna: Actor
) -> None:
    world.user("id19", Role.BEAMLINE)
    token = world.login("id19").token
    limited = world.token(world.actor(token), Scope.READ, Scope.CREATE).token
    given = world.create(world.actor(token), "scan", owner=anna.name)
    set_role(site, "id19", Role.USER)
    for text in (token, limited):
        actor = world.actor(text)
        assert actor.role is Role.USER
        with pytest.raises(ForbiddenError, match="beamline account"):
            world.create(actor, "another", owner=anna.name)
    # What they may write to was given by a share, which its owner may take back.
    assert world.see(world.actor(token), given.id).right is Right.WRITE
    set_role(site, "id19", Role.BEAMLINE)
    world.create(world.actor(limited), "another", owner=anna.name)


def test_a_role_is_audited_once_and_kept_while_disabled(
    site: Site, world: World, anna: Actor
) -> None:
    with site.begin() as work:
        users.disable_user(work, anna.name)
    for _ in range(2):
        set_role(site, anna.name, Role.ADMIN)
    with site.look() as work:
        assert [(u.role, off) for u, off in users.list_users(work)] == [
            (Role.ADMIN, True)
        ]
    assert world.audited("set-role") == [
        {"user": anna.name, "role": "admin", "before": "user"}
    ]


def set_role(site: Site, name: str, role: Role) -> None:
    with site.begin() as work:
        users.set_role(work, name=name, role=role)


def test_an_unknown_user_is_named(site: Site) -> None:
    for change in (users.disable_user, users.enable_user):
        with site.begin() as work, pytest.raises(NotFoundError, match="nobody"):
            change(work, "nobody")
    with site.begin() as work, pytest.raises(NotFoundError, match="nobody"):
        users.set_password(work, name="nobody", password=PASSWORD)
    with pytest.raises(NotFoundError, match="nobody"):
        set_role(site, "nobody", Role.ADMIN)
