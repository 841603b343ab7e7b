"""Walking a directory, and what has changed in it."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hutch.contract.paths import MAX_DEPTH
from hutch.errors import UnreadableFileError, UnsupportedFileError
from hutch.workdir.journal import Entry
from hutch.workdir.status import Sight, deleted, survey
from hutch.workdir.walk import Fault, Found, Stamp, look, walk

SEGMENT = st.text(st.sampled_from("ab-.0zé~"), min_size=1, max_size=3).filter(
    lambda s: s.strip(".")
)
PATHS = st.lists(
    st.lists(SEGMENT, min_size=1, max_size=3).map("/".join), unique=True, max_size=12
)


def _make(root: Path, paths: list[str]) -> list[str]:
    made = []
    for path in paths:
        place = root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"")
        except OSError:
            continue  # a file is where a directory should be, or the other way round
        made.append(path)
    return made


@given(PATHS)
def test_files_come_in_the_order_of_their_bytes(paths: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        made = _make(Path(directory), paths)
        found = [item.path for item in walk(Path(directory))]
    assert found == sorted(made, key=str.encode)


def test_hutchs_own_directory_is_left_out(tmp_path: Path) -> None:
    _make(tmp_path, [".hutch/journal.sqlite", "sub/.hutch/x", "a"])
    assert [i.path for i in walk(tmp_path)] == ["a", "sub/.hutch/x"]


def test_too_deep_a_directory_is_a_fault_and_not_a_crash(tmp_path: Path) -> None:
    deep = "/".join(["d"] * (MAX_DEPTH + 2))
    (tmp_path / deep).mkdir(parents=True)
    _make(tmp_path, ["z"])
    items = list(walk(tmp_path))
    assert [type(i) for i in items] == [Fault, Found]
    assert isinstance(items[0], Fault)
    assert isinstance(items[0].error, UnsupportedFileError)


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    _make(tmp_path, ["outside/secret", "inside/a"])
    (tmp_path / "inside/link").symlink_to(outside)
    items = list(walk(tmp_path / "inside"))
    assert [i.path for i in items if isinstance(i, Found)] == ["a"]
    assert [i.path for i in items if isinstance(i, Fault)] == ["link"]


def test_a_decomposed_name_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "u\u0308").write_bytes(b"")
    (item,) = walk(tmp_path)
    assert isinstance(item, Fault)
    assert "normal form" in item.error.detail


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to read everything, if the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_an_unreadable_directory_is_a_fault_and_the_rest_goes_on() -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        root.chmod(0o755)
        _make(root, ["a", "locked/b", "z"])
        (root / "locked").chmod(0)
        with as_nobody():
            items = list(walk(root))
        (root / "locked").chmod(0o755)
    assert [i.path for i in items] == ["a", "locked", "z"]
    assert isinstance(items[1], Fault)
    assert isinstance(items[1].error, UnreadableFileError)


def _entry(path: str, stamp: Stamp, *, later_ns: int, sha256: str = "0" * 64) -> Entry:
    return Entry(
        path=path,
        stamp=stamp,
        sha256=sha256,
        crc64nvme="AAAAAAAAAAA=",
        version="v",
        recorded_ns=stamp.mtime_ns + later_ns,
    )


def _stamp(path: Path) -> Stamp:
    return Stamp.of(path.stat())


def _sights(root: Path, *entries: Entry, checksum: bool = False) -> list[Sight]:
    seen = survey(root, entries, checksum=checksum)
    return [sight for sight in seen if isinstance(sight, Sight)]


def test_an_old_file_with_the_same_stamp_is_trusted(tmp_path: Path) -> None:
    _make(tmp_path, ["a"])
    entry = _entry("a", _stamp(tmp_path / "a"), later_ns=2_000_000_001)
    (sight,) = _sights(tmp_path, entry)
    assert (sight.entry, sight.is_same, sight.is_renewed) == (entry, True, False)


def test_a_file_as_young_as_its_entry_is_read_again(tmp_path: Path) -> None:
    _make(tmp_path, ["a"])
    entry = _entry("a", _stamp(tmp_path / "a"), later_ns=2_000_000_000)
    (sight,) = _sights(tmp_path, entry)
    assert not sight.is_same


def test_checksum_reads_what_would_be_trusted(tmp_path: Path) -> None:
    _make(tmp_path, ["a"])
    entry = _entry("a", _stamp(tmp_path / "a"), later_ns=10**12)
    (sight,) = _sights(tmp_path, entry, checksum=True)
    assert not sight.is_same


def test_another_inode_is_read_again(tmp_path: Path) -> None:
    _make(tmp_path, ["a"])
    stamp = _stamp(tmp_path / "a")
    other = Stamp(stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode + 1)
    (sight,) = _sights(tmp_path, _entry("a", other, later_ns=10**12))
    assert not sight.is_same


def test_what_was_read_again_and_is_the_same_gets_its_new_stamp(tmp_path: Path) -> None:
    _make(tmp_path, ["a"])
    empty = hashlib.sha256().hexdigest()
    entry = _entry("a", Stamp(0, 0, 0, 0), later_ns=0, sha256=empty)
    (sight,) = _sights(tmp_path, entry)
    assert (sight.is_same, sight.is_renewed) == (True, True)
    assert sight.entry is not None
    assert sight.entry.stamp == _stamp(tmp_path / "a")


def test_what_lies_below_a_fault_is_not_taken_for_deleted(tmp_path: Path) -> None:
    (tmp_path / "d").symlink_to(tmp_path)
    _make(tmp_path, ["d-x"])
    stamp = Stamp(0, 0, 0, 0)
    entries = [_entry(p, stamp, later_ns=0) for p in ("d", "d.gone", "d/a", "gone")]
    assert [s.path for s in _sights(tmp_path, *entries) if s.found is None] == [
        "d.gone",
        "gone",
    ]
    assert [e.path for e in deleted(tmp_path, entries)] == ["d.gone", "gone"]


def test_nothing_is_deleted_if_the_directory_itself_cannot_be_read(
    tmp_path: Path,
) -> None:
    stamp = Stamp(0, 0, 0, 0)
    entries = [_entry(path, stamp, later_ns=0) for path in ("-a", "a")]
    (fault,) = survey(tmp_path / "none", entries)
    assert isinstance(fault, Fault)
    assert fault.path == "."


@given(PATHS, PATHS)
def test_a_survey_knows_each_path_of_either_side(
    here: list[str], known: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        made = set(_make(root, here))
        entries = [_entry(p, Stamp(1, 0, 0, 0), later_ns=0) for p in sorted(known)]
        seen = _sights(root, *entries)
    assert [s.path for s in seen] == sorted(made | set(known))
    assert {s.path for s in seen if s.found} == made
    assert {s.path for s in seen if s.entry} == set(known)


def test_one_file_is_looked_at_as_a_walk_finds_it(tmp_path: Path) -> None:
    _make(tmp_path, ["d/a", "f"])
    (tmp_path / "link").symlink_to(tmp_path / "d")
    for item in walk(tmp_path):
        seen = look(tmp_path, item.path)
        assert type(seen) is type(item)
        assert seen == item or isinstance(item, Fault)
    # What is reached through a link is not in the directory, nor is a directory a file.
    assert [look(tmp_path, p) for p in ("link/a", "d", "none", "f/x")] == [None] * 4
