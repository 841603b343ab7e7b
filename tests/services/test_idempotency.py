"""A request that is sent again makes nothing more."""

from uuid import uuid4

import pytest
from sqlmodel import select

from hutch.contract.problems import IdempotencyError, InvalidInputError
from hutch_api.domain.access import Actor
from hutch_api.services import idempotency
from hutch_api.store.requests import Idempotency
from tests.services.world import World

ROUTE = "POST /v1/datasets"


def once(
    world: World,
    actor: Actor,
    *,
    key: str = "k",
    route: str = ROUTE,
    request: bytes = b"{}",
    makes: str | None = None,
) -> str | None:
    with world.site.begin() as work:
        known = idempotency.once(work, actor, key=key, route=route, request=request)
        if known is None and makes is not None:
            idempotency.keep(work, actor, key=key, resource=makes)
        return known


def test_a_new_key_is_told_from_one_that_was_used(world: World, anna: Actor) -> None:
    made = str(uuid4())
    assert once(world, anna, makes=made) is None
    assert once(world, anna) == made
    assert once(world, anna) == made
    assert once(world, anna, key="other", makes=made) is None


@pytest.mark.parametrize(
    "other", [{"route": "POST /v1/pushes"}, {"request": b'{"a":1}'}]
)
def test_a_key_is_good_for_one_request_only(
    world: World, anna: Actor, other: dict[str, str | bytes]
) -> None:
    once(world, anna, makes="made")
    with pytest.raises(IdempotencyError):
        once(world, anna, **other)  # type: ignore[arg-type]


def test_users_do_not_share_keys(world: World, anna: Actor, ben: Actor) -> None:
    once(world, anna, makes="made")
    assert once(world, ben) is None


def test_a_request_that_failed_does_not_use_up_its_key(
    world: World, anna: Actor
) -> None:
    def fail() -> None:
        with world.site.begin() as work:
            idempotency.once(work, anna, key="k", route=ROUTE, request=b"{}")
            raise TimeoutError

    with pytest.raises(TimeoutError):
        fail()
    assert once(world, anna, makes="made") is None
    assert once(world, anna) == "made"


@pytest.mark.parametrize("key", ["", "x" * 201, "a\0", "a\nb", "\u00fc"])
def test_a_key_that_cannot_be_kept_is_refused(
    world: World, anna: Actor, key: str
) -> None:
    with pytest.raises(InvalidInputError):
        once(world, anna, key=key)


def test_the_request_itself_is_not_kept(world: World, anna: Actor) -> None:
    once(world, anna, request=b'{"secret": "of anna"}', makes="made")
    with world.site.look() as work:
        row = work.session.exec(select(Idempotency)).one()
    assert "of anna" not in str(row.model_dump())
