"""Interrupted pushes and clones go on where they were."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from hutch import Client, Workdir, clone, push
from hutch.contract.parts import MIB, PART_SIZE
from hutch.progress import Event, Moved
from hutch.workdir.journal import open_journal
from tests.client.live import Live, read

PARTS = 3
SIZE = PARTS * PART_SIZE

_KILLED = """
import os, signal, sys
from pathlib import Path
import hutch
from hutch.progress import Moved
moved = 0
def tell(event):
    global moved
    if isinstance(event, Moved):
        moved += event.bytes
        if moved >= {after}:
            os.kill(os.getpid(), signal.SIGKILL)
workdir = hutch.open_workdir(Path(sys.argv[1]))
client = hutch.connect(workdir.server, token=sys.argv[2])
hutch.push(workdir, client, jobs=1, tell=tell)
"""


def _kill_push(workdir: Workdir, client: Client, *, after: int) -> None:
    ended = subprocess.run(  # noqa: S603 - this Python, no shell
        [
            sys.executable,
            "-c",
            _KILLED.format(after=after),
            str(workdir.root),
            client._connection.token or "",
        ],
        check=False,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL


def test_a_killed_push_sends_only_the_rest_of_a_large_file(
    live: Live, anna: Client
) -> None:
    data = os.urandom(SIZE)
    workdir = live.workdir(anna, {"large": data})
    _kill_push(workdir, anna, after=PART_SIZE + MIB)
    before = live.line.sent
    assert push(workdir, anna).problems == ()
    assert live.line.sent - before < (PARTS - 1) * PART_SIZE + MIB
    target = live.scratch / "clone"
    clone(anna, anna.datasets.get(workdir.dataset), target)
    assert (target / "large").read_bytes() == data


def test_a_killed_push_of_many_files_sends_none_twice(live: Live, anna: Client) -> None:
    files = {f"f{n:03}": os.urandom(100_000) for n in range(60)}
    workdir = live.workdir(anna, files)
    _kill_push(workdir, anna, after=30 * 100_000)
    before = live.line.sent
    report = push(workdir, anna)
    assert report.problems == ()
    # one file was under way and may be sent again; headers are counted too
    assert live.line.sent - before < 33 * 100_000
    target = live.scratch / "clone"
    clone(anna, anna.datasets.get(workdir.dataset), target)
    assert read(target) == files


def test_ctrl_c_ends_a_push_and_it_goes_on_later(live: Live, anna: Client) -> None:
    workdir = live.workdir(anna, {f"f{n}": os.urandom(MIB) for n in range(30)})
    moved = 0

    def interrupt(event: Event) -> None:
        nonlocal moved
        if isinstance(event, Moved):
            moved += event.bytes
            if moved == 10 * MIB:
                os.kill(os.getpid(), signal.SIGINT)  # as from a terminal

    others = set(threading.enumerate())
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            push(workdir, anna, jobs=2, tell=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(set(threading.enumerate()) - others) < 10  # the server's own
    report = push(workdir, anna)
    assert report.problems == ()
    assert anna.datasets.get(workdir.dataset).files == 30


def test_a_cut_connection_is_mended(live: Live, anna: Client) -> None:
    files = {"a": os.urandom(8 * MIB), "b": os.urandom(20 * MIB)}
    workdir = live.workdir(anna, files)
    live.line.cut_after = 2 * MIB
    moved: list[int] = []
    report = push(
        workdir,
        anna,
        tell=lambda e: moved.append(e.bytes) if isinstance(e, Moved) else None,
    )
    assert live.line.cuts == 1
    assert report.problems == ()
    assert sum(moved) == 28 * MIB
    assert min(moved) < 0


def test_a_push_that_the_server_forgot_is_begun_anew(live: Live, anna: Client) -> None:
    workdir = live.workdir(anna, {"a": b"1"})
    with open_journal(workdir) as journal:
        journal.start_push(workdir.dataset)  # no push has this id
    assert push(workdir, anna).sent == 1


def test_an_interrupted_clone_goes_on(live: Live, anna: Client) -> None:
    files = {f"f{n}": os.urandom(MIB) for n in range(20)}
    workdir = live.workdir(anna, files)
    push(workdir, anna)
    dataset = anna.datasets.get(workdir.dataset)
    target = live.scratch / "clone"
    moved = 0

    def interrupt(event: Event) -> None:
        nonlocal moved
        if isinstance(event, Moved):
            moved += event.bytes
            if moved >= 10 * MIB:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clone(anna, dataset, target, jobs=2, tell=interrupt)
    report = clone(anna, dataset, target)
    assert report.problems == ()
    assert 0 < report.fetched < 20
    assert read(target) == files
    assert list((target / ".hutch" / "tmp").iterdir()) == []


def test_an_upload_whose_file_is_gone_frees_its_path(live: Live, anna: Client) -> None:
    workdir = live.workdir(anna, {"a": os.urandom(SIZE)})
    _kill_push(workdir, anna, after=PART_SIZE + MIB)
    (workdir.root / "a").unlink()
    (workdir.root / "a").mkdir()
    (workdir.root / "a" / "b").write_bytes(b"below")
    assert push(workdir, anna).problems == ()
    target = live.scratch / "clone"
    clone(anna, anna.datasets.get(workdir.dataset), target)
    assert read(target) == {"a/b": b"below"}
