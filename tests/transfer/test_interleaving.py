"""Whatever comes in between: exactly one outcome is true, and all agree on it.

Where a use case calls the store, somebody else may do anything at all. Here the other
one is let through inside each such call in turn, on each database.
"""

from datetime import timedelta
from functools import partial

import pytest

from hutch.contract.wire.datasets import (
    OperationState,
    State,
)
from hutch.contract.wire.transfer import (
    FinishItem,
    UploadOut,
)
from hutch_api.domain.layout import key_of
from hutch_api.services import (
    closing,
    deletion,
)
from hutch_api.services.sweep import sweep, sweep_due
from hutch_api.store.tables import (
    Dataset,
    File,
)
from tests.agreement import disagreements
from tests.conftest import Clock
from tests.transfer.flow import Flow, crc, sha256
from tests.transfer.race import (
    announced,
    left_to_a_worker,
    live,
    memory,
    operation,
    paths,
    sent,
    settle_down,
    share,
    state,
    turns,
    unshare,
    usable,
)


@pytest.fixture
def flow(busy_flow: Flow) -> Flow:
    return busy_flow


def test_finish_against_close_at_every_store_call(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        flow.push(ada, dataset, {"kept": b"1"})
        push, item = sent(flow, ada, dataset, "late", b"2")
        came = turn.meet(
            partial(flow.finish, ada, push, [item]),
            partial(flow.close, ada, dataset, abandon=True),
        )
        with flow.site.look() as work:
            row = work.session.get_one(Dataset, dataset)
        assert (row.state, row.files) == (
            (State.CLOSED, 1) if came else (State.OPEN, 2)
        )
        assert len(paths(flow, dataset)) == row.files
        assert disagreements(flow.site) == []
    settle_down(flow, clock)


def test_close_against_finish_at_every_store_call(flow: Flow) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        flow.push(ada, dataset, {"kept": b"1"})
        push, item = sent(flow, ada, dataset, "late", b"2")
        turn.meet(
            partial(flow.close, ada, dataset, abandon=True),
            partial(flow.finish, ada, push, [item]),
        )
        assert state(flow, dataset) is State.CLOSED
        assert paths(flow, dataset) == ["kept"]


def test_a_finish_under_way_keeps_its_checksum(flow: Flow) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        flow.push(ada, dataset, {"a": b"0"})
        push, item = sent(flow, ada, dataset, "a", b"1")
        wrong = FinishItem(
            intent=item.intent,
            crc64nvme=crc(b"2"),
            sha256=sha256(b"2"),
            parts=item.parts,
        )
        turn.meet(
            partial(flow.finish, ada, push, [item]),
            partial(flow.finish, ada, push, [wrong]),
        )
        with flow.site.look() as work:
            file = work.session.get_one(File, (dataset, "a"))
        assert (file.crc64nvme, file.sha256) == (crc(b"1"), sha256(b"1"))


def test_no_account_is_alive_after_a_close_at_any_store_call(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        push = flow.start(ada, dataset)
        came = turn.meet(
            partial(flow.announce, ada, push, {"a": b"1", "b": b"2" * (17 * 1024**2)}),
            partial(flow.close, ada, dataset, abandon=True, empty=True),
        )
        if not came:
            break
        assert state(flow, dataset) is State.CLOSED
        assert usable(flow, dataset) == []
        assert live(flow, dataset) == []
        assert disagreements(flow.site) == []
    settle_down(flow, clock)
    assert list(flow.site.accounts.key_ids()) == []


def test_who_loses_write_while_announcing_gets_no_url_that_works(
    flow: Flow, clock: Clock
) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        share(flow, ada, dataset, "bob")
        push = flow.start(bob, dataset)
        got: list[UploadOut] = []
        came = turn.meet(
            partial(announced, flow, bob, push, got),
            partial(unshare, flow, ada, dataset, "bob"),
        )
        if not came:
            break
        for upload in got:
            assert upload.request is not None
            assert flow.send(upload.request, b"1") == 403
        assert live(flow, dataset) == []
    settle_down(flow, clock)


def test_unshare_against_finish_at_every_store_call(flow: Flow, clock: Clock) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        share(flow, ada, dataset, "bob")
        push, item = sent(flow, bob, dataset, "a", b"1")
        came = turn.meet(
            partial(flow.finish, bob, push, [item]),
            partial(unshare, flow, ada, dataset, "bob"),
        )
        assert paths(flow, dataset) == ([] if came else ["a"])
    settle_down(flow, clock)


def test_a_close_is_not_overtaken_by_a_deletion(flow: Flow) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        flow.push(ada, dataset, {"a": b"1"})
        turn.meet(
            partial(flow.close, ada, dataset),
            partial(deletion.delete, flow.site, ada, dataset),
        )
        assert state(flow, dataset) is State.CLOSED
        assert paths(flow, dataset) == ["a"]


@pytest.mark.parametrize("what", ["close", "delete"])
def test_two_workers_on_one_operation_end_it_once(flow: Flow, what: str) -> None:
    ada = flow.user("ada")
    begin, proceed = {
        "close": (partial(flow.close, ada), closing.proceed),
        "delete": (partial(deletion.delete, flow.site, ada), deletion.proceed),
    }[what]
    for turn in turns(flow):
        dataset = flow.dataset(ada, turn.name).id
        flow.push(ada, dataset, {"a": b"1"})
        with left_to_a_worker():
            begun = begin(dataset)
        at_work = partial(proceed, flow.site, operation(flow, begun))
        turn.meet(at_work, at_work)
        ended = State.CLOSED if what == "close" else State.DELETED
        assert state(flow, dataset) is ended
        row = operation(flow, begun)
        assert (row.state, row.problem) == (OperationState.DONE, None)


def test_two_sweeps_at_once_leave_the_manifest(flow: Flow) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.closed(ada, {"a": b"1", "b": b"2"}, turn.name)
        memory(flow).write(key_of(dataset, "a"), b"late")
        memory(flow).write(key_of(dataset, "c"), b"late")
        turn.meet(
            partial(sweep, flow.site, dataset),
            partial(sweep, flow.site, dataset),
        )
        assert disagreements(flow.site) == []


def test_a_sweep_and_a_deletion_at_every_store_call(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    for turn in turns(flow):
        dataset = flow.closed(ada, {"a": b"1"}, turn.name)
        clock.move(timedelta(minutes=2))
        came = turn.meet(
            partial(sweep_due, flow.site),
            partial(deletion.delete, flow.site, ada, dataset),
        )
        if not came:
            break
        with flow.site.look() as work:
            row = work.session.get_one(Dataset, dataset)
        assert (row.state, row.sweeps) == (State.DELETED, 0)
        assert row.sweep_at == clock() + timedelta(minutes=1)
