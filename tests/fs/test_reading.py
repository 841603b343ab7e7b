"""Bytes that are read: the right ones, of one version, signed together."""

from dataclasses import replace
from datetime import timedelta
from io import SEEK_END

import pytest

from hutch import Client, push
from hutch.contract.parts import MIB
from hutch.errors import CorruptDataError, FileChangedError
from hutch.fs import HutchFileSystem, datasets, reading
from hutch.fs.datasets import Dataset
from hutch.fs.file import HutchFile
from hutch.fs.places import Place
from tests.client.live import Live
from tests.fs.conftest import TREE, Asked, NewShown, Shown, fs_of

SIZE = 300_000
BIG = bytes(n * n % 251 for n in range(SIZE))


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 64 * 1024)


def _known(fs: HutchFileSystem, root: str) -> Dataset:
    assert fs._session is not None
    return fs._session.catalogue.find(Place.parse(root))[1]


def test_bytes_are_chosen_as_a_slice_does(fs: HutchFileSystem, shown: NewShown) -> None:
    root = shown({"big": BIG, "empty": b"", "small": b"0123456789"}).root
    ends = (None, 0, 1, 5, -3, -SIZE, SIZE, SIZE - 1, SIZE + 9, -SIZE - 9, 70_000)
    wanted = [(start, end) for start in ends for end in ends]
    for name, data in (("big", BIG), ("small", b"0123456789"), ("empty", b"")):
        paths = [f"hutch://{root}/{name}"] * len(wanted)
        starts, stops = map(list, zip(*wanted, strict=True))
        got = fs.cat_ranges(paths, starts, stops, on_error="raise")
        assert got == [data[start:end] for start, end in wanted]
    assert fs.cat_file(f"{root}/big", 10, 20) == BIG[10:20]
    assert fs.read_block(f"{root}/big", 299_990, 100) == BIG[-10:]
    assert (fs.head(f"{root}/small", 3), fs.tail(f"{root}/small", 3)) == (
        b"012",
        b"789",
    )


def test_many_ranges_are_signed_in_one_call(
    fs: HutchFileSystem, shown: NewShown, asked: Asked
) -> None:
    one, other = shown({f"{n:02}": b"x" * n for n in range(30)}), shown()
    paths = [f"{one.root}/{n:02}" for n in range(1, 30)] * 2
    asked.take()
    assert fs.cat_ranges(paths, 0, 5) == [b"x" * min(5, n) for n in range(1, 30)] * 2
    assert asked.signings() == 1
    assert len(asked.take()) == 3  # the dataset, a page of files, the signatures
    assert fs.cat_ranges([*paths, f"{other.root}/a.txt"], -2, None)[-1] == b"89"
    assert asked.signings() == 1  # of the other dataset
    asked.take()
    fs.cat_ranges(paths, 0, 5)
    assert asked.take() == []


def test_errors_stand_where_bytes_would_be(fs: HutchFileSystem, tree: str) -> None:
    paths = [f"{tree}/a.txt", f"{tree}/none", f"{tree}/a", "nobody/x/y", tree, "x"]
    got = fs.cat_ranges(paths, 0, [2, 1, 1, 1, 1, 1])
    assert got[0] == b"01"
    kinds = [FileNotFoundError, IsADirectoryError, FileNotFoundError]
    kinds += [IsADirectoryError, FileNotFoundError]
    assert [type(e) for e in got[1:]] == kinds
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(paths, 0, 1, on_error="raise")
    with pytest.raises(IsADirectoryError):
        fs.open(f"{tree}/a")
    with pytest.raises(IsADirectoryError):
        fs.open(tree)


def test_several_files_are_read_at_once(fs: HutchFileSystem, tree: str) -> None:
    whole = {f"{tree}/{path}": data for path, data in TREE.items()}
    assert fs.cat(f"{tree}/a", recursive=True) == {
        p: data for p, data in whole.items() if p.startswith(f"{tree}/a/")
    }
    assert fs.cat(f"{tree}/a.txt") == TREE["a.txt"]
    assert fs.cat([f"{tree}/a.txt", f"{tree}/none"], on_error="omit") == {
        f"{tree}/a.txt": TREE["a.txt"]
    }
    mapper = fs.get_mapper(tree)
    assert dict(mapper) == {p.removeprefix(f"{tree}/"): d for p, d in whole.items()}
    assert mapper.getitems(["a0", "no"], on_error="omit") == {"a0": b"after"}


def test_an_open_file_is_read_as_any_other(
    fs: HutchFileSystem, shown: NewShown
) -> None:
    root = shown({"big": BIG, "empty": b"", "t.csv": TREE["µ/ü.csv"]}).root
    with fs.open(f"{root}/big", block_size=1000) as file:
        assert (file.size, file.seekable(), file.writable()) == (SIZE, True, False)
        assert file.read(10) == BIG[:10]
        assert file.read(150_000) == BIG[10:150_010]  # past the cache
        assert file.tell() == 150_010
        file.seek(-5, SEEK_END)
        assert file.read() == BIG[-5:]
        assert file.read() == file.read(5000) == b""
        file.seek(SIZE + 5)
        assert file.read() == b""
        file.seek(100)
        buffer = bytearray(2500)
        assert file.readinto(buffer) == 2500
        assert buffer == BIG[100:2600]
        assert file.read() == BIG[2600:]
    with fs.open(f"{root}/empty") as file:
        assert file.read() == b""
    with fs.open(f"{root}/t.csv", "r", newline="") as text:
        assert list(text) == ["x,y\n", "1,2\n", "3,4\n"]


def test_a_long_span_comes_in_several_requests(
    live: Live, fs: HutchFileSystem, shown: NewShown
) -> None:
    root = shown({"big": BIG}).root
    live.line.cut_answer_after = 50_000
    assert fs.cat_file(f"{root}/big") == BIG  # one of them was cut, and went on
    assert live.line.cut_answer_after is None


def test_files_read_one_by_one_are_signed_together_soon(
    fs: HutchFileSystem, shown: NewShown, asked: Asked
) -> None:
    names = [f"c/{n:03}" for n in range(100)]
    root = shown({name: name.encode() for name in names}).root
    fs.ls(f"{root}/c")
    asked.take()
    for name in names:
        with fs.open(f"{root}/{name}") as file:
            assert file.read() == name.encode()
    assert asked.signings() <= 8


def test_a_signature_that_has_run_out_is_asked_anew(
    live: Live,
    fs: HutchFileSystem,
    tree: str,
    asked: Asked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signer = live.site.objects._signer  # type: ignore[attr-defined]
    real = signer._clock
    monkeypatch.setattr(signer, "_clock", lambda: real() - timedelta(minutes=11))
    file = fs.open(f"{tree}/a.txt", cache_type="none")
    _known(fs, tree).sign([file._pinned])
    monkeypatch.setattr(signer, "_clock", real)
    asked.take()
    assert file.read(3) == b"012"  # the store has refused it first
    assert asked.signings() == 1
    assert file.read(3) == b"345"
    assert asked.signings() == 1
    monkeypatch.setattr(datasets, "LIFE", 0.0)
    _known(fs, tree)._held.clear()
    assert (file.read(1), file.read(1)) == (b"6", b"7")
    assert asked.signings() == 3  # what is nearly over is not even tried


def test_a_refused_signature_is_asked_anew(
    fs: HutchFileSystem, tree: str, asked: Asked
) -> None:
    assert fs.cat_file(f"{tree}/a.txt") == TREE["a.txt"]
    held = _known(fs, tree)._held
    for key, (request, until_s) in list(held.items()):
        url = request.url[:-1] + ("1" if request.url[-1] == "0" else "0")
        held[key] = replace(request, url=url), until_s
    asked.take()
    assert fs.cat_file(f"{tree}/a.txt", 2, 4) == b"23"
    assert asked.signings() == 1


def _replaced(shown: NewShown) -> Shown:
    return shown({"f": b"old" * MIB, "other": b"o"}, closed=False)


def test_an_open_file_stays_with_its_version(
    fs: HutchFileSystem, shown: NewShown
) -> None:
    growing = _replaced(shown)
    file = fs.open(f"{growing.root}/f", block_size=1000)
    assert file.read(3000) == b"old" * 1000
    growing.put({"f": b"new" * MIB})
    fs.invalidate_cache()
    assert file.read(3000) == b"old" * 1000  # the old version is still signed
    assert fs.cat_file(f"{growing.root}/f", 0, 6) == b"newnew"
    _known(fs, growing.root)._held.clear()
    for length in (3000, 999_999):
        with pytest.raises(FileChangedError):
            file.read(length)
    with fs.open(f"{growing.root}/f") as fresh:
        assert fresh.read(6) == b"newnew"


def test_a_path_is_what_the_dataset_holds_now(
    anna: Client, shown: NewShown, asked: Asked
) -> None:
    growing = _replaced(shown)
    slow = fs_of(anna, listings_expiry_time=600)
    old = slow.info(f"{growing.root}/f")
    growing.put({"f": b"new!"})
    assert slow.info(f"{growing.root}/f") == old
    asked.take()
    assert slow.cat_file(f"{growing.root}/f") == b"new!"  # its version was not signed
    assert asked.signings() == 2
    (growing.workdir.root / "f").unlink()
    push(growing.workdir, anna, delete=True)
    _known(slow, growing.root)._held.clear()
    with pytest.raises(FileNotFoundError):
        slow.cat_file(f"{growing.root}/f")


def test_a_whole_file_is_compared_with_the_dataset(
    fs: HutchFileSystem, shown: NewShown
) -> None:
    root = shown({"big": BIG}).root
    assert fs.cat_file(f"{root}/big") == BIG
    files = _known(fs, root).listing._files
    known = files["big"]
    assert known is not None
    files["big"] = replace(known, crc64nvme="AAAAAAAAAAA=")
    assert fs.cat_file(f"{root}/big", 1) == BIG[1:]
    with pytest.raises(CorruptDataError):
        fs.cat_file(f"{root}/big")


def test_a_file_gets_to_the_disk_too(
    live: Live, fs: HutchFileSystem, shown: NewShown
) -> None:
    root = shown({"sub/big": BIG}).root
    target = live.scratch / root.replace("/", "-")
    fs.get(f"{root}/sub", str(target), recursive=True)
    assert (target / "big").read_bytes() == BIG


def test_a_file_tells_which_it_is(fs: HutchFileSystem, tree: str) -> None:
    with fs.open(f"{tree}/a.txt") as file:
        assert isinstance(file, HutchFile)
        assert file.info() == fs.info(f"{tree}/a.txt")
        assert file.full_name == f"hutch://{tree}/a.txt"
