"""Closed is closed: from open to closed, and nowhere else."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from hutch.contract import manifest
from hutch.contract.problems import (
    CloseRefusedError,
    DatasetClosedError,
    ForbiddenError,
    StoreUnavailableError,
)
from hutch.contract.wire.datasets import (
    DatasetPatch,
    OperationState,
    Right,
    State,
)
from hutch.contract.wire.transfer import AbortIn
from hutch_api.domain.layout import key_of, prefix_of, seal_of
from hutch_api.services import closing, files, operations, upkeep, uploads
from hutch_api.services.datasets import get_dataset, patch_dataset
from hutch_api.store.tables import Dataset, Operation
from tests.conftest import Clock
from tests.transfer.flow import Flow, sha256
from tests.transfer.foreign import Foreign
from tests.transfer.race import left_to_a_worker, operation, state


def reasons(error: CloseRefusedError) -> set[tuple[str, str | None]]:
    return {(r["reason"], r.get("path")) for r in error.facts["reasons"]}


def test_a_closed_dataset_has_digest_seal_and_manifest(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"b": b"2", "a": b"1"})
    text = b"".join(files.manifest(flow.site, ada, dataset)).decode()
    assert text == f"{sha256(b'1')}  1  a\n{sha256(b'2')}  1  b\n"
    with flow.site.look() as work:
        row = get_dataset(work, ada, dataset)
    assert (row.state, row.digest) == (State.CLOSED, sha256(text.encode()))
    record = json.loads(flow.site.objects.get_record(seal_of(dataset)) or b"")
    assert manifest.seal(record["record"]) == record["seal"] == row.seal


def test_plain_listing_of_a_closed_dataset_shows_the_manifest(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1", "b": b"2"})
    flow.push(ada, dataset, {"a": b"3"}, force=True)
    flow.close(ada, dataset)
    listed = [
        (v.key, v.is_latest) for v in flow.site.objects.versions(prefix_of(dataset))
    ]
    assert listed == [(key_of(dataset, "a"), True), (key_of(dataset, "b"), True)]


def test_closing_ends_every_url_for_writing(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    used, unused = flow.announce(ada, push, {"a": b"1", "b": b"2"})
    flow.finish(ada, push, [flow.carry(ada, push, used, b"1")])
    flow.close(ada, dataset, abandon=True)
    assert unused.request is not None
    assert flow.send(unused.request, b"2") == 403
    assert list(flow.site.accounts.key_ids()) == []


@pytest.mark.rules
def test_a_closed_dataset_is_never_opened_again(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    with pytest.raises(DatasetClosedError):
        flow.close(ada, dataset)
    with pytest.raises(DatasetClosedError), flow.site.begin() as work:
        patch_dataset(
            work, ada, dataset, DatasetPatch(attributes={"x": 1}), if_match=None
        )
    assert state(flow, dataset) is State.CLOSED


@pytest.mark.rules
def test_only_the_owner_closes(flow: Flow) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    dataset = flow.dataset(ada).id
    flow.share(ada, dataset, to="bob", right=Right.WRITE)
    with pytest.raises(ForbiddenError):
        flow.close(bob, dataset, empty=True)


@pytest.mark.rules
def test_an_empty_dataset_closes_only_on_demand(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    with pytest.raises(CloseRefusedError) as caught:
        flow.close(ada, dataset)
    assert reasons(caught.value) == {("empty", None)}
    assert flow.close(ada, dataset, empty=True).state is OperationState.DONE


@pytest.mark.rules
def test_attributes_are_checked_at_close(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada, type="scan.tomo").id
    flow.push(ada, dataset, {"a": b"1"})
    with pytest.raises(CloseRefusedError) as caught:
        flow.close(ada, dataset)
    assert {r for r, _ in reasons(caught.value)} == {"attributes"}
    assert state(flow, dataset) is State.OPEN


@pytest.mark.rules
def test_a_push_under_way_keeps_a_dataset_open_unless_abandoned(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    flow.announce(ada, flow.start(ada, dataset), {"b": b"2"})
    with pytest.raises(CloseRefusedError) as caught:
        flow.close(ada, dataset)
    assert reasons(caught.value) == {("upload", "b")}
    assert state(flow, dataset) is State.OPEN
    flow.close(ada, dataset, abandon=True)
    assert b"".join(files.manifest(flow.site, ada, dataset)).endswith(b"  a\n")


def test_an_operation_ends_once(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    with flow.site.begin() as work:
        query = select(Operation.id).where(Operation.dataset_id == dataset)
        [ended] = work.session.exec(query).all()
        assert operations.end(work, ended, problem={"detail": "late"}) is None
    assert operations.outcome(flow.site, ended).state is OperationState.DONE


@pytest.mark.foreign
def test_what_tools_wrote_takes_a_close_back_to_open(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1", "b": b"2", "c": b"3"})
    foreign.put(key_of(dataset, "a"), b"other")
    foreign.delete(key_of(dataset, "b"))
    foreign.put(key_of(dataset, "new"), b"stray")
    with pytest.raises(CloseRefusedError) as caught:
        flow.close(ada, dataset)
    assert reasons(caught.value) == {
        ("overwritten", "a"),
        ("deleted", "b"),
        ("added", "new"),
    }
    assert state(flow, dataset) is State.OPEN
    flow.push(ada, dataset, {"d": b"4"})  # work goes on


@pytest.mark.foreign
def test_what_tools_wrote_where_an_upload_ended_is_not_taken_for_its_remains(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    push = flow.start(ada, dataset)
    [upload] = flow.announce(ada, push, {"b": b"2"})
    assert upload.intent is not None
    uploads.abort(flow.site, ada, push, AbortIn(intents=(upload.intent,)))
    foreign.put(key_of(dataset, "b"), b"stray")
    with pytest.raises(CloseRefusedError) as caught:
        flow.close(ada, dataset)
    assert reasons(caught.value) == {("added", "b")}


@pytest.mark.foreign
def test_what_tools_wrote_is_dropped_on_demand(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1", "b": b"2"})
    foreign.put(key_of(dataset, "a"), b"other")
    foreign.delete(key_of(dataset, "b"))
    foreign.put(key_of(dataset, "new"), b"stray")
    flow.close(ada, dataset, drop=True)
    listed = [v.key for v in flow.site.objects.versions(prefix_of(dataset))]
    assert listed == [key_of(dataset, "a"), key_of(dataset, "b")]


@pytest.mark.foreign
def test_a_file_that_the_store_lost_keeps_the_dataset_open(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    done = flow.push(ada, dataset, {"a": b"1", "b": b"2"})
    version = done["a"].version
    assert version is not None
    flow.site.objects.delete([(key_of(dataset, "a"), version)])
    with pytest.raises(CloseRefusedError) as caught:
        flow.close(ada, dataset)
    assert reasons(caught.value) == {("missing", "a")}


def test_a_store_that_fails_leaves_a_close_to_the_worker(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})

    def down(self: object, name: str, data: bytes) -> None:
        raise StoreUnavailableError("the store does not answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(flow.site.objects), "put_record", down)
        out = flow.close(ada, dataset)
    assert (out.state, state(flow, dataset)) == (OperationState.RUNNING, State.CLOSING)
    with flow.site.begin() as work:
        work.session.get_one(Operation, out.id).leased_until = None
    upkeep.go_on(flow.site)
    assert state(flow, dataset) is State.CLOSED


@pytest.mark.rules
def test_asking_again_joins_the_close_under_way(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    with left_to_a_worker():
        first, second = flow.close(ada, dataset), flow.close(ada, dataset)
    assert (first.id, first.state) == (second.id, OperationState.RUNNING)
    upkeep.go_on(flow.site)
    assert state(flow, dataset) is State.CLOSED


def test_going_on_twice_closes_once(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    with left_to_a_worker():
        out = flow.close(ada, dataset)
    begun = operation(flow, out)
    closing.proceed(flow.site, begun)
    with flow.site.look() as work:
        before = get_dataset(work, ada, dataset)
    closing.proceed(flow.site, begun)
    with flow.site.look() as work:
        assert get_dataset(work, ada, dataset) == before


@pytest.mark.rules
def test_seal_depends_on_attributes_and_digest_on_files_only(flow: Flow) -> None:
    ada = flow.user("ada")
    rows = []
    for name, attributes in (("one", {"x": 1}), ("two", {"x": 2})):
        dataset = flow.dataset(ada, name, attributes=attributes).id
        flow.push(ada, dataset, {"a": b"1"})
        flow.close(ada, dataset)
        with flow.site.look() as work:
            rows.append(
                work.session.exec(select(Dataset).where(Dataset.id == dataset)).one()
            )
    assert rows[0].digest == rows[1].digest
    assert rows[0].seal != rows[1].seal


def test_an_upload_opened_while_its_dataset_closes_is_aborted(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})
    push = flow.start(ada, dataset)
    create = flow.site.objects.create_upload

    def overtaken(_: object, key: str, *, intent: UUID) -> str:
        flow.close(ada, dataset, abandon=True)
        return create(key, intent=intent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(flow.site.objects), "create_upload", overtaken)
        flow.announce(ada, push, {"b": b"2" * (17 * 1024**2)})
    assert flow.site.objects.uploads(key_of(dataset, "b")) == []
    assert state(flow, dataset) is State.CLOSED


@pytest.mark.rules
def test_a_close_whose_connection_to_the_database_is_cut_is_gone_on_with(
    flow: Flow, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1"})

    def cut(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("the connection was cut"))

    with monkeypatch.context() as patch:
        patch.setattr(closing, "proceed", cut)
        told = flow.close(ada, dataset)
    assert told.problem is not None
    assert told.problem["type"].endswith(":database-unavailable")
    clock.move(operations.RETRY + timedelta(seconds=1))
    upkeep.run_once(flow.site)
    assert state(flow, dataset) is State.CLOSED
