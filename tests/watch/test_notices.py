"""What the kernel tells, turn by turn."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hutch.errors import ExtraMissingError
from hutch.watch import lookout as lookouts
from hutch.watch import notices
from hutch.watch import settling as settlings
from hutch.watch.backlog import Again, Backlog
from hutch.watch.lookout import Lookout
from hutch.watch.notices import Notices, TooManyWatchesError
from hutch.watch.rounds import Rounds
from hutch.watch.settling import Settling
from tests.servers import wait_until
from tests.watch.conftest import PATIENCE_S

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


class Looking:
    """A lookout that takes its turns when the test says so."""

    def __init__(self, root: Path, *, backlog: Backlog | None = None) -> None:
        self.backlog = Backlog() if backlog is None else backlog
        self.settling = Settling(root, settle_s=0.001, rest_s=0.0)
        self.lookout = Notices(root, self.backlog, self.settling)

    def close(self) -> None:
        """Watch nothing any more."""
        self.lookout.close()

    def until_quiet(self) -> set[str]:
        """Take turns until nothing more is expected; give what was finished."""
        taken: set[str] = set()
        asked = self.lookout.ask_scan()
        while self.lookout.view.scans < asked or self.lookout.view.expected:
            self.lookout.run_once()
            taken.update(self.backlog.take(10_000, seconds=0))
        return taken

    def turns(self, count: int = 3) -> set[str]:
        """Take a few turns without a scan."""
        for _ in range(count):
            self.lookout.run_once()
        return set(self.backlog.take(10_000, seconds=0))

    def until(self, wanted: set[str]) -> None:
        """Take turns without a scan until all of these were finished."""
        until(self.lookout, self.backlog, wanted)


def until(
    lookout: Lookout, backlog: Backlog, wanted: set[str], *, most: int = 10_000
) -> None:
    """Have a lookout take turns until all of these were finished."""
    taken: set[str] = set()

    def is_done() -> bool:
        lookout.run_once()
        taken.update(backlog.take(most, seconds=0))
        return wanted <= taken

    wait_until(is_done, seconds=PATIENCE_S, what=f"the finish of {len(wanted)} files")


@pytest.fixture
def looking(tmp_path: Path) -> Iterator[Looking]:
    with closing(Looking(tmp_path)) as made:
        assert made.until_quiet() == set()
        yield made


def test_a_closed_file_is_finished_without_a_scan(
    tmp_path: Path, looking: Looking
) -> None:
    (tmp_path / "a").write_bytes(b"1")
    assert looking.turns() == {"a"}
    assert looking.turns() == set()


def test_what_was_lost_by_the_kernel_is_found_again(
    tmp_path: Path, looking: Looking
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).write_bytes(b"")
    handles = [os.open(tmp_path / name, os.O_RDWR) for name in ("one", "other")]
    for handle in handles:
        os.close(handle)
    # Two files in turn: the kernel counts the same event in a row only once.
    for _ in range(int(QUEUE.read_text()) // 2 + 10):
        for name in ("one", "other"):
            os.close(os.open(tmp_path / name, os.O_WRONLY))
    (tmp_path / "lost").write_bytes(b"1")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "lost").write_bytes(b"2")
    looking.until({"lost", "sub/lost"})
    (tmp_path / "sub" / "later").write_bytes(b"3")
    assert looking.turns() == {"sub/later"}


def test_a_directory_that_comes_filled_is_looked_through(
    tmp_path: Path, looking: Looking
) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "a").write_bytes(b"1")
    looking.until({"d/e/a"})
    (tmp_path / "d" / "e" / "b").write_bytes(b"2")
    assert looking.turns() == {"d/e/b"}


def test_a_second_name_for_a_file_is_noticed(tmp_path: Path, looking: Looking) -> None:
    (tmp_path / "a").write_bytes(b"1")
    assert looking.turns() == {"a"}
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    looking.until({"b"})


def test_a_file_that_gets_its_name_at_the_end_is_noticed(
    tmp_path: Path, looking: Looking
) -> None:
    handle = os.open(tmp_path, os.O_TMPFILE | os.O_RDWR)
    root = os.open("/", os.O_RDONLY)
    try:
        os.write(handle, b"1")
        link = f"/proc/self/fd/{handle}"
        os.link(link, tmp_path / "a", src_dir_fd=root, follow_symlinks=True)
    finally:
        os.close(root)
        os.close(handle)
    looking.until({"a"})


def test_a_directory_that_was_moved_is_known_by_its_new_name(
    tmp_path: Path, looking: Looking
) -> None:
    (tmp_path / "old" / "sub").mkdir(parents=True)
    looking.until_quiet()
    (tmp_path / "old").rename(tmp_path / "new")
    looking.until_quiet()
    (tmp_path / "new" / "sub" / "a").write_bytes(b"1")
    assert looking.turns() == {"new/sub/a"}


def test_a_directory_that_was_moved_away_is_not_taken_for_its_successor(
    tmp_path: Path, looking: Looking
) -> None:
    away = tmp_path.parent / f"{tmp_path.name}-away"
    (tmp_path / "d").mkdir()
    looking.until_quiet()
    (tmp_path / "d").rename(away)
    (tmp_path / "d").mkdir()
    with (tmp_path / "d" / "a").open("wb"):
        looking.until_quiet()
        (away / "a").write_bytes(b"elsewhere")
        assert looking.turns() == set()


def test_hutchs_own_files_are_not_noticed(tmp_path: Path, looking: Looking) -> None:
    (tmp_path / ".hutch").mkdir()
    looking.until_quiet()
    (tmp_path / ".hutch" / "journal.sqlite").write_bytes(b"1")
    assert looking.turns() == set()


@pytest.fixture
def _little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookouts, "ROOM", 3)
    monkeypatch.setattr(notices, "STEP", 1)
    for name in ("CHECK_S", "CHECK_FACTOR"):
        monkeypatch.setattr(settlings, name, 0)


@pytest.mark.usefixtures("_little_room")
def test_what_does_not_fit_the_backlog_is_found_again(tmp_path: Path) -> None:
    names = {f"f{n}" for n in range(30)}
    with closing(Looking(tmp_path, backlog=Backlog(most=10))) as looking:
        looking.until_quiet()
        for name in names:
            (tmp_path / name).write_bytes(b"1")
        looking.lookout.run_once()
        looking.lookout.run_once()
        assert len(looking.backlog) <= 10
        until(looking.lookout, looking.backlog, names, most=3)


def test_rounds_tell_again_what_was_lost(tmp_path: Path) -> None:
    backlog = Backlog(most=3)
    settling = Settling(tmp_path, settle_s=0.001, rest_s=0.0)
    looking = Rounds(tmp_path, backlog, settling, every_s=0.001)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"1")
    until(looking, backlog, {"a", "b"})
    backlog.put(f"more/{n}" for n in range(4))
    until(looking, backlog, {"a", "b"})


def test_a_file_that_failed_is_looked_at_again(
    tmp_path: Path, looking: Looking
) -> None:
    (tmp_path / "a").write_bytes(b"1")
    assert looking.turns() == {"a"}
    looking.backlog.look_again(Again("a", 0.0))
    looking.until({"a"})


def test_a_kernel_without_room_is_told_apart(
    tmp_path: Path, looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _mask: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(looking.lookout._kernel, "add_watch", full)
    (tmp_path / "d").mkdir()
    with pytest.raises(TooManyWatchesError):
        looking.until_quiet()


def test_without_the_library_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "inotify_simple", None)
    with pytest.raises(ExtraMissingError, match=r"pip install 'hutch\[watch\]'"):
        notices.load()
