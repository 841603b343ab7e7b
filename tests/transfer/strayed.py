"""Datasets in which other tools did something, and adopting that."""

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from hutch.contract.wire.datasets import OperationOut, OperationState
from hutch.contract.wire.tools import AdoptIn, StrayOut
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of
from hutch_api.services import adoption, operations, strays, upkeep
from tests.transfer.flow import Flow
from tests.transfer.foreign import Foreign


def seen(flow: Flow, actor: Actor, dataset: UUID) -> list[StrayOut]:
    """List all strays, one page after another."""
    found: list[StrayOut] = []
    after: str | None = None
    while True:
        page = strays.list_strays(flow.site, actor, dataset, after=after, limit=2)
        found += page.items
        after = page.next
        if after is None:
            return found


def kinds(flow: Flow, actor: Actor, dataset: UUID) -> dict[str, str]:
    return {s.path: s.kind.value for s in seen(flow, actor, dataset)}


def begin(
    flow: Flow, actor: Actor, dataset: UUID, *paths: str, drop: bool = False
) -> OperationOut:
    return adoption.adopt(flow.site, actor, dataset, AdoptIn(paths=paths, drop=drop))


def end(flow: Flow, begun: OperationOut) -> OperationOut:
    """Let the worker do it."""
    assert begun.state is OperationState.RUNNING
    assert upkeep.go_on(flow.site)
    return operations.outcome(flow.site, begun.id)


def adopt(
    flow: Flow, actor: Actor, dataset: UUID, *paths: str, drop: bool = False
) -> dict[str, object]:
    done = end(flow, begin(flow, actor, dataset, *paths, drop=drop))
    assert done.state is OperationState.DONE
    assert done.result is not None
    return asdict(done.result)


def refused(result: dict[str, object]) -> dict[str, str]:
    problems = result["problems"]
    assert isinstance(problems, Sequence)
    return {p["path"]: str(p["type"]).rpartition(":")[2] for p in problems}


def work_of_tools(flow: Flow, foreign: Foreign, actor: Actor) -> UUID:
    """A dataset in which tools added, overwrote and deleted."""
    dataset = flow.dataset(actor).id
    flow.push(actor, dataset, {"kept": b"0", "over": b"1", "gone": b"22"})
    foreign.put(key_of(dataset, "new/a"), b"added by a tool")
    foreign.put(key_of(dataset, "over"), b"overwritten by a tool")
    foreign.delete(key_of(dataset, "gone"))
    return dataset


def moved_below(flow: Flow, foreign: Foreign, actor: Actor) -> UUID:
    """A tool deleted files and put others below their keys: MinIO hides these."""
    dataset = flow.dataset(actor).id
    flow.push(actor, dataset, {"a": b"1", "kept": b"2"})
    foreign.delete(key_of(dataset, "a"))
    foreign.put(key_of(dataset, "a/below"), b"3")
    foreign.put(key_of(dataset, "b"), b"4")
    foreign.delete(key_of(dataset, "b"))
    foreign.put(key_of(dataset, "b/below"), b"5")
    return dataset
