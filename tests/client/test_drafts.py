"""Files are whole and on the disk before they have a name, however they are written."""

import errno
import mmap
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hutch.contract.parts import MIB
from hutch.contract.paths import RelativePath
from hutch.errors import LocalChangesError, UnreadableFileError
from hutch.transfer.buffers import SIZE
from hutch.workdir import disk, drafts
from hutch.workdir.disk import Disk
from hutch.workdir.drafts import ALIGNED, DIRECT_FROM, Draft
from hutch.workdir.tree import TOGETHER, Placing, Tree
from hutch.workdir.walk import Stamp

MTIME_NS = 10**18


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    (made / ".hutch").mkdir(parents=True)
    return made


@pytest.fixture
def tree(root: Path) -> Iterator[Tree]:
    with Tree(root) as tree:
        yield tree


def _placing(draft: Draft, path: str) -> Placing:
    return Placing(draft, RelativePath(path), None, MTIME_NS)


def _write(draft: Draft, data: bytes) -> None:
    """Write as a transfer does: page-aligned buffers, in no particular order."""
    buffer = memoryview(mmap.mmap(-1, SIZE))
    for at in reversed(range(0, len(data), SIZE)):
        block = data[at : at + SIZE]
        buffer[: len(block)] = block
        draft.write(at, buffer[: len(block)])


def _place(tree: Tree, path: str, data: bytes) -> Stamp:
    with closing(tree.draft(len(data))) as draft:
        _write(draft, data)
        (stamp,) = tree.place([_placing(draft, path)])
    assert isinstance(stamp, Stamp)
    return stamp


def _not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "_open_direct", lambda _name, _directory: -1)


def _not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that opens a file so, but takes no such write."""
    write = os.pwrite

    def pwrite(handle: int, block: memoryview, at: int) -> int:
        if handle in past:
            past.remove(handle)
            raise OSError(errno.EINVAL, "Invalid argument")
        return write(handle, block, at)

    past = set[int]()
    opened = drafts._open_direct

    def open_direct(name: str, directory: int) -> int:
        handle = opened(name, directory)
        past.add(handle)
        return handle

    monkeypatch.setattr(drafts, "_open_direct", open_direct)
    monkeypatch.setattr(os, "pwrite", pwrite)


def _not_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_system_call", lambda _name: None)


def _as_is(_monkeypatch: pytest.MonkeyPatch) -> None:
    pass


@pytest.mark.parametrize("way", [_as_is, _not_opened, _not_written, _not_reserved])
@pytest.mark.parametrize(
    "size",
    [
        0,
        1,
        DIRECT_FROM - 1,
        DIRECT_FROM,
        DIRECT_FROM + 1,
        DIRECT_FROM + ALIGNED - 1,
        2 * SIZE,
        2 * SIZE + ALIGNED + 17,
    ],
)
def test_a_file_holds_what_was_written(
    tree: Tree,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: Callable[[pytest.MonkeyPatch], None],
    size: int,
) -> None:
    way(monkeypatch)
    data = os.urandom(1024) * (size // 1024) + os.urandom(size % 1024)
    stamp = _place(tree, "d/f", data)
    assert (root / "d/f").read_bytes() == data
    assert stamp == Stamp.of((root / "d/f").stat())
    assert stamp.mtime_ns == MTIME_NS
    assert list((root / ".hutch/tmp").iterdir()) == []


def test_a_large_file_has_its_room_from_the_start(tree: Tree, root: Path) -> None:
    with closing(tree.draft(8 * MIB)):
        (begun,) = (root / ".hutch/tmp").iterdir()
        assert begun.stat().st_size == 8 * MIB


def test_a_file_without_room_is_not_begun(tree: Tree, root: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handles = os.listdir("/proc/self/fd")  # noqa: PTH208 - only the names
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            tree.draft(2 * MIB)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((root / ".hutch/tmp").iterdir()) == []
    assert os.listdir("/proc/self/fd") == handles  # noqa: PTH208 - as above


def test_what_gets_no_place_is_gone(tree: Tree, root: Path) -> None:
    draft = tree.draft(2 * MIB)
    _write(draft, bytes(2 * MIB))
    draft.close()
    assert list((root / ".hutch/tmp").iterdir()) == []


def test_what_was_closed_takes_nothing_more(tree: Tree, root: Path) -> None:
    draft = tree.draft(2 * MIB)
    draft.close()
    other = root / "other"
    with (
        other.open("wb"),  # may get the descriptor that is free now
        pytest.raises(OSError, match="Bad file descriptor"),
    ):
        draft.write(0, memoryview(bytes(MIB)))
    assert other.read_bytes() == b""


class _Steps(list[str]):
    """What was done, in order: names of calls and of the files they concern."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._watch(monkeypatch, os, "fsync")
        self._watch(monkeypatch, os, "rename")
        self._watch(monkeypatch, Disk, "sync_all")

    def _watch(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        done = getattr(owner, name)

        def step(first: Any, *rest: Any, **more: Any) -> Any:
            result = done(first, *rest, **more)
            file = (
                Path(f"/proc/self/fd/{first}").readlink().name
                if name == "fsync"
                else ""
            )
            self.append(f"{name} {file}".strip() if result is not False else "no")
            return result

        monkeypatch.setattr(owner, name, step)


def _place_all(tree: Tree, *paths: str) -> tuple[list[Any], list[str]]:
    """Place files of three bytes; gives what became of them, and their first names."""
    begun = [tree.draft(3) for _ in paths]
    for draft in begun:
        draft.write(0, memoryview(b"new"))
    outcomes = tree.place([_placing(d, p) for d, p in zip(begun, paths, strict=True)])
    for draft in begun:
        draft.close()
    return outcomes, [draft.name for draft in begun]


FEW = [f"{n % 2}/{n}" for n in range(TOGETHER - 1)]
MANY = [f"{n % TOGETHER}/{n}" for n in range(9)]


def test_names_come_after_bytes_and_before_the_end(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = _Steps(monkeypatch)
    _, names = _place_all(tree, *FEW)
    assert steps == [
        *(f"fsync {name}" for name in names),
        *["rename"] * len(FEW),
        "fsync 0",
        "fsync 1",
    ]


def test_many_files_are_brought_to_the_disk_at_once(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_kind", lambda _handle: 0xEF53)
    monkeypatch.setattr(disk, "_unwritten", lambda: 0)
    steps = _Steps(monkeypatch)
    _place_all(tree, *MANY)
    assert steps == ["sync_all", *["rename"] * len(MANY), "sync_all"]


def _much_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_MEMORY", Path("/proc/meminfo"))
    monkeypatch.setattr(disk, "LITTLE", -1)


def _unknown_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_MEMORY", Path("/proc/no such file"))


def _other_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_kind", lambda _handle: 0x6969)


def _old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        os, "uname", lambda: os.uname_result(["Linux", "n", "5.7-a", "v", "m"])
    )


@pytest.mark.parametrize(
    "why",
    [_much_to_write, _unknown_memory, _other_file_system, _old_kernel, _not_reserved],
)
def test_files_are_brought_to_the_disk_each_where_all_at_once_cannot_be(
    tree: Tree,
    monkeypatch: pytest.MonkeyPatch,
    why: Callable[[pytest.MonkeyPatch], None],
) -> None:
    monkeypatch.setattr(disk, "_kind", lambda _handle: 0xEF53)
    disk._tells_faults.cache_clear()
    why(monkeypatch)
    steps = _Steps(monkeypatch)
    outcomes, names = _place_all(tree, *MANY)
    disk._tells_faults.cache_clear()
    assert {type(outcome) for outcome in outcomes} == {Stamp}
    assert steps[0] == "no"
    middle = 1 + len(MANY)
    assert sorted(steps[1:middle]) == sorted(f"fsync {name}" for name in names)
    assert steps[middle:] == [
        *["rename"] * len(MANY),
        "no",
        *(f"fsync {n}" for n in range(TOGETHER)),
    ]


def test_a_fault_of_the_disk_is_missed_by_nobody(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([-1])  # the system tells of it once
    monkeypatch.setattr(disk, "_system_call", lambda _name: lambda *_a: next(answers))
    monkeypatch.setattr(disk, "_kind", lambda _handle: 0xEF53)
    monkeypatch.setattr(disk, "_unwritten", lambda: 0)
    assert [tree._disk.sync_all() for _ in range(2)] == [False, False]


def test_this_file_system_says_what_it_is(root: Path) -> None:
    handle = os.open(root, os.O_RDONLY)
    try:
        assert disk._kind(handle) != 0
        assert disk._kind(-1) == 0
    finally:
        os.close(handle)


@pytest.mark.parametrize("others", [0, TOGETHER])
def test_one_file_that_fails_leaves_the_others_their_names(
    tree: Tree, root: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    (root / "b").write_bytes(b"mine")
    fsync, failed = os.fsync, list[int]()

    def broken(handle: int) -> None:
        if not failed:
            failed.append(handle)
        if handle in failed:
            raise OSError(errno.EIO, "Input/output error")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", broken)
    monkeypatch.setattr(tree._disk, "_is_faulty", True)
    paths = ["b", "c/d", "c/e", *(f"d/{n}" for n in range(others))]
    outcomes, _ = _place_all(tree, *paths)
    (unlucky,) = [n for n, o in enumerate(outcomes) if type(o) is UnreadableFileError]
    kinds = [LocalChangesError, *[Stamp] * (len(paths) - 1)]
    kinds[unlucky] = UnreadableFileError
    assert [type(outcome) for outcome in outcomes] == kinds
    here = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}
    assert here == {*paths} - {paths[unlucky]} | {"b"}
    assert (root / "b").read_bytes() == b"mine"
