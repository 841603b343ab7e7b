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
from hutch.workdir import drafts
from hutch.workdir.drafts import ALIGNED, DIRECT_FROM, Draft
from hutch.workdir.tree import Placing, Tree
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
    monkeypatch.setattr(drafts, "_system_call", lambda _name: None)


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


def test_names_come_after_bytes_and_before_the_end(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = list[tuple[str, str]]()

    def noted(name: str) -> None:
        done = getattr(os, name)

        def step(first: Any, *rest: Any, **more: Any) -> Any:
            what = str(Path(f"/proc/self/fd/{first}").readlink()) if rest == () else ""
            steps.append((name, Path(what).name))
            return done(first, *rest, **more)

        monkeypatch.setattr(os, name, step)

    noted("fsync")
    noted("rename")
    begun = [tree.draft(3) for _ in range(3)]
    for draft in begun:
        draft.write(0, memoryview(b"new"))
    paths = ["a/1", "a/2", "b/3"]
    tree.place([_placing(d, p) for d, p in zip(begun, paths, strict=True)])
    for draft in begun:
        draft.close()
    assert steps == [
        *(("fsync", draft.name) for draft in begun),
        *[("rename", "")] * 3,
        ("fsync", "a"),
        ("fsync", "b"),
    ]


def test_one_file_that_fails_leaves_the_others_their_names(
    tree: Tree, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "b").write_bytes(b"mine")
    begun = [tree.draft(3) for _ in range(4)]
    for draft in begun:
        draft.write(0, memoryview(b"new"))
    fsync = os.fsync

    def broken(handle: int) -> None:
        if handle == begun[0].handle:
            raise OSError(errno.EIO, "Input/output error")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", broken)
    paths = ["a", "b", "c/d", "c/e"]
    outcomes = tree.place([_placing(d, p) for d, p in zip(begun, paths, strict=True)])
    for draft in begun:
        draft.close()
    kinds = [UnreadableFileError, LocalChangesError, Stamp, Stamp]
    assert [type(outcome) for outcome in outcomes] == kinds
    here = [p for p in root.rglob("*") if p.is_file()]
    assert sorted(str(p.relative_to(root)) for p in here) == ["b", "c/d", "c/e"]
    assert (root / "b").read_bytes() == b"mine"
