"""Two at once: exactly one outcome is true, and database and store agree.

Two transactions are started together, on the database that lets them meet and on the
one that does not.
"""

from functools import partial
from uuid import UUID

import pytest
from sqlmodel import col, update

from hutch.contract.problems import HutchError, UnauthenticatedError
from hutch.contract.wire.datasets import (
    OperationOut,
    PrincipalKind,
    State,
)
from hutch.contract.wire.transfer import (
    DeletionsIn,
    FileRef,
    FinishOut,
)
from hutch_api.services import (
    deletion,
    operations,
    revocation,
    sharing,
    users,
)
from hutch_api.services.removals import remove_files
from hutch_api.store.tables import Dataset, Intent, IntentState
from tests.conftest import Clock
from tests.services.races import at_once, wait_until_blocked
from tests.transfer.flow import Flow, code
from tests.transfer.race import (
    left_to_a_worker,
    live,
    paths,
    sent,
    settle_down,
    share,
    state,
    unshare,
    usable,
)

ROUNDS = 3
"""Each race is run so often: who wins is not up to us."""


@pytest.fixture
def flow(busy_flow: Flow) -> Flow:
    return busy_flow


def test_finish_and_close_at_once(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    for attempt in range(ROUNDS):
        dataset = flow.dataset(ada, f"d{attempt}").id
        flow.push(ada, dataset, {"kept": b"1"})
        push, item = sent(flow, ada, dataset, "late", b"2")
        finished, closed = at_once(
            partial(flow.finish, ada, push, [item]),
            partial(flow.close, ada, dataset, abandon=True),
        )
        arrived = isinstance(finished, FinishOut) and finished.files[0].problem is None
        assert isinstance(closed, OperationOut)
        assert state(flow, dataset) is State.CLOSED
        assert ("late" in paths(flow, dataset)) == arrived
    settle_down(flow, clock)


def test_two_finishes_of_one_upload_agree(flow: Flow) -> None:
    ada = flow.user("ada")
    for attempt in range(ROUNDS):
        dataset = flow.dataset(ada, f"d{attempt}").id
        flow.push(ada, dataset, {"a": b"0"})
        push, item = sent(flow, ada, dataset, "a", b"1")
        first, second = at_once(*[partial(flow.finish, ada, push, [item])] * 2)
        assert isinstance(first, FinishOut)
        assert isinstance(second, FinishOut)
        assert first.files == second.files
        assert first.files[0].problem is None
        with flow.site.look() as work:
            row = work.session.get_one(Dataset, dataset)
        assert (row.files, row.revision) == (1, 2)


def test_of_two_who_announce_a_path_one_gets_it(flow: Flow) -> None:
    ada = flow.user("ada")
    for attempt in range(ROUNDS):
        dataset = flow.dataset(ada, f"d{attempt}").id
        flow.push(ada, dataset, {"first": b"so that the account is there"})
        pushes = [flow.start(ada, dataset) for _ in range(2)]
        got = at_once(*[partial(flow.announce, ada, p, {"a": b"1"}) for p in pushes])
        problems = [
            code(out[0].problem) for out in got if not isinstance(out, Exception)
        ]
        assert sorted(problems, key=str) == [None, "path-busy"]
        assert len(live(flow, dataset)) == 1


def test_announce_and_close_at_once(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    for attempt in range(ROUNDS):
        dataset = flow.dataset(ada, f"d{attempt}").id
        push = flow.start(ada, dataset)
        at_once(
            partial(flow.announce, ada, push, {"a": b"1"}),
            partial(flow.close, ada, dataset, abandon=True, empty=True),
        )
        assert state(flow, dataset) is State.CLOSED
        assert usable(flow, dataset) == []
        assert live(flow, dataset) == []
    settle_down(flow, clock)


def test_unshare_and_announce_at_once(flow: Flow, clock: Clock) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    for attempt in range(ROUNDS):
        dataset = flow.dataset(ada, f"d{attempt}").id
        share(flow, ada, dataset, "bob")
        push = flow.start(bob, dataset)
        got, _ = at_once(
            partial(flow.announce, bob, push, {"a": b"1"}),
            partial(unshare, flow, ada, dataset, "bob"),
        )
        if isinstance(got, list):
            assert got[0].request is not None
            assert flow.send(got[0].request, b"1") == 403
        else:
            assert isinstance(got, HutchError)
        assert live(flow, dataset) == []
    settle_down(flow, clock)


def test_a_right_that_goes_while_somebody_waits_for_the_lock_is_gone(
    flow: Flow,
) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    dataset = flow.dataset(ada).id
    share(flow, ada, dataset, "bob")
    push = flow.start(bob, dataset)
    with flow.site.begin() as work:
        sharing.unshare(work, ada, dataset, kind=PrincipalKind.USER, name="bob")

        def commit() -> None:
            if flow.site.engine.dialect.name == "postgresql":
                wait_until_blocked(flow.site.engine)
            work.session.commit()

        got, _ = at_once(partial(flow.announce, bob, push, {"a": b"1"}), commit)
    assert isinstance(got, HutchError)
    assert live(flow, dataset) == []


def test_an_upload_that_the_worker_ends_while_it_is_finished_has_ended(
    flow: Flow,
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push, item = sent(flow, ada, dataset, "a", b"1")
    with flow.site.begin() as work:
        work.session.exec(
            update(Intent)
            .where(col(Intent.id) == item.intent)
            .values(state=IntentState.ABORTED)
        )

        def commit() -> None:
            if flow.site.engine.dialect.name == "postgresql":
                wait_until_blocked(flow.site.engine)
            work.session.commit()

        got, _ = at_once(partial(flow.finish, ada, push, [item]), commit)
    assert isinstance(got, FinishOut)
    assert code(got.files[0].problem) == "upload-gone"
    with flow.site.look() as work:
        assert work.session.get_one(Intent, item.intent).state is IntentState.ABORTED


def test_disabling_a_user_and_finish_at_once(flow: Flow, clock: Clock) -> None:
    for attempt in range(ROUNDS):
        name = f"u{attempt}"
        actor = flow.user(name)
        dataset = flow.dataset(actor).id
        push, item = sent(flow, actor, dataset, "a", b"1")

        def disable(name: str = name) -> None:
            with flow.site.begin() as work:
                users.disable_user(work, name)
            revocation.settle(flow.site)

        got, disabled = at_once(
            partial(flow.finish, actor, push, [item]),
            disable,
        )
        assert disabled is None
        arrived = isinstance(got, FinishOut) and got.files[0].problem is None
        if arrived:
            assert paths(flow, dataset) == ["a"]
        assert live(flow, dataset) == []
        assert usable(flow, dataset) == []
        with pytest.raises(UnauthenticatedError):
            flow.announce(actor, push, {"b": b"2"})
    settle_down(flow, clock)


def test_two_closes_at_once_are_one(flow: Flow) -> None:
    ada = flow.user("ada")
    for attempt in range(ROUNDS):
        dataset = flow.dataset(ada, f"d{attempt}").id
        flow.push(ada, dataset, {"a": b"1"})
        got = at_once(*[partial(flow.close, ada, dataset)] * 2)
        done = [g for g in got if isinstance(g, OperationOut)]
        assert done
        assert all(isinstance(g, OperationOut | HutchError) for g in got)
        assert len({g.id for g in done}) == 1
        assert state(flow, dataset) is State.CLOSED


def test_close_and_delete_at_once(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    for attempt in range(ROUNDS):
        dataset = flow.dataset(ada, f"d{attempt}").id
        flow.push(ada, dataset, {"a": b"1"})
        closed, deleted = at_once(
            partial(flow.close, ada, dataset),
            partial(deletion.delete, flow.site, ada, dataset),
        )
        gone = isinstance(deleted, OperationOut)
        assert state(flow, dataset) is (State.DELETED if gone else State.CLOSED)
        assert gone or isinstance(closed, OperationOut)
    settle_down(flow, clock)


def test_two_workers_claim_an_operation_once(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    with left_to_a_worker():
        flow.close(ada, dataset)
    got = at_once(*[partial(operations.claim, flow.site)] * 3)
    assert sum(row is not None for row in got) == 1
    assert not any(isinstance(row, Exception) for row in got)


def test_removal_against_replace(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    for attempt in range(ROUNDS):
        dataset = flow.dataset(ada, f"d{attempt}").id
        old = flow.push(ada, dataset, {"a": b"0"})["a"].version
        assert old is not None
        push = flow.start(ada, dataset)
        [upload] = flow.announce(ada, push, {"a": b"1"}, base={"a": old})
        item = flow.carry(ada, push, upload, b"1")

        def remove(push: UUID = push, old: str = old) -> list[str | None]:
            wanted = DeletionsIn(files=(FileRef(path="a", version=old),))
            with flow.site.begin() as work:
                out = remove_files(work, ada, push, wanted)
            return [code(f.problem) for f in out.files]

        replaced, removed = at_once(partial(flow.finish, ada, push, [item]), remove)
        assert isinstance(replaced, FinishOut)
        problem = code(replaced.files[0].problem)
        if problem is None:
            assert removed == ["file-changed"]
            assert paths(flow, dataset) == ["a"]
        else:
            assert (problem, removed) == ("file-changed", [None])
            assert paths(flow, dataset) == []
    settle_down(flow, clock)
