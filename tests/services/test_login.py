"""Logging in, and being made to wait after wrong passwords."""

from datetime import timedelta

import pytest

from hutch.contract.problems import (
    BadCredentialsError,
    InvalidInputError,
    TokenInsufficientError,
    TooManyAttemptsError,
)
from hutch.contract.wire.accounts import PasswordIn, Scope
from hutch_api.domain.access import Actor
from hutch_api.services import passwords, users, wrong_passwords
from hutch_api.services.work import Site
from tests.conftest import Clock
from tests.services.world import PASSWORD, World


def fail(world: World, name: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(BadCredentialsError):
            world.login(name, "wrong password")


def test_a_login_gives_a_token_with_every_scope_for_thirty_days(
    world: World, anna: Actor, clock: Clock
) -> None:
    made = world.login("anna")
    assert set(made.info.scopes) == set(Scope)
    assert made.info.datasets is None
    assert made.info.expires_at == clock() + timedelta(days=30)
    assert world.actor(made.token).user == anna.user


def test_a_login_is_audited_without_its_secrets(world: World, anna: Actor) -> None:
    made = world.login(anna.name)
    said = str(world.audited("log-in"))
    assert str(made.info.id) in said
    assert made.token not in said
    assert PASSWORD not in said


@pytest.mark.usefixtures("anna")
@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_a_wrong_password_and_an_unknown_name_are_refused_alike(
    world: World, name: str
) -> None:
    with pytest.raises(BadCredentialsError) as refused:
        world.login(name, "wrong password")
    assert refused.value.detail == "the user name or the password is wrong"
    assert refused.value.facts == {}


def test_an_unknown_name_costs_a_hash_as_well(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    real = passwords.fits

    def fits(password: str, stored: str | None) -> bool:
        asked.append(stored)
        return real(password, stored)

    monkeypatch.setattr(passwords, "fits", fits)
    fail(world, "nobody", 1)
    assert asked == [None]


def test_a_disabled_user_cannot_log_in(world: World, site: Site, anna: Actor) -> None:
    with site.begin() as work:
        users.disable_user(work, anna.name)
    with pytest.raises(BadCredentialsError):
        world.login(anna.name)
    with site.begin() as work:
        users.enable_user(work, anna.name)
    world.login(anna.name)


@pytest.mark.usefixtures("anna")
@pytest.mark.parametrize("name", ["anna", "nobody"])
def test_five_wrong_passwords_make_everybody_wait(world: World, name: str) -> None:
    fail(world, name, wrong_passwords.FREE)
    with pytest.raises(TooManyAttemptsError) as refused:
        world.login(name)
    assert refused.value.facts == {"retry_after": 5}


def test_the_right_password_does_not_shorten_the_wait(
    world: World, anna: Actor, clock: Clock
) -> None:
    fail(world, anna.name, wrong_passwords.FREE)
    clock.move(timedelta(seconds=4))
    with pytest.raises(TooManyAttemptsError) as refused:
        world.login(anna.name)
    assert refused.value.facts == {"retry_after": 1}
    clock.move(timedelta(seconds=1))
    world.login(anna.name)


def test_the_wait_grows_and_has_an_end(world: World, clock: Clock) -> None:
    waits = []
    fail(world, "anna", wrong_passwords.FREE)
    for _ in range(10):
        with pytest.raises(TooManyAttemptsError) as refused:
            world.login("anna")
        waits.append(refused.value.facts["retry_after"])
        clock.move(timedelta(seconds=waits[-1]))
        fail(world, "anna", 1)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_a_login_begins_the_count_anew(world: World, anna: Actor) -> None:
    fail(world, anna.name, wrong_passwords.FREE - 1)
    world.login(anna.name)
    fail(world, anna.name, wrong_passwords.FREE - 1)
    world.login(anna.name)


def test_wrong_passwords_of_one_do_not_stop_another(
    world: World, anna: Actor, ben: Actor
) -> None:
    fail(world, anna.name, wrong_passwords.FREE)
    world.login(ben.name)


def test_a_password_is_changed_by_who_knows_the_old_one(
    world: World, site: Site, anna: Actor
) -> None:
    users.change_password(site, anna, PasswordIn(old=PASSWORD, new="another one"))
    fail(world, "anna", 0)
    with pytest.raises(BadCredentialsError):
        world.login("anna", PASSWORD)
    world.login("anna", "another one")


def test_guessing_the_old_password_with_a_token_makes_wait_too(
    site: Site, anna: Actor
) -> None:
    wanted = PasswordIn(old="wrong password", new="another one")
    for _ in range(wrong_passwords.FREE):
        with pytest.raises(BadCredentialsError):
            users.change_password(site, anna, wanted)
    with pytest.raises(TooManyAttemptsError):
        users.change_password(site, anna, wanted)


def test_a_token_without_account_cannot_change_the_password(
    world: World, site: Site, anna: Actor
) -> None:
    limited = world.limited(anna, Scope.READ)
    with pytest.raises(TokenInsufficientError):
        users.change_password(site, limited, PasswordIn(old=PASSWORD, new="x" * 8))


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1_025, "\ud800" * 8])
def test_a_password_that_cannot_be_kept_is_refused(password: str) -> None:
    with pytest.raises(InvalidInputError):
        passwords.hash_password(password)


def test_an_endless_password_fits_nothing() -> None:
    assert not passwords.fits("x" * 1_000_000, passwords.hash_password(PASSWORD))
