"""Who was slow and goes on after others went on for them does no harm.

A holder of an operation, or a server in the middle of an announcement, stands still
for longer than its lease; meanwhile others take over. Then it goes on where it was.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlmodel import col, select

from hutch.contract.steps import Step, observing
from hutch.contract.wire.datasets import State
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of, prefix_of
from hutch_api.services import closing, deletion
from hutch_api.services import uploads as transfer
from hutch_api.services.announcement import Announced
from hutch_api.services.sweep import sweep
from hutch_api.store.rows import INTENTS, read_intents
from hutch_api.store.tables import Dataset, Intent, IntentState, Operation
from tests.agreement import disagreements
from tests.conftest import Clock
from tests.transfer.flow import Flow
from tests.transfer.held import held, stored
from tests.transfer.race import (
    left_to_a_worker,
    memory,
    settle_down,
    state,
    turns,
)
from tests.transfer.race import operation as row_of

BIG = b"x" * (17 * 1024**2)


class CrashError(Exception):
    """The server dies here."""


@pytest.fixture
def flow(busy_flow: Flow) -> Flow:
    return busy_flow


def started(flow: Flow, actor: Actor, dataset: UUID, **options: bool) -> Operation:
    """Begin a close that a worker has to carry out."""
    with left_to_a_worker():
        return row_of(flow, flow.close(actor, dataset, **options))


def refused(flow: Flow, operation: Operation) -> bool:
    """Have another worker go on with a close; tell whether it refused it."""
    closing.proceed(flow.site, operation)
    return state(flow, operation.dataset_id) is State.OPEN


def test_a_close_that_was_refused_takes_nothing_from_the_open_dataset(
    flow: Flow,
) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        flow.push(ada, dataset, {"a": b"1"})
        memory(flow).write(key_of(dataset, "c"), b"not ours")
        operation = started(flow, ada, dataset, drop=True)
        pushed: list[bool] = []

        def meanwhile(
            dataset: UUID = dataset,
            operation: Operation = operation,
            pushed: list[bool] = pushed,
        ) -> None:
            lost = (key_of(dataset, "a"), held(flow, dataset)["a"])
            memory(flow).delete([lost])
            if refused(flow, operation):
                flow.push(ada, dataset, {"a": b"1"}, base=held(flow, dataset))
                flow.push(ada, dataset, {"b": b"2"})
                pushed.append(True)

        turn.meet(partial(closing.proceed, flow.site, operation), meanwhile)
        if pushed:
            assert [stored(flow, dataset, p) for p in "ab"] == [b"1", b"2"]
        else:  # decided before: closed without what a tool took away
            deletion.delete(flow.site, ada, dataset)


def test_a_close_that_was_refused_writes_no_records_for_the_next(flow: Flow) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        flow.push(ada, dataset, {"a": b"1"})
        operation = started(flow, ada, dataset)

        def meanwhile(
            dataset: UUID = dataset, operation: Operation = operation
        ) -> None:
            foreign = memory(flow).write(key_of(dataset, "c"), b"not ours")
            if refused(flow, operation):
                memory(flow).delete([(key_of(dataset, "c"), foreign)])
                flow.push(ada, dataset, {"a": b"2"}, base=held(flow, dataset))
                flow.close(ada, dataset)

        turn.meet(partial(closing.proceed, flow.site, operation), meanwhile)
        assert state(flow, dataset) is State.CLOSED
        sweep(flow.site, dataset)  # stops if the records are not the database's


def test_a_close_is_decided_once_with_one_time(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        flow.push(ada, dataset, {"a": b"1"})
        operation = started(flow, ada, dataset)

        def meanwhile(operation: Operation = operation) -> None:
            clock.move(timedelta(minutes=3))
            closing.proceed(flow.site, operation)

        turn.meet(partial(closing.proceed, flow.site, operation), meanwhile)
        with flow.site.look() as work:
            closed_at = work.session.get_one(Dataset, dataset).closed_at
        assert closed_at is not None
        assert _times_in_records(flow, dataset) == {closed_at.isoformat().encode()}


def _times_in_records(flow: Flow, dataset: UUID) -> set[bytes]:
    return {
        time
        for name, data in memory(flow)._records.items()
        if str(dataset) in name
        for time in re.findall(rb'"closed_at":"([^"]+)"', data)
    }


def crashed_at(step: Step, act: Callable[[], object]) -> None:
    def observer(reached: Step) -> None:
        if reached is step:
            raise CrashError

    with observing(observer), pytest.raises(CrashError):
        act()


def lose_an_upload(flow: Flow, actor: Actor, dataset: UUID) -> None:
    """Have a server die that has opened an upload, and not written down which."""
    push = flow.start(actor, dataset)
    crashed_at(Step.UPLOAD_OPENED, partial(flow.announce, actor, push, {"a": BIG}))


def uploads(flow: Flow, dataset: UUID) -> list[str]:
    return memory(flow).uploads(key_of(dataset, "a"))


def test_an_upload_whose_id_was_lost_ends_though_the_file_arrives(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    announce = partial(flow.announce, ada, push, {"a": BIG})
    crashed_at(Step.UPLOAD_OPENED, announce)
    [upload] = announce()
    assert len(uploads(flow, dataset)) == 2
    item = flow.carry(ada, push, upload, BIG)
    [done] = flow.finish(ada, push, [item]).files
    assert done.problem is None
    settle_down(flow, clock)
    assert uploads(flow, dataset) == []


def test_an_upload_whose_id_was_lost_ends_though_another_is_open(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    lose_an_upload(flow, ada, dataset)
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"a": BIG}, force=True)
    assert len(uploads(flow, dataset)) == 2
    settle_down(flow, clock)
    assert len(uploads(flow, dataset)) == 1
    item = flow.carry(ada, push, upload, BIG)
    assert flow.finish(ada, push, [item]).files[0].problem is None
    assert uploads(flow, dataset) == []


@pytest.mark.parametrize("what", ["close", "delete"])
def test_an_upload_that_is_opened_while_a_dataset_ends_ends_with_it(
    flow: Flow, clock: Clock, what: str
) -> None:
    ada = flow.user("ada")
    end = {
        "close": partial(flow.close, ada, abandon=True, empty=True),
        "delete": partial(deletion.delete, flow.site, ada),
    }[what]
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        push = flow.start(ada, dataset)
        crashed_at(Step.INTENTS_WRITTEN, partial(flow.announce, ada, push, {"a": BIG}))
        with flow.site.look() as work:
            query = INTENTS.where(col(Intent.dataset_id) == dataset)
            [intent] = read_intents(work.session, query)
        opening = partial(
            transfer._open_uploads, flow.site, [Announced("a", intent=intent)]
        )
        turn.meet(
            partial(end, dataset),
            partial(crashed_at, Step.UPLOAD_WRITTEN, opening),
        )
        settle_down(flow, clock)
        assert uploads(flow, dataset) == []


def test_an_upload_whose_id_was_lost_ends_though_another_is_being_opened(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        lose_an_upload(flow, ada, dataset)
        push = flow.start(ada, dataset)
        turn.meet(
            partial(flow.announce, ada, push, {"a": BIG}, force=True),
            partial(settle_down, flow, clock),
        )
        [upload] = flow.announce(ada, push, {"a": BIG}, force=True)
        item = flow.carry(ada, push, upload, BIG)
        assert flow.finish(ada, push, [item]).files[0].problem is None
        settle_down(flow, clock)
        assert uploads(flow, dataset) == []


def test_the_search_for_lost_uploads_spares_one_that_is_being_opened(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    lose_an_upload(flow, ada, dataset)
    push = flow.start(ada, dataset)
    crashed_at(
        Step.UPLOAD_OPENED,
        lambda: flow.announce(ada, push, {"a": BIG}, force=True),
    )
    settle_down(flow, clock)
    assert len(uploads(flow, dataset)) == 2  # nobody can tell which is whose
    clock.move(timedelta(days=8))
    settle_down(flow, clock)
    assert uploads(flow, dataset) == []
    with flow.site.look() as work:
        rows = work.session.exec(select(Intent)).all()
    assert {(r.state, r.cleared) for r in rows} == {(IntentState.ABORTED, True)}
    assert list(memory(flow).versions(prefix_of(dataset))) == []
    assert disagreements(flow.site) == []
