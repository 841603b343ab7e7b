"""What other tools did in the store becomes part of a dataset, or is undone."""

from contextlib import suppress

import pytest
from botocore.exceptions import ClientError
from sqlmodel import select

from hutch.contract.problems import (
    CloseRefusedError,
    DatasetBusyError,
    DatasetClosedError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
)
from hutch.contract.wire.datasets import OperationState, Right, State
from hutch_api.domain.layout import key_of, prefix_of
from hutch_api.services import strays
from hutch_api.store.tables import Dataset, File, Superseded
from tests.transfer.flow import Flow, crc, sha256
from tests.transfer.foreign import Foreign
from tests.transfer.held import held, stored
from tests.transfer.race import state
from tests.transfer.strayed import (
    adopt,
    begin,
    end,
    kinds,
    moved_below,
    refused,
    seen,
    work_of_tools,
)

pytestmark = pytest.mark.foreign


def test_what_tools_did_is_shown(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = work_of_tools(flow, foreign, ada)
    found = {s.path: s for s in seen(flow, ada, dataset)}
    assert kinds(flow, ada, dataset) == {
        "gone": "deleted",
        "new/a": "added",
        "over": "overwritten",
    }
    assert found["new/a"].size == len(b"added by a tool")
    assert found["over"].modified is not None
    assert all(s.problem is None for s in found.values())


def test_it_becomes_part_of_the_dataset(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = work_of_tools(flow, foreign, ada)
    before = held(flow, dataset)
    result = adopt(flow, ada, dataset)
    assert result == {"adopted": 2, "removed": 1, "dropped": 0, "problems": ()}
    assert seen(flow, ada, dataset) == []
    assert set(held(flow, dataset)) == {"kept", "over", "new/a"}
    assert stored(flow, dataset, "over") == b"overwritten by a tool"
    with flow.site.look() as work:
        files = work.session.exec(select(File).where(File.dataset_id == dataset)).all()
        row = work.session.get_one(Dataset, dataset)
        waiting = set(work.session.exec(select(Superseded.version)).all())
    sums = {f.path: (f.size, f.sha256, f.crc64nvme, f.confirmed) for f in files}
    text = b"added by a tool"
    assert sums["new/a"] == (len(text), sha256(text), crc(text), True)
    assert sums["kept"][3] is False
    assert (row.files, row.bytes) == (3, sum(f.size for f in files))
    assert row.revision == 3
    assert waiting == {before["over"]}
    flow.close(ada, dataset)
    assert state(flow, dataset) is State.CLOSED


def test_only_what_is_named_is_taken(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = work_of_tools(flow, foreign, ada)
    adopt(flow, ada, dataset, "new/a", "kept", "nothing is called so")
    assert kinds(flow, ada, dataset) == {"gone": "deleted", "over": "overwritten"}


def test_it_can_be_undone(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = work_of_tools(flow, foreign, ada)
    before = held(flow, dataset)
    assert adopt(flow, ada, dataset, "gone", drop=True)["dropped"] == 1
    assert kinds(flow, ada, dataset) == {"new/a": "added", "over": "overwritten"}
    assert adopt(flow, ada, dataset, drop=True)["dropped"] == 2
    assert seen(flow, ada, dataset) == []
    assert held(flow, dataset) == before
    listed = {v.key for v in flow.site.objects.versions(prefix_of(dataset))}
    assert listed == {key_of(dataset, path) for path in before}
    flow.close(ada, dataset)


def test_what_a_tool_wrote_and_deleted_is_nothing(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"0"})
    foreign.put(key_of(dataset, "b"), b"1")
    foreign.delete(key_of(dataset, "b"))
    assert seen(flow, ada, dataset) == []
    flow.close(ada, dataset)
    assert state(flow, dataset) is State.CLOSED


def test_the_newest_of_what_tools_wrote_counts(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    for content in (b"first", b"second", b"third"):
        foreign.put(key_of(dataset, "a"), content)
    adopt(flow, ada, dataset)
    assert stored(flow, dataset, "a") == b"third"
    flow.close(ada, dataset)


NAMES = [
    "a//b",
    "/slash",
    "dir/",
    "./dot",
    "new\nline",
    "bi\u202edi",
    "back\\slash",
    "e\u0301",
    ".hutch/journal",
    "x" * 300,
    "/".join("y" * 8 for _ in range(108)),
    "aux.txt",
    "FILE",
    "file/below",
    "dir",
]
"""No file may be called so in a dataset that holds ``file`` and ``dir/f``."""


def test_names_that_no_file_may_have_are_named_and_left(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"file": b"0", "dir/f": b"1"})
    for name in NAMES:
        with suppress(ClientError):  # not every store takes every name
            foreign.put(key_of(dataset, name), b"odd")
    foreign.put(key_of(dataset, "good"), b"a good one")
    listed = {n for n, kind in kinds(flow, ada, dataset).items() if kind == "added"}
    there = listed.intersection(NAMES)
    assert len(there) >= len(NAMES) // 2
    result = adopt(flow, ada, dataset)
    assert set(refused(result)) == there
    assert set(refused(result).values()) <= {"path-invalid", "path-clash"}
    # SeaweedFS makes another name of some, by which they are files like all others.
    assert set(held(flow, dataset)) == {"file", "dir/f", *listed} - there
    with pytest.raises(CloseRefusedError) as caught:
        flow.close(ada, dataset)
    assert {r["path"] for r in caught.value.facts["reasons"]} >= there
    adopt(flow, ada, dataset, drop=True)
    flow.close(ada, dataset)


def test_of_two_that_differ_in_case_one_is_taken(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    for name in ("Read", "read", "rEad/x"):
        foreign.put(key_of(dataset, name), b"1")
    result = adopt(flow, ada, dataset)
    assert set(held(flow, dataset)) == {"Read"}
    assert refused(result) == {"read": "path-clash", "rEad/x": "path-clash"}


def test_what_is_being_pushed_is_no_stray(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    push = flow.start(ada, dataset)
    uploads = flow.announce(ada, push, {"a": b"1", "b": b"2"})
    items = [flow.carry(ada, push, u, {"a": b"1", "b": b"2"}[u.path]) for u in uploads]
    foreign.put(key_of(dataset, "c"), b"3")
    assert kinds(flow, ada, dataset) == {"c": "added"}
    assert adopt(flow, ada, dataset)["adopted"] == 1
    assert adopt(flow, ada, dataset, drop=True)["dropped"] == 0
    done = flow.finish(ada, push, items)
    assert [f.problem for f in done.files] == [None, None]
    assert set(held(flow, dataset)) == {"a", "b", "c"}
    assert seen(flow, ada, dataset) == []


def test_close_takes_it_in_on_demand(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = work_of_tools(flow, foreign, ada)
    with pytest.raises(CloseRefusedError, match="--adopt"):
        flow.close(ada, dataset)
    begun = flow.close(ada, dataset, adopt=True)
    assert begun.state is OperationState.RUNNING  # a worker reads, not the API
    assert end(flow, begun).state is OperationState.DONE
    assert state(flow, dataset) is State.CLOSED
    assert set(held(flow, dataset)) == {"kept", "over", "new/a"}
    assert stored(flow, dataset, "new/a") == b"added by a tool"
    listed = {
        v.key.removeprefix(prefix_of(dataset)): v.version
        for v in flow.site.objects.versions(prefix_of(dataset))
        if v.is_latest and not v.is_marker
    }
    assert listed == held(flow, dataset)


def test_a_close_that_cannot_adopt_all_says_why(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = work_of_tools(flow, foreign, ada)
    foreign.put(key_of(dataset, "bi\u202edi"), b"odd")
    begun = flow.close(ada, dataset, adopt=True)
    with pytest.raises(CloseRefusedError, match="U\\+202E") as caught:
        end(flow, begun)
    assert [r["path"] for r in caught.value.facts["reasons"]] == ["bi\u202edi"]
    assert state(flow, dataset) is State.OPEN
    assert set(held(flow, dataset)) == {"kept", "over", "new/a"}


def test_a_dataset_that_only_tools_filled_is_closed(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    with pytest.raises(CloseRefusedError, match="holds no file"):
        end(flow, flow.close(ada, dataset, adopt=True))
    assert state(flow, dataset) is State.OPEN
    foreign.put(key_of(dataset, "a"), b"1")
    end(flow, flow.close(ada, dataset, adopt=True))
    assert state(flow, dataset) is State.CLOSED
    assert set(held(flow, dataset)) == {"a"}


def test_what_is_adopted_is_not_dropped(flow: Flow) -> None:
    ada = flow.user("ada")
    with pytest.raises(ValueError, match="choose one"):
        flow.close(ada, flow.dataset(ada).id, adopt=True, drop=True)


def test_a_directory_may_take_the_place_of_a_file(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = moved_below(flow, foreign, ada)
    assert adopt(flow, ada, dataset)["problems"] == ()
    now = {path: stored(flow, dataset, path) for path in held(flow, dataset)}
    assert now == {"a/below": b"3", "b/below": b"5", "kept": b"2"}
    flow.close(ada, dataset)


def test_a_close_finds_what_lies_below_deleted_keys(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = moved_below(flow, foreign, ada)
    with pytest.raises(CloseRefusedError):
        flow.close(ada, dataset)
    end(flow, flow.close(ada, dataset, adopt=True))
    assert set(held(flow, dataset)) == {"a/below", "b/below", "kept"}


def test_a_marker_over_nothing_hides_nothing_from_a_close(
    flow: Flow, foreign: Foreign
) -> None:
    """The sweep would take the marker away, and then what it had hidden."""
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"kept": b"1"})
    foreign.put(key_of(dataset, "b"), b"2")
    foreign.delete(key_of(dataset, "b"))
    foreign.put(key_of(dataset, "b/below"), b"3")
    with pytest.raises(CloseRefusedError, match="b/below"):
        flow.close(ada, dataset)


def test_a_close_with_drop_leaves_nothing_below_deleted_keys(
    flow: Flow, foreign: Foreign
) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"kept": b"1"})
    foreign.put(key_of(dataset, "b"), b"2")
    foreign.delete(key_of(dataset, "b"))
    foreign.put(key_of(dataset, "b/below"), b"3")
    assert adopt(flow, ada, dataset, drop=True)["dropped"] == 1
    listed = {v.key for v in flow.site.objects.versions(prefix_of(dataset))}
    assert listed == {key_of(dataset, "kept")}


@pytest.mark.rules
def test_who_may_not_write_adopts_nothing(flow: Flow, foreign: Foreign) -> None:
    ada, bob, eve = flow.user("ada"), flow.user("bob"), flow.user("eve")
    dataset = work_of_tools(flow, foreign, ada)
    flow.share(ada, dataset, to="bob", right=Right.READ)
    assert len(seen(flow, bob, dataset)) == 3
    with pytest.raises(ForbiddenError):
        begin(flow, bob, dataset)
    with pytest.raises(NotFoundError):
        seen(flow, eve, dataset)
    with pytest.raises(NotFoundError):
        begin(flow, eve, dataset)


@pytest.mark.rules
def test_who_loses_the_right_meanwhile_adopts_nothing_more(
    flow: Flow, foreign: Foreign
) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    dataset = work_of_tools(flow, foreign, ada)
    flow.share(ada, dataset, to="bob", right=Right.WRITE)
    begun = begin(flow, bob, dataset)
    flow.share(ada, dataset, to="bob", right=Right.READ)
    with pytest.raises(ForbiddenError):
        end(flow, begun)
    assert set(held(flow, dataset)) == {"kept", "over", "gone"}


@pytest.mark.rules
def test_the_same_wish_joins_and_another_waits(flow: Flow, foreign: Foreign) -> None:
    ada, bob = flow.user("ada"), flow.user("bob")
    dataset = work_of_tools(flow, foreign, ada)
    flow.share(ada, dataset, to="bob", right=Right.WRITE)
    first = begin(flow, ada, dataset)
    assert begin(flow, ada, dataset).id == first.id
    with pytest.raises(DatasetBusyError):
        begin(flow, ada, dataset, drop=True)
    with pytest.raises(DatasetBusyError):
        begin(flow, bob, dataset)
    end(flow, first)
    assert begin(flow, ada, dataset).id != first.id


@pytest.mark.rules
def test_only_an_open_dataset_adopts(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    with pytest.raises(DatasetClosedError):
        seen(flow, ada, dataset)
    with pytest.raises(DatasetClosedError):
        begin(flow, ada, dataset)


@pytest.mark.rules
def test_a_close_overtakes_an_adoption(flow: Flow, foreign: Foreign) -> None:
    ada = flow.user("ada")
    dataset = work_of_tools(flow, foreign, ada)
    begun = begin(flow, ada, dataset)
    flow.close(ada, dataset, drop=True)
    with pytest.raises(DatasetClosedError):
        end(flow, begun)
    assert set(held(flow, dataset)) == {"kept", "over", "gone"}


@pytest.mark.rules
@pytest.mark.parametrize("after", ["%00", "%ff", "x" * 1100])
def test_what_is_no_cursor_is_refused(flow: Flow, after: str) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    with pytest.raises(InvalidInputError):
        strays.list_strays(flow.site, ada, dataset, after=after, limit=1)


@pytest.mark.rules
def test_pages_are_cut_where_the_server_stops_looking(
    flow: Flow, foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strays, "KEYS", 2)
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {f"{n}": b"1" for n in range(7)})
    for name in ("3x", "5", "6\n", "6 %"):
        foreign.put(key_of(dataset, name), b"2")
    assert kinds(flow, ada, dataset) == {
        "3x": "added",
        "5": "overwritten",
        "6\n": "added",
        "6 %": "added",
    }


@pytest.mark.rules
def test_what_is_gone_from_the_store_is_told_and_not_adopted(flow: Flow) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    flow.push(ada, dataset, {"a": b"1", "b": b"2"})
    lost = held(flow, dataset)["b"]
    flow.site.objects.delete([(key_of(dataset, "b"), lost)])
    assert kinds(flow, ada, dataset) == {"b": "missing"}
    assert adopt(flow, ada, dataset)["adopted"] == 0
    assert set(held(flow, dataset)) == {"a", "b"}
