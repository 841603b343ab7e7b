"""What goes wrong around a transfer ends with a clear error, and never hangs."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hutch import Client, connect, push
from hutch.contract.parts import MIB, Part
from hutch.contract.paths import parse
from hutch.contract.problems import StoreUnavailableError
from hutch.contract.wire.transfer import FileOut, SignedRequest
from hutch.errors import TransferError, UnreadableFileError
from hutch.progress import Event, Moved
from hutch.sync import verifying
from hutch.transfer import carrier as carriers
from hutch.transfer import coming, download, downloads, pipeline, upload
from hutch.transfer.carrier import Carrier, LostError, Piece
from hutch.transfer.sockets import Line
from hutch.workdir.directory import make_workdir
from hutch.workdir.journal import open_journal
from hutch.workdir.tree import Tree
from hutch.workdir.walk import Found, Stamp
from tests.client.live import Live
from tests.servers import free_port


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> SignedRequest:
    """Sign a request for a store that nobody reaches, and lose no time with it."""
    for module in (upload, download):
        monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.0)
    return SignedRequest(
        method="PUT",
        url=f"http://127.0.0.1:{free_port()}/d/x",
        headers={},
        expires_in=600,
    )


def _send(root: Path, request: SignedRequest) -> None:
    (root / "f").write_bytes(b"1")
    upload.send(
        Carrier(),
        root,
        Found("f", Stamp.of((root / "f").stat())),
        Part(1, 0, 1),
        upload.Target(request, lambda: request),
        moved=lambda _path, _count: None,
    )


def test_one_file_fails_while_the_store_was_just_heard(
    tmp_path: Path, nowhere: SignedRequest
) -> None:
    with pytest.raises(TransferError):
        _send(tmp_path, nowhere)


def test_a_store_that_is_gone_ends_the_whole_push(
    tmp_path: Path, nowhere: SignedRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each of 100,000 files once was tried again and again, for hours.
    monkeypatch.setattr(carriers, "LOST_AFTER_S", 0.0)
    stopped = threading.Event()
    with pytest.raises(StoreUnavailableError, match="run this again"):
        pipeline.run(
            [tmp_path],
            lambda root: _send(root, nowhere),
            take=lambda _done: None,
            stop=stopped.set,
        )
    assert stopped.is_set()


def test_a_store_that_is_gone_ends_a_fetch_too(
    nowhere: SignedRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carriers, "LOST_AFTER_S", 0.0)
    with pytest.raises(LostError):
        download.fetch(
            Carrier(),
            "f",
            lambda _at, _block: None,
            first=0,
            size=1,
            request=nowhere,
            renew=lambda: nowhere,
            moved=lambda _count: None,
        )


def test_a_file_that_cannot_be_read_is_not_blamed_on_the_store() -> None:
    directory = os.open("/", os.O_RDONLY)
    carrier = Carrier()
    try:
        with socket.create_server(("127.0.0.1", 0)) as store:
            request = SignedRequest(
                method="PUT",
                url=f"http://127.0.0.1:{store.getsockname()[1]}/x",
                headers={},
                expires_in=600,
            )
            for size in (1, MIB):  # both ways to send
                piece = Piece(directory, 0, size)
                with pytest.raises(UnreadableFileError, match="Is a directory"):
                    carrier.put(request, piece, lambda _count: None)
        assert (carrier._busy, carrier._idle) == (set(), {})
    finally:
        os.close(directory)


def test_stopping_never_takes_the_encryption_off() -> None:
    ours, theirs = socket.socketpair()
    line = Line(threading.Event())
    with (
        theirs,
        ssl.create_default_context().wrap_socket(
            ours, server_hostname="localhost", do_handshake_on_connect=False
        ) as wrapped,
    ):
        line._socket = wrapped
        line.cut()
        # Without it a thread that is just sending would go on in the clear.
        assert wrapped._sslobj is not None  # type: ignore[attr-defined]  # of CPython
        assert theirs.recv(1) == b""


def test_the_parts_of_a_file_fail_for_the_reason_of_the_first(
    tmp_path: Path, nowhere: SignedRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    workdir = make_workdir(tmp_path, dataset=uuid4(), server="http://127.0.0.1")
    file = FileOut(
        path="f",
        size=2,
        sha256="0" * 64,
        crc64nvme="AAAAAAAAAAA=",
        version="v",
        confirmed=False,
        committed_at=datetime.now(UTC),
        committed_by="anna",
    )
    with (
        connect("http://127.0.0.1:1") as client,
        open_journal(workdir) as journal,
        Tree(tmp_path) as tree,
    ):
        fetcher = downloads.start(
            client, workdir.dataset, moved=lambda _path, _count: None, jobs=1
        )
        placement = downloads.Placement(fetcher, tree, journal)
        incoming = downloads.Incoming(parse("f"), file)
        signed = [(file, nowhere)]
        monkeypatch.setattr(downloads.Fetcher, "sign", lambda *_args: signed)
        monkeypatch.setattr(
            coming, "plan", lambda _size: [Part(1, 0, 1), Part(2, 1, 1)]
        )
        (arrival,) = placement.drive([incoming])
        # The second once said that there was no such file here.
        assert type(arrival.error) is TransferError
        fetcher.close()


class _InterruptedPool(ThreadPoolExecutor):
    """Is interrupted while it is given work, before it has begun any."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.gate = threading.Event()
        self.given = 0
        super().submit(self.gate.wait)

    def submit(  # type: ignore[override]  # the exact types do not matter here
        self, work: Callable[..., Any], *rest: Any, **more: Any
    ) -> Future[Any]:
        self.given += 1
        if self.given > 2:
            raise KeyboardInterrupt
        return super().submit(work, *rest, **more)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as the base
        self.gate.set()
        super().shutdown(wait, cancel_futures=cancel_futures)


def test_a_verification_that_is_interrupted_at_its_start_reads_nothing_more(
    live: Live, anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    workdir = live.workdir(anna, {name: name.encode() for name in "abc"})
    push(workdir, anna)
    events: list[Event] = []
    monkeypatch.setattr(verifying, "ThreadPoolExecutor", _InterruptedPool)
    with pytest.raises(KeyboardInterrupt):
        verifying.verify_workdir(workdir, anna, jobs=1, tell=events.append)
    assert [e for e in events if isinstance(e, Moved)] == []


_WAITING = """
import threading, time
from hutch.cli.__main__ import _interruptible
with _interruptible():
    try:
        print("working", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopping", flush=True)
        threading.Event().wait()
"""


def test_the_second_interrupt_ends_a_command_that_waits() -> None:
    with subprocess.Popen(  # noqa: S603 - this Python, no shell
        [sys.executable, "-c", _WAITING], stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        try:
            for word in ("working\n", "stopping\n"):
                assert command.stdout.readline() == word
                command.send_signal(signal.SIGINT)
            assert command.wait(timeout=60) == 130
        finally:
            command.kill()
