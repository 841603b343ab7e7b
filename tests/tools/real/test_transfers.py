"""Every tool does its work by the settings that ``hutch s3`` writes, on each store."""

import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from hutch import s3_client, s3_keys
from hutch.tools import keys, private
from hutch_api.services.upkeep import run_once
from hutch_api.worker.loop import beside
from tests.e2e.stage import Person, id_of, tree, write
from tests.tools.real.conftest import Hutch
from tests.tools.real.peers import Tool

pytestmark = pytest.mark.slow

on_minio = pytest.mark.parametrize("store_server", ["minio"], indirect=True)
"""For what the tests of the stores have shown on both, as the policies do the rest."""
LARGE = 17 * 1024**2
"""More than the 16 MiB from which most tools use several parts on their own."""


def some_bytes(count: int) -> bytes:
    return random.Random(7).randbytes(count)  # noqa: S311 - any bytes will do


FILES = {
    "a.txt": b"hello\n",
    "empty": b"",
    "dir/\u00fc b+c&d.txt": b"x" * 70_000,
    "dir/deep/large.bin": some_bytes(LARGE),
}


def test_a_tool_sends_lists_and_fetches_a_tree(
    hutch: Hutch, anna: Person, kind: type[Tool], tmp_path: Path
) -> None:
    anna.dataset("tooth", {})
    tool = kind(anna, "tooth", write=True)
    source, target = tmp_path / "source", tmp_path / "target"
    write(source, FILES)
    sent = tool.url
    tool.run(tool.up(source, sent))
    assert is_in_parts(hutch)
    listed = tool.run(tool.ls(sent)).output.decode()
    assert [path for path in FILES if path not in listed] == []
    tool.run(tool.down(sent, target))
    assert tree(target) == FILES
    # An empty file has no range, which some ask for before they know.
    assert {s.status for s in hutch.watch.seen if s.is_of_file} <= {200, 204, 206, 416}
    with a_worker(hutch):
        anna.hutch("close", "tooth", "--adopt")
    assert tree_of_clone(anna) == FILES


@contextmanager
def a_worker(hutch: Hutch) -> Iterator[None]:
    """Have a worker read what tools wrote."""
    once = partial(run_once, hutch.site)
    with beside(once, pause=timedelta(seconds=0.1), stop=threading.Event()):
        yield


def is_in_parts(hutch: Hutch) -> bool:
    """Tell whether a file was sent in several parts."""
    parts = {
        seen.request.query["partNumber"][0]
        for seen in hutch.watch.seen
        if seen.request.method == "PUT" and "partNumber" in seen.request.query
    }
    return len(parts) > 1


def test_a_tool_fetches_what_hutch_pushed_and_closed(
    hutch: Hutch, anna: Person, kind: type[Tool], tmp_path: Path
) -> None:
    anna.closed("tooth", FILES)
    tool = kind(anna, "tooth")
    tool.run(tool.down(tool.url, tmp_path / "target"))
    assert tree(tmp_path / "target") == FILES
    first, count = 9_000_000, 1_000
    if words := tool.part(tool.url + "dir/deep/large.bin", first, count):
        whole = FILES["dir/deep/large.bin"]
        assert tool.run(words).output[:count] == whole[first : first + count]
    # Those that print no part of a file fetch large ones in parts.
    assert 206 in {seen.status for seen in hutch.watch.seen}
    check_sums(anna, tmp_path / "target")


def check_sums(person: Person, target: Path) -> None:
    """The sums of the server are those of the files; one changed byte is found."""
    printed = person.shell("files", "tooth", "--sha256sum").out
    sums = target.parent / "SHA256SUMS"
    sums.write_text(printed)
    check = ["sha256sum", "--check", "--strict", "--quiet", str(sums)]
    subprocess.run(check, cwd=target, check=True)  # noqa: S603 - a program of this machine
    (target / "a.txt").write_bytes(b"hallo\n")
    done = subprocess.run(  # noqa: S603 - as above
        check, cwd=target, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "a.txt: FAILED" in done.stdout


@on_minio
def test_a_delete_is_a_marker_over_what_stays(
    hutch: Hutch, anna: Person, kind: type[Tool]
) -> None:
    root = anna.pushed("tooth", {"a.txt": "hello\n", "b.txt": "b\n"})
    tool = kind(anna, "tooth", write=True)
    tool.run(tool.rm(tool.url + "a.txt"))
    assert "a.txt" not in tool.run(tool.ls(tool.url)).said
    rows = hutch.site.objects.versions(f"d/{id_of(root)}/a.txt")
    found = {(row.is_marker, row.is_latest) for row in rows}
    assert found == {(False, False), (True, True)}
    # It is still in the dataset, and read by its version.
    assert tree_of_clone(anna) == {"a.txt": b"hello\n", "b.txt": b"b\n"}


def tree_of_clone(person: Person) -> dict[str, bytes]:
    person.hutch("clone", "tooth", "again")
    return tree(person.home / "again")


@on_minio
def test_a_tool_reaches_nothing_else(
    hutch: Hutch, anna: Person, kind: type[Tool], tmp_path: Path
) -> None:
    """Not even another dataset of its owner's, nor the bucket, nor other buckets."""
    anna.pushed("tooth", {"a.txt": "hello\n"})
    anna.closed("mine", {"secret.txt": "whisper"})
    tool = kind(anna, "tooth", write=True)
    file = tmp_path / "new.txt"
    file.write_text("new")
    tool.run(tool.put(file, tool.url + "new.txt"))
    place = hutch.ready.place.buckets
    mine = anna.json("s3", "url", "mine")["url"]
    del hutch.watch.seen[:]
    for url in (mine, f"s3://{place.data}/", f"s3://{place.meta}/"):
        tool.refused(tool.ls(url))
    assert "whisper" not in tool.refused(tool.cat(mine + "secret.txt"))
    tool.refused(tool.put(file, mine + "new.txt"))
    # Tools ask about much beside, and everything is refused.
    assert {seen.status for seen in hutch.watch.seen} <= {403, 400, 404}
    assert 403 in {seen.status for seen in hutch.watch.seen}
    assert anna.json("files", "mine")["items"][0]["path"] == "secret.txt"
    with tool.start(tool.ls("s3://") if kind.name != "aws" else ["s3", "ls"]) as some:
        said = tool.ended(some).said
    assert place.data not in said
    assert place.meta not in said


@on_minio
def test_no_command_line_or_environment_holds_a_secret(
    hutch: Hutch, anna: Person, kind: type[Tool], tmp_path: Path
) -> None:
    """What others see of a running tool, and of what it runs for keys."""
    anna.closed("tooth", {"a.txt": "hello\n"})
    tool = kind(anna, "tooth")
    hutch.watch.hold_after(0)
    with tool.start(tool.down(tool.url, tmp_path / "target")) as process:
        assert hutch.watch.is_middle.wait(60)
        seen = [
            (Path("/proc") / str(pid) / name).read_bytes()
            for pid in (process.pid,)
            for name in ("cmdline", "environ")
        ]
        hutch.watch.go_on()
        assert tool.ended(process).status == 0
    kept = private.location({"XDG_CACHE_HOME": str(anna.home / ".cache")})
    held = [held for _, held in keys._kept(kept)]
    assert held
    for one in held:
        assert all(one.secret.encode() not in text for text in seen)
        assert all(one.key_id.encode() not in text for text in seen)


@on_minio
def test_keys_are_renewed_in_a_client_of_python(
    anna: Person, monkeypatch: pytest.MonkeyPatch, hutch: Hutch
) -> None:
    """``hutch.s3_client`` goes on when its keys have ended."""
    anna.closed("tooth", {"a.txt": "hello\n"})
    for name, value in (anna.extra | {"HOME": str(anna.home)}).items():
        monkeypatch.setenv(name, value)
    with anna.client() as client:
        dataset = client.find("tooth").id
        held = s3_keys(client, dataset)
        s3 = s3_client(client, dataset)
        wanted = {"Bucket": held.bucket, "Key": held.prefix + "a.txt"}
        assert s3.get_object(**wanted)["Body"].read() == b"hello\n"
        own = s3._request_signer._credentials
        first = own.get_frozen_credentials().access_key
        assert own._expiry_time == held.good_until
        # Its time is over, as far as it knows, and somebody ended the account.
        client.store_accounts.revoke(held.account)
        own._expiry_time = own._time_fetcher()
        assert s3.get_object(**wanted)["Body"].read() == b"hello\n"
        assert own.get_frozen_credentials().access_key != first
