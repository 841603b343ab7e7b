"""What a push does to the dataset, on each store."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hutch import Client, Workdir, clone, push, read_status
from hutch.contract.parts import MIB, SMALL
from hutch.contract.wire.datasets import CloseIn
from hutch.contract.wire.transfer import UploadIn
from hutch.errors import (
    DatasetClosedError,
    FileChangedError,
    FileChangingError,
    PathBusyError,
    UnsupportedFileError,
    WorkdirBusyError,
)
from hutch.progress import Event, Moved, Planned, Settled
from hutch.transfer.session import Session
from hutch.workdir.directory import locked
from tests.client.live import Live, read, write

LARGE = SMALL + 3 * MIB
TREE = {
    "a.txt": b"hello",
    "empty": b"",
    "sub/umläut ü.txt": "größe".encode() * 100,
    "sub/" + "n" * 240: b"a long name",
    "sub/deep/er/x": b"x",
}


def _clone(live: Live, client: Client, workdir: Workdir) -> dict[str, bytes]:
    target = live.scratch / "clone"
    report = clone(client, client.datasets.get(workdir.dataset), target)
    assert report.problems == ()
    return read(target)


def test_what_was_pushed_is_what_a_clone_gives(live: Live, anna: Client) -> None:
    tree = TREE | {"large.bin": os.urandom(LARGE)}
    workdir = live.workdir(anna, tree)
    report = push(workdir, anna)
    assert (report.sent, report.problems) == (len(tree), ())
    assert _clone(live, anna, workdir) == tree


def test_a_second_push_sends_only_what_changed(live: Live, anna: Client) -> None:
    workdir = live.workdir(anna, TREE | {"b.bin": os.urandom(MIB)})
    push(workdir, anna)
    write(workdir.root, {"a.txt": b"hello again"})
    before = live.line.sent
    report = push(workdir, anna)
    assert (report.sent, report.bytes) == (1, len(b"hello again"))
    assert report.unchanged == len(TREE)
    assert live.line.sent - before < 10_000


def test_a_file_that_was_only_touched_is_not_sent(live: Live, anna: Client) -> None:
    workdir = live.workdir(anna, TREE)
    push(workdir, anna)
    os.utime(workdir.root / "a.txt", ns=(1, 1))
    assert push(workdir, anna).sent == 0
    assert read_status(workdir).changed == ()


def test_a_change_that_keeps_size_and_time_is_sent(live: Live, anna: Client) -> None:
    workdir = live.workdir(anna, {"a": b"1111"})
    push(workdir, anna)
    stat = (workdir.root / "a").stat()
    write(workdir.root, {"a": b"2222"})
    os.utime(workdir.root / "a", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert push(workdir, anna).sent == 1


def test_a_file_deleted_here_stays_without_delete(live: Live, anna: Client) -> None:
    workdir = live.workdir(anna, TREE)
    push(workdir, anna)
    (workdir.root / "a.txt").unlink()
    assert push(workdir, anna).kept == ("a.txt",)
    assert push(workdir, anna, delete=True).removed == 1
    assert "a.txt" not in _clone(live, anna, workdir)


def test_delete_leaves_what_this_directory_never_held(live: Live, anna: Client) -> None:
    first = live.workdir(anna, {"first": b"1"})
    push(first, anna)
    dataset = anna.datasets.get(first.dataset)
    second = live.workdir(anna, {"second": b"2"}, dataset=dataset)
    push(second, anna, delete=True)
    assert _clone(live, anna, first) == {"first": b"1", "second": b"2"}


def test_a_directory_may_take_the_place_of_a_deleted_file(
    live: Live, anna: Client
) -> None:
    workdir = live.workdir(anna, {"a": b"file"})
    push(workdir, anna)
    (workdir.root / "a").unlink()
    write(workdir.root, {"a/b": b"below"})
    assert push(workdir, anna, delete=True).problems == ()
    assert _clone(live, anna, workdir) == {"a/b": b"below"}


def test_what_others_changed_is_not_overwritten(live: Live, anna: Client) -> None:
    mine = live.workdir(anna, {"a": b"1"})
    push(mine, anna)
    dataset = anna.datasets.get(mine.dataset)
    theirs = live.workdir(anna, {"a": b"other", "b": b"new"}, dataset=dataset)
    report = push(theirs, anna)
    assert [(p.path, type(p.error)) for p in report.problems] == [
        ("a", FileChangedError)
    ]
    assert report.sent == 1
    assert push(theirs, anna, force=True).sent == 1
    assert _clone(live, anna, mine) == {"a": b"other", "b": b"new"}


def test_the_same_bytes_from_elsewhere_are_no_conflict(
    live: Live, anna: Client
) -> None:
    tree = TREE | {"large": os.urandom(LARGE)}
    mine = live.workdir(anna, tree)
    push(mine, anna)
    dataset = anna.datasets.get(mine.dataset)
    theirs = live.workdir(anna, tree, dataset=dataset)
    before = live.line.sent
    report = push(theirs, anna)
    assert (report.sent, report.unchanged, report.problems) == (0, len(tree), ())
    assert live.line.sent == before


def test_links_and_odd_names_are_named_and_the_rest_goes_on(
    live: Live, anna: Client
) -> None:
    workdir = live.workdir(anna, {"a": b"1"})
    (workdir.root / "link").symlink_to("a")
    (workdir.root / "back\\slash").write_bytes(b"2")
    os.mkfifo(workdir.root / "pipe")
    (Path(os.fsdecode(os.fsencode(workdir.root) + b"/\xff"))).write_bytes(b"3")
    report = push(workdir, anna)
    assert report.sent == 1
    assert {type(p.error) for p in report.problems} == {UnsupportedFileError}
    assert {p.path for p in report.problems} == {
        "link",
        "back\\slash",
        "pipe",
        "\\xff",
    }


def test_a_file_replaced_by_a_link_is_not_taken_for_deleted(
    live: Live, anna: Client
) -> None:
    workdir = live.workdir(anna, {"a": b"1", "d/b": b"2"})
    push(workdir, anna)
    (workdir.root / "d").rename(live.scratch / "elsewhere")
    (workdir.root / "d").symlink_to(live.scratch / "elsewhere")
    report = push(workdir, anna, delete=True)
    assert report.removed == 0
    assert _clone(live, anna, workdir) == {"a": b"1", "d/b": b"2"}


def test_a_file_that_changes_all_the_time_is_reported(live: Live, anna: Client) -> None:
    workdir = live.workdir(anna, {"a": b"1", "log": os.urandom(LARGE)})
    log = workdir.root / "log"

    def grow(event: Event) -> None:
        if isinstance(event, Moved) and event.path == "log":
            with log.open("ab") as file:
                file.write(b"more")

    report = push(workdir, anna, tell=grow)
    assert report.sent == 1
    assert [(p.path, type(p.error)) for p in report.problems] == [
        ("log", FileChangingError)
    ]
    closed = anna.datasets.wait(anna.datasets.close(workdir.dataset))
    assert closed.problem is None


@pytest.mark.parametrize("size", [1000, LARGE])
def test_a_file_that_changes_once_is_sent_as_it_then_is(
    live: Live, anna: Client, size: int
) -> None:
    workdir = live.workdir(anna, {"a": os.urandom(size)})
    changed = threading.Event()

    def change(event: Event) -> None:
        if isinstance(event, Moved) and not changed.is_set():
            changed.set()
            (workdir.root / "a").write_bytes(b"the last word")

    assert push(workdir, anna, tell=change).problems == ()
    assert _clone(live, anna, workdir) == {"a": b"the last word"}


def test_events_add_up(live: Live, anna: Client) -> None:
    tree = TREE | {"large": os.urandom(LARGE)}
    workdir = live.workdir(anna, tree)
    events: list[Event] = []
    push(workdir, anna, tell=events.append)
    total = sum(len(data) for data in tree.values())
    assert sum(e.files for e in events if isinstance(e, Planned)) == len(tree)
    assert sum(e.bytes for e in events if isinstance(e, Planned)) == total
    assert sum(e.bytes for e in events if isinstance(e, Moved)) == total
    settled = {e.path: e.error for e in events if isinstance(e, Settled)}
    assert settled == dict.fromkeys(tree)


def test_a_closed_dataset_takes_nothing(live: Live, anna: Client) -> None:
    workdir = live.workdir(anna, {"a": b"1"})
    push(workdir, anna)
    anna.datasets.wait(anna.datasets.close(workdir.dataset, CloseIn()))
    write(workdir.root, {"b": b"2"})
    with pytest.raises(DatasetClosedError):
        push(workdir, anna)
    assert _clone(live, anna, workdir) == {"a": b"1"}


def test_two_pushes_of_one_directory_do_not_run_at_once(
    live: Live, anna: Client
) -> None:
    workdir = live.workdir(anna, {"a": b"1"})
    with locked(workdir), pytest.raises(WorkdirBusyError) as caught:
        push(workdir, anna)
    assert caught.value.facts["pid"] == os.getpid()


def test_two_people_push_different_trees_at_once(live: Live, anna: Client) -> None:
    first = live.workdir(anna, {f"one/{n}": b"%d" % n for n in range(300)})
    dataset = anna.datasets.get(first.dataset)
    second = live.workdir(
        anna, {f"two/{n}": b"%d" % n for n in range(300)}, dataset=dataset
    )
    reports = []
    threads = [
        threading.Thread(target=lambda w=w: reports.append(push(w, anna)))
        for w in (first, second)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(r.sent, r.problems) for r in reports] == [(300, ()), (300, ())]
    assert len(_clone(live, anna, first)) == 600


def test_two_people_push_the_same_tree_at_once(live: Live, anna: Client) -> None:
    tree = {f"f{n}": b"%d" % n for n in range(200)}
    first = live.workdir(anna, tree)
    dataset = anna.datasets.get(first.dataset)
    second = live.workdir(anna, tree, dataset=dataset)
    reports = []
    threads = [
        threading.Thread(target=lambda w=w: reports.append(push(w, anna)))
        for w in (first, second)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    busy = {type(p.error) for report in reports for p in report.problems}
    assert busy <= {PathBusyError}
    for workdir in (first, second):
        assert push(workdir, anna).problems == ()
        assert read_status(workdir).unchanged == len(tree)
    assert _clone(live, anna, first) == tree


def test_the_first_announcement_goes_alone(
    live: Live, anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"d/{number}": b"%d" % number for number in range(300)}
    workdir = live.workdir(anna, files)
    alone: list[bool] = []
    announce = Session._announce

    def noted(session: Session, files: Sequence[UploadIn]) -> tuple[UUID, Any]:
        alone.append(session._first.locked())
        return announce(session, files)

    monkeypatch.setattr(Session, "_announce", noted)
    assert push(workdir, anna).sent == len(files)
    assert len(alone) > 1
    assert alone[0]
    assert not alone[-1]
