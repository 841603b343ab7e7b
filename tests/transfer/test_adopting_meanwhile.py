"""Adopting while others push, close or die."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import pytest

from hutch.contract.problems import (
    StoreUnavailableError,
    from_problem,
)
from hutch.contract.steps import Step, observing
from hutch.contract.wire.datasets import OperationState, State
from hutch_api.domain.layout import key_of
from hutch_api.services import closing, operations, strays, upkeep
from tests.transfer.flow import Flow
from tests.transfer.foreign import Foreign
from tests.transfer.held import held, stored
from tests.transfer.race import interrupted, operation, state
from tests.transfer.strayed import begin, end, refused, seen, work_of_tools

pytestmark = pytest.mark.foreign


class KilledError(BaseException):
    """The worker dies here."""


@pytest.mark.parametrize("step", [Step.ADOPTED_READ, Step.ADOPTED_WRITTEN])
@pytest.mark.parametrize("closing", [False, True], ids=["open", "close"])
def test_a_worker_that_dies_leaves_it_to_the_next(
    flow: Flow,
    foreign: Foreign,
    step: Step,
    monkeypatch: pytest.MonkeyPatch,
    *,
    closing: bool,
) -> None:
    ada = flow.user("ada")
    dataset = work_of_tools(flow, foreign, ada)
    monkeypatch.setattr("hutch_api.services.intake.FILES", 1)
    if closing:
        begun = flow.close(ada, dataset, adopt=True)
    else:
        begun = begin(flow, ada, dataset)

    def die(reached: Step) -> None:
        if reached is step:
            raise KilledError

    for _ in range(3):
        with observing(die), pytest.raises(KilledError):
            upkeep.go_on(flow.site)
        flow.site.clock.move(2 * operations.LEASE)  # type: ignore[attr-defined]
        if step is Step.ADOPTED_READ:
            break
    assert upkeep.go_on(flow.site)
    done = operations.outcome(flow.site, begun.id)
    assert done.result is not None
    assert (done.result.adopted, done.result.removed) == (2, 1)
    assert set(held(flow, dataset)) == {"kept", "over", "new/a"}


@pytest.mark.rules
def test_a_push_that_comes_while_it_is_read_wins(flow: Flow, foreign: Foreign) -> None:
    """At every store call of the adoption somebody pushes the same paths."""
    ada = flow.user("ada")
    for at in range(1, 12):
        dataset = flow.dataset(ada, f"d{at}").id
        flow.push(ada, dataset, {"over": b"1"})
        foreign.put(key_of(dataset, "over"), b"by a tool")
        foreign.put(key_of(dataset, "new"), b"by a tool")
        begun = begin(flow, ada, dataset)
        base = held(flow, dataset)
        pushed = {"over": b"pushed", "new": b"pushed"}
        push = partial(flow.push, ada, dataset, pushed, base=base)
        came = interrupted(flow, partial(upkeep.go_on, flow.site), push, at=at)
        done = operations.outcome(flow.site, begun.id)
        assert done.state is OperationState.DONE
        now = {p: stored(flow, dataset, p) for p in held(flow, dataset)}
        assert set(now) == {"over", "new"}
        assert now["over"] == (b"pushed" if came else b"by a tool")
        assert done.result is not None
        assert set(refused(asdict(done.result)).values()) <= {
            "file-changed",
            "path-busy",
        }
        if not came:
            return
    pytest.fail("the adoption never came to its end")


@pytest.mark.rules
def test_what_is_announced_while_it_is_read_stays_for_the_push(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    foreign.put(key_of(dataset, "new"), b"by a tool")
    begun = begin(flow, ada, dataset)
    push = flow.start(ada, dataset)

    def announce(step: Step) -> None:
        if step is Step.ADOPTED_READ:
            flow.announce(ada, push, {"new": b"pushed"})

    with observing(announce):
        done = end(flow, begun)
    assert done.result is not None
    assert refused(asdict(done.result)) == {"new": "path-busy"}
    assert held(flow, dataset) == {}


@pytest.mark.rules
def test_a_file_that_comes_after_the_listing_is_not_missing(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    chunks = strays._chunks

    def late(*given: Any, **more: Any) -> Iterator[Any]:
        for chunk in chunks(*given, **more):
            flow.push(ada, dataset, {"b": b"2"})
            yield chunk

    monkeypatch.setattr(strays, "_chunks", late)
    assert seen(flow, ada, dataset) == []


@pytest.mark.rules
def test_a_close_that_was_decided_takes_nothing_more_in(
    flow: Flow, foreign: Foreign
) -> None:
    """One worker has read what another no longer found when it decided."""
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    foreign.put(key_of(dataset, "b"), b"by a tool")
    begun = flow.close(ada, dataset, adopt=True)
    [stray] = (v for v in flow.site.objects.versions(key_of(dataset, "b")))
    slow = operation(flow, begun)

    def die(step: Step) -> None:
        if step is Step.CLOSE_DECIDED:
            raise KilledError

    def overtake(step: Step) -> None:
        if step is Step.ADOPTED_READ:
            flow.site.objects.delete([(stray.key, stray.version)])
            with observing(die), pytest.raises(KilledError):
                closing.proceed(flow.site, operation(flow, begun))

    with observing(overtake):
        closing.proceed(flow.site, slow)
    assert set(held(flow, dataset)) == {"a"}
    flow.site.clock.move(2 * operations.LEASE)  # type: ignore[attr-defined]
    end(flow, operations.operation_out(operation(flow, begun)))
    assert state(flow, dataset) is State.CLOSED


@pytest.mark.rules
def test_a_store_that_fails_leaves_it_to_the_worker(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = work_of_tools(flow, foreign, ada)
    begun = begin(flow, ada, dataset)

    def down(name: str) -> None:
        if name == "read":
            raise StoreUnavailableError("the store does not answer")

    flow.site.objects.before = down  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailableError):
        upkeep.go_on(flow.site)
    flow.site.objects.before = lambda _: None  # type: ignore[attr-defined]
    waiting = operations.outcome(flow.site, begun.id)
    assert waiting.problem is not None
    assert isinstance(from_problem(waiting.problem), StoreUnavailableError)
    flow.site.clock.move(operations.RETRY * 2)  # type: ignore[attr-defined]
    end(flow, waiting)
