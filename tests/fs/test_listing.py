"""What the file system lists, and how little it asks for that."""

import time
from pathlib import PurePosixPath
from types import SimpleNamespace

import pytest

from hutch import Client
from hutch.contract.wire.datasets import PrincipalKind, Right
from hutch.fs import HutchFileSystem, listing
from hutch.fs.datasets import CLOSED_S
from tests.fs.conftest import TREE, Asked, NewShown, fs_of
from tests.servers import StoreServer

DIRECTORIES = {"a", "a/b", "µ"}


@pytest.fixture(scope="module")
def store_server(minio: StoreServer) -> StoreServer:
    """One store is enough: nobody asks it for a list."""
    return minio


@pytest.fixture(scope="module", params=["open", "closed"])
def root(request: pytest.FixtureRequest, shown: NewShown) -> str:
    """A dataset with the tree, open or closed."""
    return shown(closed=request.param == "closed").root


def test_a_directory_lists_what_lies_in_it(fs: HutchFileSystem, root: str) -> None:
    for inside in ("", *sorted(DIRECTORIES)):
        here = [p for p in {*TREE, *DIRECTORIES} if _parent(p) == inside]
        path = f"{root}/{inside}".rstrip("/")
        assert fs.ls(f"hutch://{path}", detail=False) == sorted(
            f"{root}/{p}" for p in here
        )
        kinds = {info["name"]: info["type"] for info in fs.ls(path)}
        assert {n for n, kind in kinds.items() if kind == "directory"} == {
            f"{root}/{p}" for p in here if p in DIRECTORIES
        }


def _parent(path: str) -> str:
    above = str(PurePosixPath(path).parent)
    return "" if above == "." else above


def test_a_file_is_told_by_its_size_version_and_checksum(
    fs: HutchFileSystem, root: str
) -> None:
    info = fs.info(f"{root}/a.txt")
    assert (info["size"], info["type"]) == (10, "file")
    assert fs.ls(f"{root}/a.txt") == [info]
    assert info in fs.ls(root)
    assert len(info["sha256"]) == 64
    assert info["version"]
    assert fs.modified(f"{root}/a.txt") == info["committed_at"]
    assert fs.ukey(f"{root}/a.txt") != fs.ukey(f"{root}/a0")


def test_owners_and_their_datasets_are_directories(
    fs: HutchFileSystem, root: str
) -> None:
    owner = root.partition("/")[0]
    assert fs.ls("hutch://", detail=False) == [owner]
    datasets = fs.ls(f"hutch://{owner}", detail=False)
    assert root in datasets
    assert datasets == sorted(datasets)
    assert fs.ls(owner)[0]["state"] in {"open", "closed"}
    assert [fs.isdir(p) for p in ("", owner, root, f"{root}/a")] == [True] * 4
    assert fs.isfile(f"{root}/a/d")


def test_what_is_not_there_is_not_found(fs: HutchFileSystem, root: str) -> None:
    inside = ("nothing", "a/b/c/d", "/a.txt", "../x", "\x00", " ")
    missing = [f"{root}/{path}" for path in inside]
    missing += [f"{root}2/a.txt", "nobody", "nobody/at/all", "no name/here", "a//b"]
    for path in missing:
        assert not fs.exists(path)
        assert (fs.glob(path), fs.find(path)) == ([], [])
        for ask in (fs.ls, fs.info, fs.open, fs.cat_file):
            with pytest.raises(FileNotFoundError):
                ask(path)
    assert fs.isdir(f"{root}/a/")  # a slash at the end does no harm


def test_what_one_may_not_read_is_not_there(
    shown: NewShown, anna: Client, ben: Client
) -> None:
    secret = shown()
    owner = secret.root.partition("/")[0]
    theirs = fs_of(ben, use_listings_cache=False)
    assert theirs.ls("") == []
    for path in (owner, secret.root, f"{secret.root}/a.txt"):
        assert not theirs.exists(path)
        with pytest.raises(FileNotFoundError):
            theirs.ls(path)
    with pytest.raises(FileNotFoundError, match="No dataset that you may"):
        theirs.cat_file(f"{secret.root}/a.txt")
    anna.datasets.share(
        secret.workdir.dataset,
        kind=PrincipalKind.USER,
        name=ben.account.whoami().user.name,
        right=Right.READ,
    )
    assert theirs.ls("", detail=False) == [owner]
    assert theirs.cat_file(f"{secret.root}/a.txt") == TREE["a.txt"]


def test_find_glob_and_walk_see_the_same_tree(fs: HutchFileSystem, root: str) -> None:
    files = sorted(f"{root}/{p}" for p in TREE)
    assert fs.find(root) == files
    assert sorted(fs.find(root, withdirs=True)) == sorted(
        [root, *files, *(f"{root}/{p}" for p in DIRECTORIES)]
    )
    assert fs.find(f"{root}/a") == [f"{root}/a/b/c", f"{root}/a/d"]
    assert fs.find(f"{root}/a.txt") == [f"{root}/a.txt"]
    assert fs.find(root, maxdepth=1) == [f for f in files if f.count("/") == 2]
    assert fs.glob(f"hutch://{root}/**/*.csv") == [f"{root}/µ/ü.csv"]
    assert fs.glob(f"{root}/a*") == [f"{root}/a{x}" for x in ("", "-b", ".txt", "0")]
    assert f"{root}/a0" in fs.glob(f"{root.partition('/')[0]}/*/a0")
    walked = [f"{d}/{f}" for d, _, names in fs.walk(root) for f in names]
    assert sorted(walked) == files
    assert fs.du(root) == sum(map(len, TREE.values()))


def test_an_empty_dataset_is_an_empty_directory(
    fs: HutchFileSystem, shown: NewShown
) -> None:
    root = shown({}).root
    assert fs.ls(root) == fs.find(root) == []
    assert fs.isdir(root)


def test_a_listing_goes_past_what_lies_deeper(
    fs: HutchFileSystem,
    shown: NewShown,
    asked: Asked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "FIRST_PAGE", 2)
    monkeypatch.setattr(listing, "PAGE", 3)
    deep = {f"raw/{n:02}/{m}.tif": b"x" for n in range(3) for m in range(20)}
    root = shown(deep | {"notes": b"", "zarr.json": b""}).root
    asked.take()
    assert fs.ls(root, detail=False) == [
        f"{root}/{x}" for x in ("notes", "raw", "zarr.json")
    ]
    assert len(asked.take()) <= 4  # of 22 pages
    assert [info["name"][-2:] for info in fs.ls(f"{root}/raw")] == ["00", "01", "02"]
    assert len(asked.take()) <= 5


def test_a_closed_dataset_is_listed_once(
    fs: HutchFileSystem, shown: NewShown, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shown().root
    first = fs.ls(f"{root}/a"), fs.info(f"{root}/a.txt")
    assert asked.take()
    assert (fs.ls(f"{root}/a"), fs.info(f"{root}/a.txt")) == first
    assert asked.take() == []
    _let_pass(monkeypatch, CLOSED_S + 1)
    assert (fs.ls(f"{root}/a"), fs.info(f"{root}/a.txt")) == first
    assert asked.take() == ["GET /v1/datasets"]  # is it there, under this name?
    fs.invalidate_cache()
    fs.ls(f"{root}/a")
    assert len(asked.take()) == 2


def test_an_open_dataset_is_believed_for_a_while(
    anna: Client, shown: NewShown, asked: Asked
) -> None:
    growing = shown({"1": b"1"}, closed=False)
    slow = fs_of(anna, listings_expiry_time=60)
    always = fs_of(anna, use_listings_cache=False)
    for one in (slow, always):
        assert one.ls(growing.root, detail=False) == [f"{growing.root}/1"]
    asked.take()
    always.ls(growing.root)
    assert asked.take() == ["GET /v1/datasets"]  # the same revision
    growing.put({"2": b"22"})
    asked.take()
    both = [f"{growing.root}/{n}" for n in "12"]
    assert slow.ls(growing.root, detail=False) == both[:1]
    assert asked.take() == []
    assert slow.ls(growing.root, detail=False, refresh=True) == both
    assert always.ls(growing.root, detail=False) == both


def test_files_are_found_with_their_neighbours(
    fs: HutchFileSystem, shown: NewShown, asked: Asked
) -> None:
    names = [f"c/{n:03}" for n in range(100)]
    root = shown(dict.fromkeys(names, b"x")).root
    asked.take()
    for name in names:
        assert fs.info(f"{root}/{name}")["size"] == 1
    assert len(asked.take()) <= 9
    assert not fs.exists(f"{root}/c/0005")
    asked.take()
    assert not fs.exists(f"{root}/c/0005")
    assert asked.take() == []  # what is not there is remembered too


def _let_pass(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    real = time.monotonic
    late = SimpleNamespace(monotonic=lambda: real() + seconds)
    monkeypatch.setattr("hutch.fs.datasets.time", late)
