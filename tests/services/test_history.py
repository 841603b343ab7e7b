"""The history of a dataset."""

from datetime import timedelta
from uuid import UUID

import pytest

from hutch.contract.problems import (
    InvalidInputError,
    NotFoundError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import AuditPage, DatasetPatch, State
from hutch_api.domain.access import Actor
from hutch_api.services import audit, datasets, history
from tests.conftest import Clock
from tests.services.world import World


def pages(
    world: World, actor: Actor, dataset: UUID, *, limit: int = 100
) -> list[AuditPage]:
    found: list[AuditPage] = []
    after = None
    while not found or after is not None:
        with world.site.look() as work:
            page = history.list_audit(work, actor, dataset, after=after, limit=limit)
        found.append(page)
        after = page.next
    return found


def test_changes_are_told_with_who_and_when_the_newest_first(
    world: World, anna: Actor, ben: Actor, clock: Clock
) -> None:
    made = world.create(anna, "scan")
    world.share(anna, made.id, "user:ben")
    clock.move(timedelta(minutes=1))
    with world.site.begin() as work:
        audit.record(work, None, "sweep", made.id, dropped=1)
    (page,) = pages(world, ben, made.id)
    assert [(row.action, row.actor) for row in page.items] == [
        ("sweep", "server"),
        ("share", "anna"),
        ("create", "anna"),
    ]
    assert page.items[0].at == clock()
    assert page.items[1].facts == {"kind": "user", "to": "ben", "right": "read"}
    assert page.items[1].request_id == "test"


def test_pages_follow_each_other_without_gap_or_overlap(
    world: World, anna: Actor
) -> None:
    made = world.create(anna, "scan")
    for number in range(6):
        with world.site.begin() as work:
            patch = DatasetPatch(attributes={"n": number})
            datasets.patch_dataset(work, anna, made.id, patch)
    (whole,) = pages(world, anna, made.id)
    cut = pages(world, anna, made.id, limit=3)
    assert [len(page.items) for page in cut] == [3, 3, 1]
    assert sum((page.items for page in cut), ()) == whole.items


def test_the_history_of_one_dataset_does_not_show_another(
    world: World, anna: Actor
) -> None:
    one = world.create(anna, "one")
    world.create(anna, "two")
    (page,) = pages(world, anna, one.id)
    assert len(page.items) == 1


def test_a_tombstone_keeps_its_history(world: World, anna: Actor) -> None:
    made = world.closed(anna, "scan")
    world.delete(anna, made.id)
    assert world.see(anna, made.id).state is State.DELETED
    actions = {row.action for row in pages(world, anna, made.id)[0].items}
    assert {"create", "close", "delete"} <= actions


def test_the_history_of_what_one_may_not_read_does_not_exist(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    with pytest.raises(NotFoundError):
        pages(world, ben, made.id)
    with pytest.raises(TokenInsufficientError):
        pages(world, world.limited(anna, Scope.WRITE), made.id)


@pytest.mark.parametrize("after", ["", "x", "-1", "1.5", "\u0663", "9" * 30, "9" * 19])
def test_a_cursor_of_somebody_else_is_refused(
    world: World, anna: Actor, after: str
) -> None:
    made = world.create(anna, "scan")
    with world.site.look() as work, pytest.raises(InvalidInputError):
        history.list_audit(work, anna, made.id, after=after)


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_a_limit_out_of_bounds_is_refused(
    world: World, anna: Actor, limit: int
) -> None:
    made = world.create(anna, "scan")
    with world.site.look() as work, pytest.raises(InvalidInputError):
        history.list_audit(work, anna, made.id, limit=limit)
