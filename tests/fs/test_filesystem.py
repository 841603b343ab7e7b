"""The file system as fsspec and other processes have it."""

import errno
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

from hutch import Client, credentials
from hutch.contract.wire.accounts import Scope, TokenIn
from hutch.contract.wire.datasets import PrincipalKind, Right
from hutch.credentials import Credential
from hutch.errors import FileChangedError, NotFoundError, NotLoggedInError
from hutch.fs import HutchFileSystem
from tests.fs import elsewhere
from tests.fs.conftest import TREE, NewShown, fs_of
from tests.servers import StoreServer


@pytest.fixture(scope="module")
def store_server(minio: StoreServer) -> StoreServer:
    """One store is enough: nothing here depends on what it answers."""
    return minio


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Be somebody who has not logged in."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("HUTCH_URL", "HUTCH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    HutchFileSystem.clear_instance_cache()


def _token(client: Client) -> str:
    token = client._connection.token
    assert token is not None
    return token


def test_fsspec_finds_it_by_its_protocol(
    anna: Client, tree: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"hutch://{tree}/a.txt"
    options = {"url": anna.url, "token": _token(anna)}
    with fsspec.open(url, **options) as file:
        assert file.read() == TREE["a.txt"]
    with pytest.raises(PermissionError, match="not logged in") as refused:
        fsspec.open(url).open()
    assert isinstance(refused.value.__cause__, NotLoggedInError)
    monkeypatch.setenv("HUTCH_URL", anna.url)
    monkeypatch.setenv("HUTCH_TOKEN", _token(anna))
    with fsspec.open(url, "rt") as file:
        assert file.read() == "0123456789"


def test_the_last_login_is_taken(anna: Client, tree: str) -> None:
    url = f"hutch://{tree}/a.txt"
    credentials.keep(Credential(url=anna.url, token=_token(anna)))
    fs, path = fsspec.url_to_fs(url)
    assert fs.cat_file(path) == TREE["a.txt"]
    assert _token(anna).encode() not in pickle.dumps(fs)


def test_a_token_is_not_shown(anna: Client, tree: str) -> None:
    root, token = tree, _token(anna)
    options = {"url": anna.url, "token": token}
    fs = fsspec.filesystem("hutch", **options)
    copy = pickle.loads(pickle.dumps(fs))  # noqa: S301 - our own
    opened = fsspec.open(f"hutch://{root}/a.txt", **options)
    for one in (fs, copy):
        with one.open(f"{root}/a.txt") as file:
            texts = [one, file, one.storage_options, one.get_mapper(root), opened]
            texts += [one.info(root), one.ls(root), file.full_name, file.__reduce__()]
            texts += [one.to_json(), one.to_dict(), one.to_json(include_password=False)]
            texts += [AsyncFileSystemWrapper(one), one.unstrip_protocol(root)]
            texts += [vars(one), one._fs_token]
        assert [t for t in texts if token in repr(t) or token in str(t)] == []
    again = fsspec.AbstractFileSystem.from_json(fs.to_json())
    with pytest.raises(PermissionError):
        again.ls(root)  # whoever reads the description needs a token of their own


def test_a_token_that_is_given_travels_in_a_pickle(
    anna: Client, ben: Client, tree: str
) -> None:
    mine, theirs = (
        pickle.loads(pickle.dumps(fs_of(one)))  # noqa: S301 - our own
        for one in (anna, ben)
    )
    assert mine.cat_file(f"{tree}/a.txt") == TREE["a.txt"]
    assert not theirs.exists(tree)
    assert mine != theirs


def test_a_token_needs_its_server() -> None:
    with pytest.raises(ValueError, match="url="):
        HutchFileSystem(token="hutch_x")


@pytest.mark.parametrize("how", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_other_processes_read_too(anna: Client, tree: str, how: str) -> None:
    fs = fs_of(anna)
    file = fs.open(f"{tree}/a.txt", cache_type="none")
    assert file.read(2) == b"01"  # its sockets are open when the process forks
    context: Any = multiprocessing.get_context(how)
    answers = context.SimpleQueue()
    given = (fs, tree, file, answers)  # a fork has them as they are
    others = [context.Process(target=elsewhere.read, args=given) for _ in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
        assert other.exitcode == 0
        assert answers.get() == (b"3456", b"234567")
    assert file.read() == b"23456789"


def test_an_open_file_keeps_its_version_elsewhere(
    anna: Client, shown: NewShown
) -> None:
    growing = shown({"f": b"old"}, closed=False)
    file = fs_of(anna).open(f"{growing.root}/f", cache_type="none")
    file.seek(1)
    sent = pickle.dumps(file)
    growing.put({"f": b"new"})
    copy = pickle.loads(sent)  # noqa: S301 - our own
    assert copy.tell() == 1
    with pytest.raises(FileChangedError):
        copy.read()


def test_threads_share_one(anna: Client, shown: NewShown) -> None:
    root = shown({f"{n}": b"%d" % n for n in range(40)}).root
    fs, got = fs_of(anna), dict[int, bytes]()

    def read(n: int) -> None:
        got[n] = fs.cat_file(f"{root}/{n}")

    threads = [threading.Thread(target=read, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {n: b"%d" % n for n in range(40)}


def _writes(fs: HutchFileSystem, path: str, local: str) -> list[Callable[[], Any]]:
    return [
        lambda: fs.open(path, "wb"),
        lambda: fs.open(path, "a"),
        lambda: fs.open(path, "xb"),
        lambda: fs.write_text(path, "x"),
        lambda: fs.write_bytes(path, b"x"),
        lambda: fs.pipe({path: b"x"}),
        lambda: fs.touch(path),
        lambda: fs.mkdir(path),
        lambda: fs.makedirs(path, exist_ok=True),
        lambda: fs.mkdirs(path),
        lambda: fs.rmdir(path),
        lambda: fs.rm(path, recursive=True),
        lambda: fs.rm_file(path),
        lambda: fs.delete(path),
        lambda: fs.cp(path, f"{path}2"),
        lambda: fs.mv(path, f"{path}2"),
        lambda: fs.rename(path, f"{path}2"),
        lambda: fs.put(local, path),
        lambda: fs.put_file(local, path),
        lambda: fs.upload(local, path),
        lambda: fs.get_mapper(path).update({"x": b"y"}),
    ]


def test_nothing_can_be_written(anna: Client, shown: NewShown, tmp_path: Path) -> None:
    growing = shown(closed=False)
    fs = fs_of(anna)
    local = tmp_path / "local"
    local.write_bytes(b"x")
    for write in _writes(fs, f"{growing.root}/a.txt", str(local)):
        with pytest.raises(OSError, match="read-only") as refused:
            write()
        assert refused.value.errno == errno.EROFS
    assert fs.cat(growing.root, recursive=True) == {
        f"{growing.root}/{path}": data for path, data in TREE.items()
    }


def test_a_token_that_is_not_taken_is_no_absence(
    anna: Client, tree: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUTCH_URL", anna.url)
    monkeypatch.setenv("HUTCH_TOKEN", "hutch_nothing")
    fs = fsspec.filesystem("hutch")
    asks: list[Callable[[str], Any]] = [fs.exists, fs.isdir, fs.isfile, fs.ls, fs.find]
    asks += [fs.info, fs.cat_file, fs.open, lambda p: fs.glob(f"{p}/*")]
    asks += [lambda _: fs.glob("*"), lambda p: list(fs.walk(p))]
    for ask in asks:
        with pytest.raises(PermissionError) as refused:
            ask(tree)
        assert isinstance(refused.value, OSError)
    # Whoever logs in again need not begin anew.
    monkeypatch.setenv("HUTCH_TOKEN", _token(anna))
    assert fs.exists(tree)


def test_a_token_without_the_right_scope_is_refused(anna: Client, tree: str) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    wanted = TokenIn(name="weak", scopes=(Scope.ACCOUNT,), expires_at=soon)
    weak = anna.tokens.create(wanted)
    fs = HutchFileSystem(url=anna.url, token=weak.token, skip_instance_cache=True)
    with pytest.raises(PermissionError):
        fs.ls(tree)


def test_a_right_that_was_lost_ends_the_reading(
    anna: Client, ben: Client, shown: NewShown
) -> None:
    shared = shown()
    name, user = ben.account.whoami().user.name, PrincipalKind.USER
    datasets, dataset = anna.datasets, shared.workdir.dataset
    datasets.share(dataset, kind=user, name=name, right=Right.READ)
    theirs = fs_of(ben)
    assert theirs.cat_file(f"{shared.root}/a0") == TREE["a0"]
    datasets.unshare(dataset, kind=user, name=name)
    with pytest.raises(FileNotFoundError) as gone:
        theirs.cat_file(f"{shared.root}/a-b", 1)  # whose signature was never given
    assert isinstance(gone.value.__cause__, NotFoundError)


def test_without_its_library_an_import_says_what_to_do() -> None:
    program = (
        "import sys; sys.modules['fsspec'] = None\n"
        "import hutch\n"
        "try: import hutch.fs\n"
        "except hutch.errors.ExtraMissingError as e: print(e.facts['extra'])"
    )
    done = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == "fs\n"


def test_a_program_ends_without_a_word(anna: Client, tree: str) -> None:
    program = (
        "import fsspec, sys\n"
        "fs, path = fsspec.url_to_fs(sys.argv[1])\n"
        "print(fs.cat_ranges([path] * 3, 0, 2))\n"
        "file = fs.open(path); file.read(1)\n"
    )
    url = f"hutch://{tree}/a.txt"
    environ = {"HUTCH_URL": anna.url, "HUTCH_TOKEN": _token(anna)}
    done = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-W", "error", "-X", "dev", "-c", program, url],
        check=True,
        capture_output=True,
        text=True,
        env=dict(os.environ) | environ,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[b'01', b'01', b'01']\n", "")


def test_a_description_makes_it_again(anna: Client) -> None:
    fs = fs_of(anna, listings_expiry_time=7)
    told = json.loads(fs.to_json())
    assert told["url"] == anna.url
    assert told["listings_expiry_time"] == 7
    assert "token" not in told
