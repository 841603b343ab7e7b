"""Whatever comes in between: exactly one outcome is true, and all agree on it.

Where a use case calls the store, somebody else may do anything at all. Here the other
one is let through inside each such call in turn, on each database.
"""

from datetime import timedelta
from functools import partial
from itertools import count

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
    operations,
)
from hutch_api.services.sweep import sweep, sweep_due
from hutch_api.store.tables import (
    Dataset,
    File,
    Operation,
)
from tests.agreement import disagreements
from tests.conftest import Clock
from tests.transfer.flow import Flow, crc, sha256
from tests.transfer.race import (
    announced,
    interrupted,
    live,
    memory,
    paths,
    sent,
    settle_down,
    share,
    state,
    unshare,
    usable,
)


@pytest.fixture
def flow(busy_flow: Flow) -> Flow:
    return busy_flow


def test_finish_against_close_at_every_store_call(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    for at in count(1):
        dataset = flow.dataset(ada, f"d{at}").id
        flow.push(ada, dataset, {"kept": b"1"})
        push, item = sent(flow, ada, dataset, "late", b"2")
        came = interrupted(
            flow,
            partial(flow.finish, ada, push, [item]),
            partial(flow.close, ada, dataset, abandon=True),
            at=at,
        )
        with flow.site.look() as work:
            row = work.session.get_one(Dataset, dataset)
        assert (row.state, row.files) == (
            (State.CLOSED, 1) if came else (State.OPEN, 2)
        )
        assert len(paths(flow, dataset)) == row.files
        assert disagreements(flow.site) == []
        if not came:
            break
    settle_down(flow, clock)


def test_close_against_finish_at_every_store_call(flow: Flow) -> None:
    ada = flow.user("ada")
    for at in count(1):
        dataset = flow.dataset(ada, f"d{at}").id
        flow.push(ada, dataset, {"kept": b"1"})
        push, item = sent(flow, ada, dataset, "late", b"2")
        came = interrupted(
            flow,
            partial(flow.close, ada, dataset, abandon=True),
            partial(flow.finish, ada, push, [item]),
            at=at,
        )
        assert state(flow, dataset) is State.CLOSED
        assert paths(flow, dataset) == ["kept"]
        if not came:
            break


def test_a_finish_under_way_keeps_its_checksum(flow: Flow) -> None:
    ada = flow.user("ada")
    for at in count(1):
        dataset = flow.dataset(ada, f"d{at}").id
        flow.push(ada, dataset, {"a": b"0"})
        push, item = sent(flow, ada, dataset, "a", b"1")
        wrong = FinishItem(
            intent=item.intent,
            crc64nvme=crc(b"2"),
            sha256=sha256(b"2"),
            parts=item.parts,
        )
        came = interrupted(
            flow,
            partial(flow.finish, ada, push, [item]),
            partial(flow.finish, ada, push, [wrong]),
            at=at,
        )
        with flow.site.look() as work:
            file = work.session.get_one(File, (dataset, "a"))
        assert (file.crc64nvme, file.sha256) == (crc(b"1"), sha256(b"1"))
        if not came:
            break


def test_no_account_is_alive_after_a_close_at_any_store_call(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    for at in count(1):
        dataset = flow.dataset(ada, f"d{at}").id
        push = flow.start(ada, dataset)
        came = interrupted(
            flow,
            partial(flow.announce, ada, push, {"a": b"1", "b": b"2" * (17 * 1024**2)}),
            partial(flow.close, ada, dataset, abandon=True, empty=True),
            at=at,
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
    for at in count(1):
        dataset = flow.dataset(ada, f"d{at}").id
        share(flow, ada, dataset, "bob")
        push = flow.start(bob, dataset)
        got: list[UploadOut] = []
        came = interrupted(
            flow,
            partial(announced, flow, bob, push, got),
            partial(unshare, flow, ada, dataset, "bob"),
            at=at,
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
    for at in count(1):
        dataset = flow.dataset(ada, f"d{at}").id
        share(flow, ada, dataset, "bob")
        push, item = sent(flow, bob, dataset, "a", b"1")
        came = interrupted(
            flow,
            partial(flow.finish, bob, push, [item]),
            partial(unshare, flow, ada, dataset, "bob"),
            at=at,
        )
        assert paths(flow, dataset) == ([] if came else ["a"])
        if not came:
            break
    settle_down(flow, clock)


def test_a_close_is_not_overtaken_by_a_deletion(flow: Flow) -> None:
    ada = flow.user("ada")
    for at in count(1):
        dataset = flow.dataset(ada, f"d{at}").id
        flow.push(ada, dataset, {"a": b"1"})
        came = interrupted(
            flow,
            partial(flow.close, ada, dataset),
            partial(deletion.delete, flow.site, ada, dataset),
            at=at,
        )
        assert state(flow, dataset) is State.CLOSED
        assert paths(flow, dataset) == ["a"]
        if not came:
            break


@pytest.mark.parametrize("what", ["close", "delete"])
def test_two_workers_on_one_operation_end_it_once(flow: Flow, what: str) -> None:
    ada = flow.user("ada")
    proceed = {"close": closing.proceed, "delete": deletion.proceed}[what]
    for at in count(1):
        dataset = flow.dataset(ada, f"d{at}").id
        flow.push(ada, dataset, {"a": b"1"})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(operations, "INLINE", 0)
            out = (
                flow.close(ada, dataset)
                if what == "close"
                else deletion.delete(flow.site, ada, dataset)
            )
        with flow.site.look() as work:
            operation = work.session.get_one(Operation, out.id)
        came = interrupted(
            flow,
            partial(proceed, flow.site, operation),
            partial(proceed, flow.site, operation),
            at=at,
        )
        ended = State.CLOSED if what == "close" else State.DELETED
        assert state(flow, dataset) is ended
        with flow.site.look() as work:
            row = work.session.get_one(Operation, out.id)
        assert (row.state, row.problem) == (OperationState.DONE, None)
        if not came:
            break


def test_two_sweeps_at_once_leave_the_manifest(flow: Flow) -> None:
    ada = flow.user("ada")
    for at in count(1):
        dataset = flow.closed(ada, {"a": b"1", "b": b"2"}, f"d{at}")
        memory(flow).write(key_of(dataset, "a"), b"late")
        memory(flow).write(key_of(dataset, "c"), b"late")
        came = interrupted(
            flow,
            partial(sweep, flow.site, dataset),
            partial(sweep, flow.site, dataset),
            at=at,
        )
        assert disagreements(flow.site) == []
        if not came:
            break


def test_a_sweep_and_a_deletion_at_every_store_call(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    for at in count(1):
        dataset = flow.closed(ada, {"a": b"1"}, f"d{at}")
        clock.move(timedelta(minutes=2))
        came = interrupted(
            flow,
            partial(sweep_due, flow.site),
            partial(deletion.delete, flow.site, ada, dataset),
            at=at,
        )
        if not came:
            break
        with flow.site.look() as work:
            row = work.session.get_one(Dataset, dataset)
        assert (row.state, row.sweeps) == (State.DELETED, 0)
        assert row.sweep_at == clock() + timedelta(minutes=1)
