"""When a file counts as finished of which nobody saw the close."""

import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hutch.watch.holders import held_open
from hutch.watch.settling import LONGEST_HELD_S, OLD_S, Settling
from hutch.workdir.walk import Found, look

SETTLE_S, REST_S = 5.0, 2.0


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def settling(tmp_path: Path, seconds: Seconds) -> Settling:
    return Settling(tmp_path, settle_s=SETTLE_S, rest_s=REST_S, clock=seconds)


def found(root: Path, name: str, data: bytes = b"1") -> Found:
    (root / name).write_bytes(data)
    return seen(root, name)


def seen(root: Path, name: str) -> Found:
    there = look(root, name)
    assert isinstance(there, Found)
    return there


def finished(settling: Settling) -> list[str]:
    ready, _ = settling.finished()
    return [file.path for file in ready]


def test_a_file_is_finished_when_it_has_stayed_as_it_is(
    tmp_path: Path, settling: Settling, seconds: Seconds
) -> None:
    settling.seen(found(tmp_path, "a"))
    seconds.now += SETTLE_S - 0.1
    assert finished(settling) == []
    seconds.now += 0.1
    assert finished(settling) == ["a"]
    assert len(settling) == 0


def test_a_change_begins_the_wait_anew(
    tmp_path: Path, settling: Settling, seconds: Seconds
) -> None:
    settling.seen(found(tmp_path, "a"))
    found(tmp_path, "a", b"22")
    seconds.now += SETTLE_S
    assert settling.finished() == ([], True)
    seconds.now += SETTLE_S
    assert finished(settling) == ["a"]


def test_a_change_between_two_rounds_begins_the_wait_anew(
    tmp_path: Path, settling: Settling, seconds: Seconds
) -> None:
    settling.seen(found(tmp_path, "a"))
    seconds.now += SETTLE_S - 0.1
    assert settling.seen(found(tmp_path, "a", b"22"))
    seconds.now += 0.1
    assert finished(settling) == []


def test_a_file_that_was_closed_rests_only_a_little(
    tmp_path: Path, settling: Settling, seconds: Seconds
) -> None:
    settling.seen(found(tmp_path, "a"))
    settling.closed("a")
    settling.seen(found(tmp_path, "a", b"22"))  # a scan that comes by changes nothing
    seconds.now += REST_S
    assert finished(settling) == ["a"]


def test_a_file_closed_again_rests_again(
    tmp_path: Path, settling: Settling, seconds: Seconds
) -> None:
    found(tmp_path, "a")
    settling.closed("a")
    seconds.now += REST_S - 0.1
    settling.closed("a")
    seconds.now += 0.1
    assert finished(settling) == []


def test_a_file_that_is_gone_is_not_waited_for(
    tmp_path: Path, settling: Settling, seconds: Seconds
) -> None:
    settling.seen(found(tmp_path, "a"))
    (tmp_path / "a").unlink()
    seconds.now += SETTLE_S
    assert finished(settling) == []
    assert len(settling) == 0


def test_a_future_time_of_a_file_does_not_hold_it_back(
    tmp_path: Path, settling: Settling, seconds: Seconds
) -> None:
    found(tmp_path, "a")
    os.utime(tmp_path / "a", (4e9, 4e9))
    settling.seen(seen(tmp_path, "a"))
    seconds.now += SETTLE_S
    assert finished(settling) == ["a"]


def test_a_file_that_nobody_touched_for_long_is_finished(
    tmp_path: Path,
    settling: Settling,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = found(tmp_path, "a")
    ctime_s = old.stamp.ctime_ns / 1e9
    monkeypatch.setattr("time.time", lambda: ctime_s + OLD_S + 1)
    settling.seen(old)
    assert finished(settling) == ["a"]


def test_a_file_that_is_open_for_writing_is_held_back(
    tmp_path: Path, settling: Settling, seconds: Seconds
) -> None:
    settling.seen(found(tmp_path, "a"))
    with (tmp_path / "a").open("ab"):
        seconds.now += SETTLE_S
        assert finished(settling) == []
        assert (settling.held, settling.expected) == (("a",), 0)
    seconds.now += LONGEST_HELD_S
    assert finished(settling) == ["a"]
    assert settling.held == ()


_HOLDER = """
import sys
file = open(sys.argv[1], sys.argv[2])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Have another process hold the file ``a`` open."""
    (tmp_path / "a").write_bytes(b"1")
    with subprocess.Popen(  # noqa: S603 - this Python, no shell
        [sys.executable, "-c", _HOLDER, str(tmp_path / "a"), request.param],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("holder", ["ab", "r+b", "wb"], indirect=True)
@pytest.mark.usefixtures("holder")
def test_another_process_that_writes_is_seen(tmp_path: Path) -> None:
    assert held_open(tmp_path, [seen(tmp_path, "a")]) == ["a"]


@pytest.mark.parametrize("holder", ["rb"], indirect=True)
@pytest.mark.usefixtures("holder")
def test_a_reader_holds_nothing(tmp_path: Path) -> None:
    assert held_open(tmp_path, [seen(tmp_path, "a")]) == []


@pytest.mark.parametrize("holder", ["ab"], indirect=True)
@pytest.mark.usefixtures("holder")
def test_a_file_is_seen_under_each_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    files = [found(tmp_path, "c"), seen(tmp_path, "b"), seen(tmp_path, "a")]
    assert held_open(tmp_path, files) == ["b", "a"]


def test_a_file_mapped_for_writing_is_open_though_it_was_closed(
    tmp_path: Path,
) -> None:
    # Not by Python's own mapping, which keeps a descriptor.
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    size = mmap.PAGESIZE
    (tmp_path / "a").write_bytes(bytes(size))
    with (tmp_path / "a").open("r+b") as file:
        rights = mmap.PROT_READ | mmap.PROT_WRITE
        at = libc.mmap(None, size, rights, mmap.MAP_SHARED, file.fileno(), 0)
    try:
        assert held_open(tmp_path, [seen(tmp_path, "a")]) == ["a"]
    finally:
        libc.munmap(ctypes.c_void_p(at), ctypes.c_size_t(size))
    assert held_open(tmp_path, [seen(tmp_path, "a")]) == []
