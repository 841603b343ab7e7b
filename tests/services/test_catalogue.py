"""Lists of datasets."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, event

from hutch.contract.problems import InvalidInputError, TokenInsufficientError
from hutch.contract.wire.accounts import GroupIn, Scope
from hutch.contract.wire.datasets import DatasetPage, State
from hutch_api.domain.access import Actor
from hutch_api.services import catalogue, groups
from hutch_api.store.tables import Dataset
from tests.conftest import Clock
from tests.plans import explained, multiply
from tests.services.world import World


@pytest.fixture(autouse=True, params=["few", "many"])
def _reach(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """List for people who reach few datasets, and as for those who reach many."""
    if request.param == "many":
        monkeypatch.setattr(catalogue, "_FEW", 0)


def page(
    world: World, actor: Actor, *, after: str | None = None, limit: int = 100
) -> DatasetPage:
    with world.site.look() as work:
        return catalogue.list_datasets(work, actor, after=after, limit=limit)


def test_pages_are_the_newest_first_without_gap_or_overlap(
    world: World, anna: Actor, clock: Clock
) -> None:
    for number in range(10):
        world.create(anna, f"d{number}")
        if number % 3 == 2:  # some were made in the same moment
            clock.move(timedelta(microseconds=1))
    whole = page(world, anna).items
    cut: list[DatasetPage] = []
    while not cut or cut[-1].next is not None:
        cut.append(page(world, anna, after=cut[-1].next if cut else None, limit=4))
    assert [len(each.items) for each in cut] == [4, 4, 2]
    assert sum((each.items for each in cut), ()) == whole
    assert [d.created_at for d in whole] == sorted(
        (d.created_at for d in whole), reverse=True
    )


def test_a_page_that_is_just_full_has_no_next(world: World, anna: Actor) -> None:
    for number in range(3):
        world.create(anna, f"d{number}")
    assert page(world, anna, limit=3).next is None


def test_what_is_made_meanwhile_does_not_move_the_pages(
    world: World, anna: Actor, clock: Clock
) -> None:
    for number in range(4):
        world.create(anna, f"d{number}")
    first = page(world, anna, limit=2)
    clock.move(timedelta(seconds=1))
    world.create(anna, "later")
    second = page(world, anna, after=first.next, limit=2)
    assert {d.name for d in first.items + second.items} == {"d0", "d1", "d2", "d3"}


def test_a_list_holds_only_what_its_reader_may_read(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "shared")
    world.create(anna, "hidden")
    world.share(anna, made.id, "user:ben")
    assert world.names(ben) == ["shared"]
    for filters in ({"owner": "anna"}, {"query": "d"}, {"type_name": "generic"}):
        assert world.names(ben, **filters) == ["shared"]
    assert world.names(ben, name="hidden") == []


def test_a_list_holds_what_is_shared_with_a_group(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "shared")
    world.create(anna, "hidden")
    with world.site.begin() as work:
        groups.create_group(work, anna, GroupIn(name="team"))
        groups.add_member(work, anna, "team", ben.name)
    world.share(anna, made.id, "group:team")
    assert world.names(ben) == ["shared"]
    assert world.names(ben, state=State.OPEN) == ["shared"]


def test_a_page_costs_no_look_at_all_that_is_shared(busy_world: World) -> None:
    world, ben = busy_world, busy_world.user("ben")
    anna = world.user("anna")
    with world.site.begin() as work:
        groups.create_group(work, anna, GroupIn(name="g"))
        groups.add_member(work, anna, "g", "ben")
    world.share(anna, world.create(anna, "shared").id, "group:g")
    with world.site.engine.begin() as connection:
        number = "lpad(n::text, 32, '0')::uuid"
        multiply(connection, "datasets", {"id": number, "name_is_unique": "false"})
        fresh = {"id": "gen_random_uuid()", "dataset_id": number}
        multiply(connection, "shares", fresh)
    with explained(world.site.engine) as told:
        assert len(page(world, ben).items) == 100
    assert [line for line in told if re.search("owner_id.*hashed SubPlan", line)] == []


def test_lists_are_filtered_by_owner_name_state_and_type(
    world: World, anna: Actor, ben: Actor
) -> None:
    world.create(anna, "tomo", type="scan.tomo", attributes={"sample": "tooth"})
    world.closed(anna, "done")
    given = world.create(ben, "bens")
    world.share(ben, given.id, "user:anna")
    assert world.names(anna, owner="ben") == ["bens"]
    assert world.names(anna, owner="nobody") == []
    assert world.names(anna, name="tomo") == ["tomo"]
    assert world.names(anna, state=State.CLOSED) == ["done"]
    for kind in ("scan.tomo", "scan"):
        assert world.names(anna, type_name=kind) == ["tomo"]
    assert len(world.names(anna, type_name="generic")) == 3
    assert world.names(anna, type_name="nothing") == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("TOO", {"tooth"}),
        ("molar", {"tooth"}),
        ("Zähne", {"tooth"}),
        ('"', {"quoted"}),
        ("%", {"percent"}),
        ("_", {"percent"}),
        ("\\", set()),
        ("o", {"tooth", "quoted"}),
    ],
)
def test_a_query_is_looked_for_in_name_description_and_keywords(
    world: World, anna: Actor, query: str, found: set[str]
) -> None:
    world.create(anna, "tooth", description="A Molar.", keywords=("Zähne", "x"))
    world.create(anna, "percent", description="50 % a_b")
    world.create(anna, "quoted", keywords=('say "hi"',))
    assert set(world.names(anna, query=query)) == found


def test_a_prefix_of_the_id_finds_it(world: World, anna: Actor) -> None:
    made = world.create(anna, "scan")
    text = str(made.id)
    for prefix in (text[:1], text[:8], text[:9], text[:20], text, text.upper()):
        assert world.names(anna, prefix=prefix) == ["scan"]
    assert world.names(anna, prefix=made.id.hex[:12]) == ["scan"]
    other = UUID(int=made.id.int ^ (1 << 127))
    assert world.names(anna, prefix=str(other)[:4]) == []


@pytest.mark.parametrize(
    "filters",
    [
        {"prefix": ""},
        {"prefix": "xyz"},
        {"prefix": "%"},
        {"prefix": "1-2"},
        {"prefix": "0" * 33},
        {"after": "x"},
        {"after": ""},
        {"after": "AAAA"},
        {"after": "\u0661"},
        {"limit": 0},
        {"limit": 1_001},
        {"query": "a\0b"},
        {"query": "x" * 201},
        {"query": "\ud800"},
        {"owner": "a\0b"},
        {"name": "a\0b"},
    ],
)
def test_what_cannot_be_a_filter_is_refused(
    world: World, anna: Actor, filters: dict[str, str | int]
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        world.names(anna, **filters)
    assert refused.value.facts["field"] in filters


def test_a_list_needs_a_token_that_reads(world: World, anna: Actor) -> None:
    with pytest.raises(TokenInsufficientError):
        world.names(world.limited(anna, Scope.WRITE))


def test_the_number_of_queries_does_not_grow_with_the_page(
    world: World, anna: Actor, engine: Engine
) -> None:
    parent = world.closed(anna, "parent")
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    counts = []
    for number in range(6):
        world.derive(anna, f"d{number}", parent.id)
        asked.clear()
        page(world, anna)
        counts.append(len(asked))
    assert len(set(counts)) == 1


def test_what_is_being_deleted_is_still_listed(world: World, anna: Actor) -> None:
    made = world.create(anna, "scan")
    with world.site.begin() as work:
        work.session.get_one(Dataset, made.id).state = State.DELETING
    assert world.names(anna) == ["scan"]
