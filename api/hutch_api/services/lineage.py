"""Where a dataset comes from and what came of it.

What the caller may not read stays hidden: such an ancestor shows only what its child
itself says of it (id, digest, seal) and nothing behind it; such a descendant does
not appear at all. One step away costs two queries, however many datasets lie there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.sql.expression import Select

from hutch.contract.problems import InvalidInputError
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import (
    LineageEdge,
    LineageNode,
    LineageOut,
    Right,
    State,
)
from hutch_api.domain.access import Actor
from hutch_api.services import access
from hutch_api.services.work import Work
from hutch_api.store.tables import Dataset, Input, User

DEEPEST: Final = 50
MOST_NODES: Final = 1_000
MOST_EDGES: Final = 10_000
"""Of one step; a popular parent must not cost an answer of any length."""


@dataclass(slots=True)
class _Walk:
    """What has been seen so far of a lineage."""

    nodes: dict[UUID, LineageNode]
    edges: dict[tuple[UUID, UUID], LineageEdge] = field(default_factory=dict)
    truncated: bool = False

    def has_room(self) -> bool:
        """Tell whether one more node fits, and remember if not."""
        if len(self.nodes) < MOST_NODES:
            return True
        self.truncated = True
        return False


def lineage(work: Work, actor: Actor, dataset: UUID, *, depth: int = 10) -> LineageOut:
    """Show ancestors and descendants of a dataset, the nearest first.

    Args:
        work: The transaction.
        actor: Who asks.
        dataset: In the middle, at depth 0.
        depth: Steps to go in each direction, 1 to 50.

    Returns:
        Nodes and edges; ``truncated`` if there is more than was asked for or than
        1,000 nodes.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
        NotFoundError: No such dataset for the actor.
        InvalidInputError: The depth is not allowed.
    """
    if not 1 <= depth <= DEEPEST:
        raise InvalidInputError(
            f"depth: {depth} is not within 1 to {DEEPEST}", field="depth"
        )
    access.find(work, actor, dataset, right=Right.READ, scope=Scope.READ)
    walk = _Walk(_readable(work, actor, [dataset], 0))
    frontier = [dataset]
    for step in range(1, depth + 2):
        frontier = _upwards(work, actor, walk, frontier, step, seen=step <= depth)
    frontier = [dataset]
    for step in range(1, depth + 2):
        frontier = _downwards(work, actor, walk, frontier, step, seen=step <= depth)
    nodes = sorted(walk.nodes.values(), key=lambda n: (abs(n.depth), n.depth, n.id))
    return LineageOut(
        nodes=tuple(nodes), edges=tuple(walk.edges.values()), truncated=walk.truncated
    )


def _upwards(
    work: Work,
    actor: Actor,
    walk: _Walk,
    children: Sequence[UUID],
    step: int,
    *,
    seen: bool,
) -> list[UUID]:
    edges = _edges(
        work, walk, _select_inputs().where(col(Input.child_id).in_(children))
    )
    if not seen:
        walk.truncated = walk.truncated or bool(edges)
        return []
    parents = {edge.parent for edge in edges} - walk.nodes.keys()
    readable = _readable(work, actor, parents, -step)
    following = []
    for edge in edges:
        if edge.parent not in walk.nodes:
            if not walk.has_room():
                continue
            if edge.parent in readable:
                following.append(edge.parent)
            walk.nodes[edge.parent] = readable.get(edge.parent) or LineageNode(
                id=edge.parent, depth=-step, digest=edge.digest, seal=edge.seal
            )
        walk.edges[edge.child, edge.parent] = edge
    return following


def _downwards(
    work: Work,
    actor: Actor,
    walk: _Walk,
    parents: Sequence[UUID],
    step: int,
    *,
    seen: bool,
) -> list[UUID]:
    query = _select_inputs().where(
        col(Input.parent_id).in_(parents), access.granted(actor)
    )
    edges = _edges(work, walk, query)
    if not seen:
        walk.truncated = walk.truncated or bool(edges)
        return []
    children = {edge.child for edge in edges} - walk.nodes.keys()
    readable = _readable(work, actor, children, step)
    following = []
    for edge in edges:
        if edge.child not in walk.nodes:
            if not walk.has_room():
                continue
            walk.nodes[edge.child] = readable[edge.child]
            following.append(edge.child)
        walk.edges[edge.child, edge.parent] = edge
    return following


def _select_inputs() -> Select[Input, bool]:
    return (
        select(Input, Dataset.correction)
        .join(Dataset, col(Dataset.id) == col(Input.child_id))
        .order_by(col(Input.child_id), col(Input.position))
        .limit(MOST_EDGES + 1)
    )


def _edges(work: Work, walk: _Walk, query: Select[Input, bool]) -> list[LineageEdge]:
    rows: Sequence[tuple[Input, bool]] = work.session.exec(query).all()
    walk.truncated = walk.truncated or len(rows) > MOST_EDGES
    return [
        LineageEdge(
            child=row.child_id,
            parent=row.parent_id,
            digest=row.digest,
            seal=row.seal,
            correction=correction,
        )
        for row, correction in rows[:MOST_EDGES]
    ]


def _readable(
    work: Work, actor: Actor, datasets: Iterable[UUID], depth: int
) -> dict[UUID, LineageNode]:
    wanted = list(datasets)
    if not wanted:
        return {}
    rows = work.session.exec(
        select(Dataset, User.name)
        .join(User, col(User.id) == col(Dataset.owner_id))
        .where(col(Dataset.id).in_(wanted), access.granted(actor))
    ).all()
    return {
        row.id: LineageNode(
            id=row.id,
            depth=depth,
            digest=row.digest,
            seal=row.seal,
            name=row.name,
            owner=owner,
            type=row.type,
            state=State(row.state),
            definition=None if row.run is None else row.run["definition"],
        )
        for row, owner in rows
    }
