"""Where a dataset comes from, what came of it, and what of that one may know."""

from uuid import UUID

import pytest
from sqlalchemy import Engine, event

from hutch.contract.problems import (
    InvalidInputError,
    NotFoundError,
    TokenInsufficientError,
)
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import LineageNode, LineageOut, State
from hutch_api.domain.access import Actor
from hutch_api.services import lineage as services
from tests.services.world import World


def lineage(world: World, actor: Actor, dataset: UUID, depth: int = 10) -> LineageOut:
    with world.site.look() as work:
        return services.lineage(work, actor, dataset, depth=depth)


def chain(world: World, actor: Actor, length: int) -> list[UUID]:
    """Make datasets of which each is derived from the one before."""
    made = [world.closed(actor, "g0").id]
    for number in range(1, length):
        made.append(world.closed(actor, f"g{number}", inputs=(made[-1],)).id)
    return made


def test_ancestors_and_descendants_are_shown_with_their_distance(
    world: World, anna: Actor
) -> None:
    made = chain(world, anna, 4)
    told = lineage(world, anna, made[1])
    assert {node.name: node.depth for node in told.nodes} == {
        "g1": 0,
        "g0": -1,
        "g2": 1,
        "g3": 2,
    }
    assert {(edge.child, edge.parent) for edge in told.edges} == set(
        zip(made[1:], made, strict=False)
    )
    assert not told.truncated


def test_a_dataset_reached_in_two_ways_is_shown_once(world: World, anna: Actor) -> None:
    top = world.closed(anna, "top").id
    left = world.closed(anna, "left", inputs=(top,)).id
    right = world.closed(anna, "right", inputs=(top, left)).id
    bottom = world.create(anna, "bottom", inputs=(left, right)).id
    for start in (top, bottom):
        told = lineage(world, anna, start)
        assert len(told.nodes) == len({n.id for n in told.nodes}) == 4
        assert len(told.edges) == 5


def test_an_ancestor_that_one_may_not_read_shows_what_its_child_says(
    world: World, anna: Actor, ben: Actor
) -> None:
    oldest = world.closed(anna, "oldest")
    hidden = world.closed(anna, "hidden", inputs=(oldest.id,))
    child = world.closed(anna, "child", inputs=(hidden.id,))
    world.share(anna, child.id, "user:ben")
    world.share(anna, oldest.id, "user:ben")
    told = lineage(world, ben, child.id)
    assert [node.id for node in told.nodes] == [child.id, hidden.id]
    assert told.nodes[1] == LineageNode(
        id=hidden.id, depth=-1, digest=hidden.digest, seal=hidden.seal
    )
    assert len(told.edges) == 1


def test_a_descendant_that_one_may_not_read_does_not_appear(
    world: World, anna: Actor, ben: Actor
) -> None:
    parent = world.closed(anna, "parent")
    world.share(anna, parent.id, "user:ben")
    seen = world.derive(ben, "seen", parent.id)
    world.derive(anna, "hidden", parent.id)
    told = lineage(world, ben, parent.id)
    assert [node.id for node in told.nodes] == [parent.id, seen.id]
    assert [edge.child for edge in told.edges] == [seen.id]
    limited = world.limited(anna, Scope.READ, of=[parent.id])
    assert len(lineage(world, limited, parent.id).nodes) == 1


def test_a_hidden_descendant_does_not_count_as_more_to_see(
    world: World, anna: Actor, ben: Actor
) -> None:
    parent = world.closed(anna, "parent")
    world.share(anna, parent.id, "user:ben")
    child = world.closed(ben, "child", inputs=(parent.id,))
    world.share(ben, child.id, "user:anna")
    world.derive(anna, "hidden", child.id)
    assert not lineage(world, ben, parent.id, depth=1).truncated
    assert lineage(world, anna, parent.id, depth=1).truncated


def test_a_deleted_parent_stays_in_the_lineage(world: World, anna: Actor) -> None:
    parent = world.closed(anna, "parent")
    child = world.derive(anna, "child", parent.id)
    world.delete(anna, parent.id)
    told = lineage(world, anna, child.id)
    assert told.nodes[1].state is State.DELETED
    assert told.nodes[1].seal == parent.seal
    assert lineage(world, anna, parent.id).nodes[1].id == child.id


@pytest.mark.parametrize(("depth", "nodes"), [(1, 3), (2, 5)])
def test_what_lies_too_far_is_left_out_and_said(
    world: World, anna: Actor, depth: int, nodes: int
) -> None:
    made = chain(world, anna, 5)
    told = lineage(world, anna, made[2], depth)
    assert len(told.nodes) == nodes
    assert told.truncated is (depth == 1)


def test_there_is_an_end_to_the_number_of_nodes(
    world: World, anna: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = world.closed(anna, "parent")
    for number in range(5):
        world.derive(anna, f"child-{number}", parent.id)
    monkeypatch.setattr(services, "MOST_NODES", 4)
    told = lineage(world, anna, parent.id)
    assert len(told.nodes) == 4
    assert len(told.edges) == 3
    assert told.truncated


def test_there_is_an_end_to_the_number_of_edges(
    world: World, anna: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = world.closed(anna, "parent")
    for number in range(5):
        world.derive(anna, f"child-{number}", parent.id)
    monkeypatch.setattr(services, "MOST_EDGES", 3)
    told = lineage(world, anna, parent.id)
    assert len(told.edges) == 3
    assert told.truncated


def test_the_number_of_queries_does_not_grow_with_the_number_of_children(
    world: World, anna: Actor, engine: Engine
) -> None:
    counts = []
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    for children in (1, 10):
        parent = world.closed(anna, f"parent-{children}")
        for number in range(children):
            world.derive(anna, f"child-{children}-{number}", parent.id)
        asked.clear()
        lineage(world, anna, parent.id)
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("depth", [0, -1, 51])
def test_a_depth_out_of_bounds_is_refused(
    world: World, anna: Actor, depth: int
) -> None:
    made = world.create(anna, "scan")
    with pytest.raises(InvalidInputError):
        lineage(world, anna, made.id, depth)


def test_the_lineage_of_what_one_may_not_read_does_not_exist(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan")
    with pytest.raises(NotFoundError):
        lineage(world, ben, made.id)
    with pytest.raises(TokenInsufficientError):
        lineage(world, world.limited(anna, Scope.WRITE), made.id)
