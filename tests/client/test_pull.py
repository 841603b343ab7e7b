"""Pulls and clones: what they fetch, and what they never touch."""

import os
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from hutch import Client, Workdir, clone, open_workdir, pull, push, read_status
from hutch.contract.parts import MIB, PART_SIZE
from hutch.contract.wire.datasets import DatasetOut
from hutch.errors import (
    HutchError,
    LocalChangesError,
    NotFoundError,
    UnreadableFileError,
    WorkdirError,
)
from hutch.models import Problem
from hutch.progress import Event, Moved
from hutch.transfer import pipeline
from tests.client.live import Live, read, write

TREE = {"a": b"1", "b": b"2", "sub/c": b"3", "sub/empty": b""}


@pytest.fixture
def source(live: Live, anna: Client) -> Workdir:
    """A working directory that was pushed."""
    workdir = live.workdir(anna, TREE)
    push(workdir, anna)
    return workdir


@pytest.fixture
def copy(live: Live, anna: Client, source: Workdir) -> Workdir:
    """A clone of it."""
    target = live.scratch / "copy"
    clone(anna, anna.datasets.get(source.dataset), target)
    return open_workdir(target)


def _kinds(problems: tuple[Problem, ...]) -> list[tuple[str, type[HutchError]]]:
    return [(p.path, type(p.error)) for p in problems]


def test_a_clone_is_clean_and_needs_no_second_reading(copy: Workdir) -> None:
    status = read_status(copy)
    assert (status.new, status.changed, status.deleted) == ((), (), ())
    assert status.unchanged == len(TREE)


def test_a_pull_fetches_what_others_changed(
    anna: Client, source: Workdir, copy: Workdir
) -> None:
    write(source.root, {"a": b"one", "new/d": b"4"})
    (source.root / "b").unlink()
    push(source, anna, delete=True)
    report = pull(copy, anna)
    assert (report.fetched, report.removed, report.unchanged) == (2, 1, 2)
    assert report.problems == ()
    assert read(copy.root) == read(source.root)
    again = pull(copy, anna)
    assert (again.fetched, again.unchanged) == (0, 4)


def test_what_a_pull_removed_is_not_taken_for_deleted_here(
    live: Live, anna: Client
) -> None:
    """Though it had to be read again first: it had just been written."""
    workdir = live.workdir(anna, TREE)
    soon = time.time() + 60
    os.utime(workdir.root / "b", (soon, soon))
    push(workdir, anna)
    other = live.scratch / "other"
    clone(anna, anna.datasets.get(workdir.dataset), other)
    (other / "b").unlink()
    push(open_workdir(other), anna, delete=True)
    assert pull(workdir, anna).removed == 1
    assert read_status(workdir).deleted == ()


def test_a_pull_never_overwrites_local_changes(
    anna: Client, source: Workdir, copy: Workdir
) -> None:
    write(source.root, {"a": b"theirs", "b": b"theirs", "new": b"theirs"})
    (source.root / "sub/c").unlink()
    push(source, anna, delete=True)
    write(copy.root, {"a": b"mine!!", "new": b"mine!!", "sub/c": b"mine!!"})
    report = pull(copy, anna)
    assert sorted(_kinds(report.problems), key=lambda kind: kind[0]) == [
        ("a", LocalChangesError),
        ("new", LocalChangesError),
        ("sub/c", LocalChangesError),
    ]
    assert report.fetched == 1
    assert read(copy.root) == {
        "a": b"mine!!",
        "b": b"theirs",
        "new": b"mine!!",
        "sub/c": b"mine!!",
        "sub/empty": b"",
    }


def test_a_file_that_is_written_during_the_pull_is_left_alone(
    anna: Client, source: Workdir, copy: Workdir
) -> None:
    write(source.root, {"a": b"theirs" * MIB})
    push(source, anna)

    def write_meanwhile(event: Event) -> None:
        if isinstance(event, Moved):
            write(copy.root, {"a": b"mine"})

    report = pull(copy, anna, tell=write_meanwhile)
    assert _kinds(report.problems) == [("a", LocalChangesError)]
    assert read(copy.root)["a"] == b"mine"


def test_equal_local_changes_are_no_conflict(
    anna: Client, source: Workdir, copy: Workdir
) -> None:
    for workdir in (source, copy):
        write(workdir.root, {"a": b"both", "new": b"both"})
    push(source, anna)
    report = pull(copy, anna)
    assert (report.fetched, report.problems) == (0, ())
    assert push(copy, anna).sent == 0


def test_what_was_deleted_here_comes_back_on_demand_only(
    anna: Client, copy: Workdir
) -> None:
    (copy.root / "a").unlink()
    assert pull(copy, anna).absent == ("a",)
    assert "a" not in read(copy.root)
    assert pull(copy, anna, restore=True).fetched == 1
    assert read(copy.root) == TREE


def test_a_link_in_the_way_is_not_followed(
    live: Live, anna: Client, source: Workdir, copy: Workdir
) -> None:
    shutil.move(copy.root / "sub", live.scratch / "outside")
    (copy.root / "sub").symlink_to(live.scratch / "outside")
    write(source.root, {"sub/c": b"theirs", "sub/new": b"theirs"})
    push(source, anna)
    report = pull(copy, anna)
    assert {p.path for p in report.problems} >= {"sub/c", "sub/new"}
    assert read(live.scratch / "outside") == {"c": b"3", "empty": b""}


def test_a_large_file_arrives_in_parts(live: Live, anna: Client) -> None:
    data = os.urandom(PART_SIZE + 5)
    source = live.workdir(anna, {"large": data})
    push(source, anna)
    target = live.scratch / "clone"
    moved: list[int] = []
    report = clone(
        anna,
        anna.datasets.get(source.dataset),
        target,
        tell=lambda e: moved.append(e.bytes) if isinstance(e, Moved) else None,
    )
    assert report.problems == ()
    assert (target / "large").read_bytes() == data
    assert sum(moved) == len(data)


def test_a_clone_may_be_limited(live: Live, anna: Client, source: Workdir) -> None:
    target = live.scratch / "part"
    dataset = anna.datasets.get(source.dataset)
    clone(anna, dataset, target, include=["sub"])
    assert set(read(target)) == {"sub/c", "sub/empty"}
    part = open_workdir(target)
    assert pull(part, anna).fetched == 0
    push(part, anna, delete=True)
    assert anna.datasets.get(source.dataset).files == len(TREE)


def test_what_was_pushed_from_a_partial_clone_stays_there(
    live: Live, anna: Client, source: Workdir
) -> None:
    target = live.scratch / "part"
    clone(anna, anna.datasets.get(source.dataset), target, include=["sub"])
    part = open_workdir(target)
    write(target, {"mine": b"5"})
    push(part, anna)
    # It once was removed here, as if it were gone in the dataset.
    assert pull(part, anna).removed == 0
    assert set(read(target)) == {"mine", "sub/c", "sub/empty"}


def test_a_clone_wants_an_empty_directory(
    live: Live, anna: Client, source: Workdir
) -> None:
    target = live.scratch / "full"
    write(target, {"precious": b"1"})
    dataset = anna.datasets.get(source.dataset)
    with pytest.raises(WorkdirError, match="not empty"):
        clone(anna, dataset, target)
    with pytest.raises(WorkdirError, match="already"):
        clone(anna, dataset, source.root)
    assert read(target) == {"precious": b"1"}


def test_a_clone_says_that_the_dataset_moved(
    live: Live, anna: Client, source: Workdir
) -> None:
    changed = False

    def change(event: Event) -> None:
        nonlocal changed
        if isinstance(event, Moved) and not changed:
            changed = True
            write(source.root, {"z": b"late"})
            push(source, anna)

    dataset = anna.datasets.get(source.dataset)
    report = clone(anna, dataset, live.scratch / "moving", jobs=1, tell=change)
    assert report.problems == ()
    assert report.moved


def test_files_replaced_during_the_fetch_are_listed_anew(
    live: Live, anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(pipeline.batches, most_files=10)
    monkeypatch.setattr(pipeline, "batches", small)
    source = live.workdir(anna, {f"n{i:02}": b"old" for i in range(100)})
    push(source, anna)
    changed = False

    def change(event: Event) -> None:
        nonlocal changed
        if isinstance(event, Moved) and not changed:
            changed = True
            write(source.root, {"n99": b"new"})
            push(source, anna)

    target = live.scratch / "moving"
    dataset = anna.datasets.get(source.dataset)
    report = clone(anna, dataset, target, jobs=1, tell=change)
    assert (report.problems, report.fetched) == ((), 100)
    assert read(target)["n99"] == b"new"


def test_somebody_elses_dataset_is_not_there(ben: Client, source: Workdir) -> None:
    with pytest.raises(NotFoundError):
        ben.find(str(source.dataset))
    with pytest.raises(NotFoundError):
        pull(source, ben)


def test_a_dataset_is_found_by_what_people_call_it(
    anna: Client, ben: Client, source: Workdir
) -> None:
    dataset: DatasetOut = anna.datasets.get(source.dataset)
    words = [
        str(dataset.id),
        str(dataset.id)[:13],
        str(dataset.id)[:8].upper(),
        dataset.name,
        f"{dataset.owner}/{dataset.name}",
    ]
    assert [anna.find(word).id for word in words] == [dataset.id] * 5
    with pytest.raises(NotFoundError):
        ben.find(words[4])


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """Let the system refuse to write longer files, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_finds_no_room_is_named_and_fetched_later(
    live: Live, anna: Client
) -> None:
    source = live.workdir(anna, {"large": bytes(9 * MIB), "small": b"1"})
    push(source, anna)
    dataset, target = anna.datasets.get(source.dataset), live.scratch / "copy"
    with _files_of_at_most(8 * MIB):
        report = clone(anna, dataset, target)
    assert report.fetched == 1
    # It once was blamed on the connection, and tried again and again.
    assert _kinds(report.problems) == [("large", UnreadableFileError)]
    assert "File too large" in report.problems[0].error.detail
    assert clone(anna, dataset, target).problems == ()
    assert read(target) == read(source.root)


def test_a_file_whose_connection_breaks_goes_on_where_it_was(
    live: Live, anna: Client
) -> None:
    source = live.workdir(anna, {"large": os.urandom(MIB) * 13 + b"and a bit"})
    push(source, anna)
    live.line.received, live.line.cut_answer_after = 0, 6 * MIB
    target = live.scratch / "copy"
    assert clone(anna, anna.datasets.get(source.dataset), target).problems == ()
    assert live.line.cuts == 1
    assert live.line.received < 16 * MIB  # two MiB came twice, not six
    assert read(target) == read(source.root)
