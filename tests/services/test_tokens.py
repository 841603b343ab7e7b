"""Tokens only take away."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event
from sqlmodel import select

from hutch.contract.problems import (
    InvalidInputError,
    NotFoundError,
    TokenInsufficientError,
    TooLargeError,
    UnauthenticatedError,
)
from hutch.contract.wire.accounts import Scope
from hutch_api.domain import tokens as texts
from hutch_api.domain.access import Actor
from hutch_api.services import tokens, users
from hutch_api.services.work import Site
from hutch_api.store.tables import Token
from tests.conftest import Clock
from tests.services.world import World


def test_a_token_tells_who_sends_it(world: World, anna: Actor) -> None:
    actor = world.actor(world.token(anna, Scope.READ).token)
    assert (actor.user, actor.name) == (anna.user, "anna")
    assert actor.limits.scopes == {Scope.READ}


def test_only_a_hash_of_a_token_is_stored(world: World, anna: Actor) -> None:
    made = world.token(anna, Scope.READ)
    assert made.token not in repr(made)
    with world.site.look() as work:
        row = work.session.get_one(Token, made.info.id)
        assert made.token not in str(row.model_dump())
        assert row.hash == world.site.keys.token_hash(made.token)


def test_a_mistyped_token_costs_no_query(
    world: World, anna: Actor, engine: Engine
) -> None:
    text = world.token(anna, Scope.READ).token
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    for wrong in (text[:-1], text[:-1] + "~", text.swapcase(), "", "x" * 100_000):
        with pytest.raises(UnauthenticatedError):
            world.actor(wrong)
    assert asked == []


def test_an_unknown_token_is_refused(world: World) -> None:
    with pytest.raises(UnauthenticatedError):
        world.actor(texts.new_text())


def test_a_revoked_token_no_longer_works(world: World, anna: Actor) -> None:
    made = world.token(anna, Scope.READ)
    with world.site.begin() as work:
        tokens.revoke_token(work, anna, made.info.id)
        tokens.revoke_token(work, anna, made.info.id)
    with pytest.raises(UnauthenticatedError, match="revoked"):
        world.actor(made.token)
    assert len(world.audited("revoke-token")) == 1


def test_an_expired_token_no_longer_works(
    world: World, anna: Actor, clock: Clock
) -> None:
    made = world.token(anna, Scope.READ, life=timedelta(hours=1))
    clock.move(timedelta(minutes=59))
    world.actor(made.token)
    clock.move(timedelta(minutes=1))
    with pytest.raises(UnauthenticatedError, match="expired"):
        world.actor(made.token)


def test_the_tokens_of_a_disabled_user_no_longer_work(
    world: World, anna: Actor
) -> None:
    made = world.token(anna, Scope.READ)
    with world.site.begin() as work:
        users.disable_user(work, "anna")
    with pytest.raises(UnauthenticatedError):
        world.actor(made.token)


def test_enabling_a_user_does_not_revive_their_tokens(
    world: World, anna: Actor
) -> None:
    made = world.token(anna, Scope.READ)
    with world.site.begin() as work:
        users.disable_user(work, "anna")
    with world.site.begin() as work:
        users.enable_user(work, "anna")
    with pytest.raises(UnauthenticatedError):
        world.actor(made.token)


def test_a_token_cannot_make_one_with_more_scopes(world: World, anna: Actor) -> None:
    limited = world.limited(anna, Scope.READ, Scope.ACCOUNT)
    world.token(limited, Scope.READ)
    with pytest.raises(TokenInsufficientError):
        world.token(limited, Scope.READ, Scope.WRITE)


def test_a_token_cannot_make_one_that_reaches_more(world: World, anna: Actor) -> None:
    one, two = world.create(anna, "one").id, world.create(anna, "two").id
    limited = world.limited(anna, Scope.READ, Scope.ACCOUNT, of=[one])
    world.token(limited, Scope.READ, of=[one])
    for more in (None, [two], [one, two]):
        with pytest.raises(TokenInsufficientError):
            world.token(limited, Scope.READ, of=more)


def test_a_token_without_account_makes_none(world: World, anna: Actor) -> None:
    with pytest.raises(TokenInsufficientError):
        world.token(world.limited(anna, Scope.READ), Scope.READ)


def test_a_filter_names_only_what_its_user_may_read(
    world: World, anna: Actor, ben: Actor
) -> None:
    hidden = world.create(ben, "hidden").id
    for absent in (hidden, uuid4()):
        with pytest.raises(NotFoundError):
            world.token(anna, Scope.READ, of=[absent])


def test_a_filter_hides_every_other_dataset(world: World, anna: Actor) -> None:
    one, two = world.create(anna, "one"), world.create(anna, "two")
    limited = world.limited(anna, Scope.READ, of=[one.id])
    assert world.names(limited) == ["one"]
    with pytest.raises(NotFoundError):
        world.see(limited, two.id)


def test_a_filter_does_not_keep_a_right_that_its_user_lost(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "one")
    world.share(anna, made.id, "user:ben")
    limited = world.limited(ben, Scope.READ, of=[made.id])
    world.unshare(anna, made.id, "user:ben")
    with pytest.raises(NotFoundError):
        world.see(limited, made.id)


def test_a_filter_of_any_length_is_refused(world: World, anna: Actor) -> None:
    with pytest.raises(TooLargeError):
        world.token(anna, Scope.READ, of=[uuid4() for _ in range(1_001)])


@pytest.mark.parametrize("life", [timedelta(), timedelta(days=-1), timedelta(days=367)])
def test_a_token_ends_within_a_year(world: World, anna: Actor, life: timedelta) -> None:
    with pytest.raises(InvalidInputError):
        world.token(anna, Scope.READ, life=life)


def test_nobody_revokes_the_token_of_another(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.token(anna, Scope.READ)
    with world.site.begin() as work, pytest.raises(NotFoundError):
        tokens.revoke_token(work, ben, made.info.id)
    world.actor(made.token)


def test_logging_out_needs_no_scope_and_ends_that_token_alone(
    world: World, anna: Actor
) -> None:
    made, other = world.token(anna, Scope.READ), world.token(anna, Scope.READ)
    with world.site.begin() as work:
        tokens.log_out(work, world.actor(made.token))
    with pytest.raises(UnauthenticatedError):
        world.actor(made.token)
    world.actor(other.token)


def test_tokens_are_listed_to_their_user_the_newest_first(
    world: World, anna: Actor, ben: Actor, clock: Clock
) -> None:
    clock.move(timedelta(seconds=1))
    made = world.token(anna, Scope.READ)
    with world.site.look() as work:
        listed = tokens.list_tokens(work, anna).items
        assert [t.id for t in listed] == [made.info.id, anna.token]
        assert made.info.id not in {t.id for t in tokens.list_tokens(work, ben).items}


def test_a_caller_learns_who_they_are(world: World, anna: Actor) -> None:
    limited = world.limited(anna, Scope.WRITE)
    with world.site.look() as work:
        told = tokens.who_am_i(work, limited)
    assert told.user.name == "anna"
    assert told.token.scopes == (Scope.WRITE,)
    assert told.groups == ()


def test_the_last_use_is_noted_at_most_once_a_minute(
    world: World, anna: Actor, clock: Clock, engine: Engine
) -> None:
    made = world.token(anna, Scope.READ)
    begun: list[str] = []
    event.listen(
        engine,
        "before_cursor_execute",
        lambda *a: begun.append(a[2]) if a[2].startswith("UPDATE") else None,
    )
    noted = []
    for seconds in (0, 30, 29, 1):
        clock.move(timedelta(seconds=seconds))
        world.actor(made.token)
        noted.append(len(begun))
    assert noted == [1, 1, 1, 2]
    with world.site.look() as work:
        query = select(Token.last_used_at).where(Token.id == made.info.id)
        assert work.session.exec(query).one() == clock()


def test_reading_by_token_does_not_wait_for_a_writer(
    world: World, site: Site, anna: Actor
) -> None:
    made = world.token(anna, Scope.READ)
    world.actor(made.token)
    with site.begin() as work:
        work.session.exec(select(Token).with_for_update()).all()
        assert world.actor(made.token).name == "anna"
