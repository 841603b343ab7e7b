"""A watch outlives what is away, and ends for good only for good reasons."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hutch import Client, Workdir, clone, connect
from hutch import patience as patiences
from hutch.contract.parts import MIB
from hutch.contract.wire.datasets import PrincipalKind, Right
from hutch.errors import (
    DatasetClosedError,
    DeletedError,
    NotFoundError,
    NoWorkdirError,
    StoreError,
    TransferError,
    UnauthenticatedError,
    WorkdirBusyError,
)
from hutch.transfer import upload
from hutch.watch import watching as loop
from hutch.watch.events import Began, Failed, GoesOn, Sent, Waits
from hutch.workdir.directory import locked, open_workdir
from tests.client.live import Live, read, write
from tests.gate import Gate
from tests.gate import gate as gate_before
from tests.servers import wait_until
from tests.watch.conftest import PATIENCE_S, UNTIL_IDLE, NewWatch, Running


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose no time with a server that is away."""
    monkeypatch.setattr(patiences, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(patiences, "PATIENCE_S", 0.0)
    monkeypatch.setattr(upload, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(loop, "ASK_S", 0.2)
    monkeypatch.setattr(loop, "AGAIN_S", 0.2)


@pytest.fixture
def gate(live: Live) -> Iterator[Gate]:
    with gate_before(live.url) as one:
        yield one


@pytest.fixture
def ben(live: Live) -> Iterator[Client]:
    with live.person() as client:
        yield client


def wait_for_files(client: Client, workdir: Workdir, count: int) -> None:
    wait_until(
        lambda: client.datasets.get(workdir.dataset).files == count,
        seconds=PATIENCE_S,
        what=f"{count} files in the dataset",
    )


def same_there(live: Live, client: Client, workdir: Workdir) -> None:
    target = live.scratch / "clone"
    assert clone(client, client.datasets.get(workdir.dataset), target).problems == ()
    assert read(target) == read(workdir.root)


def begun(running: Running) -> Running:
    running.wait_for(Sent)
    return running


def test_it_goes_on_when_the_server_is_back(
    live: Live, anna: Client, gate: Gate, watching: NewWatch
) -> None:
    with connect(gate.url, token=anna._connection.token) as client:
        workdir = live.workdir(client, {"before": b"1"})
        running = begun(watching(workdir, client))
        gate.cut()
        write(workdir.root, {"one": b"2"})
        running.wait_for(Waits)
        write(workdir.root, {"two": b"3", "sub/three": b"4", "before": b"again"})
        wait_until(
            lambda: running.watch.report().left >= 4, seconds=PATIENCE_S, what="four"
        )
        gate.open()
        wait_for_files(anna, workdir, 4)
        running.wait_for(GoesOn)
        report = running.end()
    assert (report.sent, report.problems) == (5, ())
    assert (running.count(Waits), running.count(GoesOn)) == (1, 1)
    same_there(live, anna, workdir)


def test_it_begins_while_the_server_is_away(
    live: Live, anna: Client, gate: Gate, watching: NewWatch
) -> None:
    with connect(gate.url, token=anna._connection.token) as client:
        workdir = live.workdir(client, {"before": b"1"})
        gate.cut()
        running = watching(workdir, client)
        running.wait_for(Waits)
        gate.open()
        wait_for_files(anna, workdir, 1)
        assert running.end().sent == 1


def test_it_goes_on_when_the_store_is_back(
    live: Live, anna: Client, watching: NewWatch
) -> None:
    workdir = live.workdir(anna, {"before": b"1"})
    running = begun(watching(workdir, anna))

    def refuse() -> None:
        raise ConnectionRefusedError

    with pytest.MonkeyPatch.context() as away:
        away.setattr(live.line, "connect", refuse)
        away.setattr(live.line, "pass_sent", lambda _before, _count: 0)
        write(workdir.root, {f"f{n}": b"%d" % n for n in range(5)})
        running.wait_for(Waits)
        write(workdir.root, {"late": b"1", "large": os.urandom(17 * MIB)})
    wait_for_files(anna, workdir, 8)
    report = running.end()
    assert (report.sent, report.problems) == (8, ())
    assert running.count(Failed) == 0
    waits = [e for e in running.told if isinstance(e, Waits)]
    assert len(waits) == 1
    assert isinstance(waits[0].error, TransferError | StoreError)
    same_there(live, anna, workdir)


def test_it_waits_for_whoever_works_in_the_directory(
    live: Live, anna: Client, watching: NewWatch
) -> None:
    workdir = live.workdir(anna, {"before": b"1"})
    running = begun(watching(workdir, anna))
    # Idle, it leaves the directory to others.
    wait_until(lambda: _is_free(workdir), what="the lock")
    with locked(workdir):
        write(workdir.root, {"a": b"2"})
        running.wait_for(Waits)
    wait_for_files(anna, workdir, 2)
    assert running.end().problems == ()


def _is_free(workdir: Workdir) -> bool:
    try:
        with locked(workdir):
            return True
    except WorkdirBusyError:
        return False


@pytest.mark.parametrize("how", ["idle", "sending"])
def test_a_close_by_somebody_else_ends_it(
    live: Live, anna: Client, watching: NewWatch, how: str
) -> None:
    workdir = live.workdir(anna, {"before": b"1"})
    running = begun(watching(workdir, anna))
    anna.datasets.wait(anna.datasets.close(workdir.dataset))
    if how == "sending":
        write(workdir.root, {"late": b"2"})
    with pytest.raises(DatasetClosedError):
        running.ended()
    assert anna.datasets.get(workdir.dataset).files == 1


def test_a_deletion_ends_it(live: Live, anna: Client, watching: NewWatch) -> None:
    workdir = live.workdir(anna, {"before": b"1"})
    running = begun(watching(workdir, anna))
    anna.datasets.wait(anna.datasets.delete(workdir.dataset))
    with pytest.raises(DeletedError):
        running.ended()


def test_a_right_that_is_lost_ends_it(
    live: Live, anna: Client, ben: Client, watching: NewWatch
) -> None:
    workdir = live.workdir(anna, {})
    name = ben.account.whoami().user.name
    kind = PrincipalKind.USER
    anna.datasets.share(workdir.dataset, kind=kind, name=name, right=Right.WRITE)
    write(workdir.root, {"before": b"1"})
    running = begun(watching(workdir, ben))
    anna.datasets.unshare(workdir.dataset, kind=kind, name=name)
    with pytest.raises(NotFoundError):
        running.ended()


def test_a_token_that_is_revoked_ends_it(
    live: Live, anna: Client, watching: NewWatch
) -> None:
    with connect(live.url, token=anna._connection.token) as client:
        workdir = live.workdir(anna, {"before": b"1"})
        running = begun(watching(workdir, client))
        anna.account.log_out()
        with pytest.raises(UnauthenticatedError):
            running.ended()


def test_a_directory_that_is_gone_ends_it(
    live: Live, anna: Client, watching: NewWatch
) -> None:
    workdir = live.workdir(anna, {"before": b"1"})
    running = begun(watching(workdir, anna))
    workdir.root.rename(live.scratch / "elsewhere")
    with pytest.raises(NoWorkdirError):
        running.ended()


_KILLED = """
import os, signal, sys
from pathlib import Path
import hutch
from hutch.progress import Moved
from hutch.watch.watching import Pace, Watch
moved = 0
def tell(event):
    global moved
    if isinstance(event, Moved):
        moved += event.bytes
        if moved >= {after}:
            os.kill(os.getpid(), signal.SIGKILL)
workdir = hutch.open_workdir(Path(sys.argv[1]))
client = hutch.connect(workdir.server, token=sys.argv[2])
pace = Pace(settle_s=0.3, rest_s=0.2)
Watch(workdir, client, pace=pace, jobs=1, tell=tell).run()
"""


def test_a_killed_watch_goes_on_where_it_was(
    live: Live, anna: Client, watching: NewWatch
) -> None:
    size, count, done = 100_000, 60, 30
    workdir = live.workdir(anna, {f"f{n:03}": os.urandom(size) for n in range(count)})
    token = anna._connection.token or ""
    ended = subprocess.run(  # noqa: S603 - this Python, no shell
        [
            *(sys.executable, "-c", _KILLED.format(after=done * size)),
            *(str(workdir.root), token),
        ],
        check=False,
        timeout=PATIENCE_S,
    )
    assert ended.returncode == -signal.SIGKILL
    write(workdir.root, {"between": os.urandom(size)})
    before = live.line.sent
    report = watching(open_workdir(workdir.root), anna, UNTIL_IDLE).ended()
    assert (report.left, report.problems) == (0, ())
    # One file was under way and may be sent again; headers are counted too.
    assert live.line.sent - before < (count - done + 4) * size
    assert anna.datasets.get(workdir.dataset).files == count + 1
    same_there(live, anna, workdir)


def test_nothing_is_sent_for_files_that_were_sent_before(
    live: Live, anna: Client, watching: NewWatch
) -> None:
    workdir = live.workdir(anna, {f"f{n}": os.urandom(10_000) for n in range(40)})
    assert watching(workdir, anna, UNTIL_IDLE).ended().sent == 40
    before = live.line.sent
    running = watching(workdir, anna, UNTIL_IDLE)
    running.wait_for(Began)
    assert running.ended().sent == 0
    assert live.line.sent == before
