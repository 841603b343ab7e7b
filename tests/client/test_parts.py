"""Files that are fetched in parts are whole, or are not there."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from hutch import connect
from hutch.contract.parts import MIB, plan
from hutch.contract.paths import parse
from hutch.contract.wire.transfer import FileOut, SignedRequest
from hutch.errors import (
    CorruptDataError,
    HutchError,
    LocalFileError,
    TransferError,
)
from hutch.transfer import coming, download, downloads
from hutch.transfer.carrier import Carrier, StoppedError
from hutch.transfer.checksums import Hasher
from hutch.transfer.downloads import Arrival, Fetcher, Incoming, Placement
from hutch.workdir.directory import make_workdir
from hutch.workdir.drafts import Draft
from hutch.workdir.journal import Journal, open_journal
from hutch.workdir.tree import Placing, Tree
from hutch.workdir.walk import Stamp
from tests.client.hostile import Asked, Said, saying
from tests.client.live import read
from tests.servers import wait_until

PART = 5 * MIB
SIZE = 2 * PART + 70_001


def _data(path: str) -> bytes:
    return (path.encode() + bytes(range(251))) * (SIZE // 252) + bytes(SIZE % 252)


@dataclass
class Store:
    """Gives out what it holds, but for what it was told.

    Attributes:
        objects: By path.
        lies: Takes the place of the answer to a request for this path and first byte.
        failing: Those for which it has none.
        asked: What was asked for.
    """

    objects: dict[str, bytes]
    lies: dict[tuple[str, int], bytes]
    failing: set[tuple[str, int]]
    asked: list[tuple[str, int]]

    def __call__(self, asked: Asked) -> Said:
        path = asked.path.removeprefix("/")
        span = asked.headers["range"].removeprefix("bytes=")
        first, last = map(int, span.split("-"))
        self.asked.append((path, first))
        if (path, first) in self.failing:
            return Said(500)
        body = self.lies.get((path, first), self.objects[path][first : last + 1])
        return Said(206, body, {"Content-Range": f"bytes {span}/*"})


@dataclass
class Work:
    """A working directory, and a store to fetch from."""

    root: Path
    store: Store
    fetcher: Fetcher
    tree: Tree
    placement: Placement
    journal: Journal
    counts: list[int]

    def fetch(self, *paths: str) -> dict[str, Arrival]:
        items = [self.incoming(p) for p in paths]
        return {a.item.path: a for a in self.placement.drive(items)}

    def incoming(self, path: str) -> Incoming:
        return Incoming(parse(path), self.file(path))

    def noted(self) -> list[str]:
        return [entry.path for entry in self.journal.entries()]

    def file(self, path: str) -> FileOut:
        hasher = Hasher()
        hasher.update(self.store.objects[path])
        sums = hasher.sums()
        return FileOut(
            path=path,
            size=len(self.store.objects[path]),
            sha256=sums.sha256,
            crc64nvme=sums.crc64nvme,
            version="v",
            confirmed=False,
            committed_at=datetime(2026, 1, 1, tzinfo=UTC),
            committed_by="anna",
        )


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    monkeypatch.setattr(download, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(download, "LONGEST_PAUSE_S", 0.0)
    monkeypatch.setattr(coming, "plan", lambda size: plan(size, length=PART))
    monkeypatch.setattr(downloads, "GROUP", 2)
    store = Store({p: _data(p) for p in "abc"}, {}, set(), [])
    store.objects |= {f"small/{n}": bytes([n]) * n for n in range(50)}
    root = tmp_path / "root"
    workdir = make_workdir(root, dataset=uuid4(), server="http://127.0.0.1")
    counts = list[int]()
    with (
        saying(store) as script,
        connect("http://127.0.0.1:1") as client,
        open_journal(workdir) as journal,
        Tree(root) as tree,
    ):
        fetcher = downloads.start(
            client,
            workdir.dataset,
            moved=lambda _path, count: counts.append(count),
            jobs=4,
        )

        def sign(
            _fetcher: Fetcher, files: list[FileOut]
        ) -> list[tuple[FileOut, SignedRequest | HutchError]]:
            return [(f, _request(f"{script.url}/{f.path}")) for f in files]

        monkeypatch.setattr(Fetcher, "sign", sign)
        yield Work(
            root,
            store,
            fetcher,
            tree,
            Placement(fetcher, tree, journal),
            journal,
            counts,
        )
        fetcher.close()


def _request(url: str) -> SignedRequest:
    return SignedRequest(method="GET", url=url, headers={}, expires_in=600)


def _handles() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only the names


def _left(work: Work) -> list[Path]:
    return list((work.root / ".hutch/tmp").iterdir())


def test_parts_and_small_files_arrive_together(work: Work) -> None:
    paths = list(work.store.objects)
    arrivals = work.fetch(*paths)
    assert {a.error for a in arrivals.values()} == {None}
    assert read(work.root) == work.store.objects
    assert work.noted() == sorted(paths)
    assert {a.entry for a in arrivals.values()} == set(work.journal.entries())
    assert sum(work.counts) == sum(map(len, work.store.objects.values()))
    assert _left(work) == []


def test_wrong_bytes_in_any_part_give_the_file_no_name(work: Work) -> None:
    for first in (0, PART, 2 * PART):
        length = min(PART, SIZE - first)
        work.store.lies["b", first] = bytes(length)
        arrivals = work.fetch("a", "b", "c")
        errors = {p: type(a.error) for p, a in arrivals.items()}
        assert errors["b"] is CorruptDataError
        assert work.noted() == ["a", "c"]
        assert sorted(read(work.root)) == ["a", "c"]
        assert _left(work) == []
        for path in "ac":
            (work.root / path).unlink()
        work.store.lies.clear()


def test_a_part_that_will_not_come_ends_the_others_of_its_file(work: Work) -> None:
    handles = _handles()
    work.store.failing.add(("a", 0))
    arrivals = work.fetch("a", "b")
    assert type(arrivals["a"].error) is TransferError
    assert arrivals["b"].error is None
    assert sorted(read(work.root)) == ["b"]
    assert _left(work) == []
    work.fetcher.carrier.close()
    wait_until(lambda: _handles() <= handles, what="the end of all connections")


def test_a_stop_leaves_neither_files_nor_descriptors(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, begun = Carrier.get, threading.Barrier(4)

    def stopped(self: Carrier, *args: object, **kwargs: object) -> object:
        if begun.wait() == 0:
            self.stop()
        return get(self, *args, **kwargs)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Carrier, "get", stopped)
    handles = _handles()
    with pytest.raises(StoppedError):
        work.fetch("a", "b", "c")
    assert read(work.root) == {}
    assert work.noted() == []
    assert _left(work) == []
    # The server's ends of the connections are closed by its threads.
    wait_until(lambda: _handles() <= handles, what="the end of all connections")


def test_what_was_complete_when_others_were_stopped_is_kept(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = Carrier.get

    def stopping(self: Carrier, request: SignedRequest, *args: object, **more: object):  # type: ignore[no-untyped-def]  # noqa: ANN202 - as the original
        if request.url.endswith("/c"):
            self.stop()
        return get(self, request, *args, **more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Carrier, "get", stopping)
    monkeypatch.setattr(downloads, "GROUP", 16)
    with pytest.raises(StoppedError):
        work.fetch("small/1", "small/2", "c")
    assert work.noted() == ["small/1", "small/2"]
    assert sorted(read(work.root)) == ["small/1", "small/2"]


def test_nothing_is_noted_before_it_has_its_name(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Journal.record

    def checked(self: Journal, entries: list[object]) -> None:
        entries = list(entries)
        for entry in entries:
            assert (work.root / entry.path).stat().st_size == entry.stamp.size  # type: ignore[attr-defined]  # an Entry
        record(self, entries)  # type: ignore[arg-type]  # as above

    monkeypatch.setattr(Journal, "record", checked)
    arrivals = work.fetch("a", *(f"small/{n}" for n in range(50)))
    assert len(arrivals) == len(work.noted()) == 51


def test_no_more_files_are_open_than_a_process_may_have(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, end, place = Tree.draft, Draft.close, Tree.place
    look = Placement._require_going_on
    now, most, looks = set[Draft](), list[int](), list[None]()

    def begun(tree: Tree, size: int) -> Draft:
        draft = begin(tree, size)
        now.add(draft)
        most.append(len(now))
        return draft

    def ended(draft: Draft) -> None:
        end(draft)
        now.discard(draft)

    def looked(placement: Placement) -> None:
        looks.append(None)
        look(placement)

    def placed(tree: Tree, items: list[Placing]) -> list[Stamp | LocalFileError]:
        wait_until(lambda: len(most) == 50 or len(looks) > 200, what="the threads")
        return place(tree, items)

    monkeypatch.setattr(Tree, "draft", begun)
    monkeypatch.setattr(Tree, "place", placed)
    monkeypatch.setattr(Draft, "close", ended)
    monkeypatch.setattr(Placement, "_require_going_on", looked)
    monkeypatch.setattr(downloads, "GROUP", 16)
    monkeypatch.setattr(downloads, "OPEN_FILES", 12)
    monkeypatch.setattr(downloads, "WAITING", 1)
    monkeypatch.setattr(downloads, "LOOK_S", 0.001)
    placement = Placement(work.fetcher, work.tree, work.journal)
    placement.drive([work.incoming(f"small/{n}") for n in range(50)])
    assert len(most) == 50
    assert max(most) == 15  # three in four threads, and three that wait
    assert now == set()


def test_a_file_of_no_bytes_is_there(work: Work) -> None:
    arrivals = work.fetch("small/0")
    assert arrivals["small/0"].error is None
    assert (work.root / "small/0").read_bytes() == b""
    assert work.store.asked == []


def test_a_wrong_checksum_of_no_bytes_is_seen(work: Work) -> None:
    file = replace(work.file("small/0"), crc64nvme="AAAAAAAAAAE=")
    (arrival,) = work.placement.drive([Incoming(parse("small/0"), file)])
    assert type(arrival.error) is CorruptDataError
    assert read(work.root) == {}
