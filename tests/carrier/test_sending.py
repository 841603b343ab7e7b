"""What a store, a file or a stop does while bytes are on their way out."""

import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from hutch.contract.parts import MIB
from hutch.errors import FileChangingError, TransferError
from hutch.transfer import sockets, upload
from hutch.transfer.carrier import Answer, Carrier, CutError, StoppedError
from hutch.transfer.source import opened
from tests.carrier.conftest import Source
from tests.carrier.scripted import OK, Store, await_end, part, store
from tests.servers import wait_until

LARGE = 24 * MIB
"""More than the buffers of a connection hold."""
SMALL = 1_000
Change = Callable[[Source], None]


def _nothing(_count: int) -> None:
    pass


def _forget(_block: memoryview) -> None:
    pass


def _send(
    carrier: Carrier,
    source: Source,
    place: Store,
    moved: Callable[[int], None] = _nothing,
) -> Answer:
    request = place.request("PUT")
    return upload.send(
        carrier,
        source.path.parent,
        source.found,
        source.part,
        upload.Target(request, lambda: request),
        moved=lambda _path, count: moved(count),
    )


@pytest.mark.parametrize("size", [0, 1, SMALL, 64 * 1024, 64 * 1024 + 1, LARGE + 7])
def test_what_is_sent_is_the_file(carrier: Carrier, source: Source, size: int) -> None:
    data = os.urandom(1024) * (size // 1024) + os.urandom(size % 1024)
    source.hold(data)
    received, counts = list[bytes](), list[int]()

    def treat(here: socket.socket) -> None:
        received.append(place.read(here))
        here.sendall(OK)

    with store(treat) as place:
        assert _send(carrier, source, place, counts.append).is_success
        assert received == [data]
        assert sum(counts) == size
        assert place.heads[0].startswith(b"PUT /b/d/x?X-Amz-Signature=s HTTP/1.1\r\n")
        if size > LARGE:
            assert max(counts) <= 4 * MIB  # a bar moves, and a stop is seen


def test_a_part_of_a_file_is_sent_from_where_it_begins(
    carrier: Carrier, source: Source
) -> None:
    source.hold(bytes(range(250)) * 4_000)
    received = list[bytes]()

    def treat(here: socket.socket) -> None:
        received.extend([place.read(here)])
        here.sendall(OK)

    with store(treat) as place:
        for offset, size in ((10, 100), (70_001, 900_000)):
            piece = sockets.Piece(source.handle, offset, size)
            carrier.put(place.request("PUT"), piece, _nothing)
    data = source.path.read_bytes()
    assert received == [data[10:110], data[70_001:970_001]]


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("status", [403, 412, 503])
def test_a_store_that_refuses_and_hangs_up_is_heard(
    carrier: Carrier, source: Source, size: int, status: int
) -> None:
    source.hold(bytes(size))
    said = f"HTTP/1.1 {status} No\r\nContent-Length: 15\r\n\r\n<Code>No</Code>"

    def treat(here: socket.socket) -> None:
        place.read(here, body=0)
        here.sendall(said.encode())

    with store(treat) as place:
        answer = carrier.put(place.request("PUT"), source.piece, _nothing)
    assert (answer.status, answer.code) == (status, "No")


def test_a_store_that_refuses_and_reads_no_further_is_heard(
    carrier: Carrier, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "TIMEOUT_S", 5.0)
    source.hold(bytes(LARGE))
    heard = threading.Event()

    def treat(here: socket.socket) -> None:
        place.read(here, body=0)
        here.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        heard.wait()

    with store(treat) as place:
        try:
            answer = carrier.put(place.request("PUT"), source.piece, _nothing)
        finally:
            heard.set()
    assert answer.status == 403


def test_a_store_that_reads_no_further_is_given_up(
    carrier: Carrier, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "TIMEOUT_S", 0.2)
    source.hold(bytes(LARGE))
    given_up = threading.Event()

    def treat(here: socket.socket) -> None:
        place.read(here, body=MIB)
        given_up.wait()

    with store(treat) as place:
        try:
            with pytest.raises(CutError, match=r"said nothing|no more"):
                carrier.put(place.request("PUT"), source.piece, _nothing)
        finally:
            given_up.set()


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("phase", ["accepted", "head", "half", "all", "answering"])
def test_what_is_cut_at_any_phase_is_sent_again(
    carrier: Carrier, source: Source, size: int, phase: str
) -> None:
    source.hold(os.urandom(size))
    received, counts = list[bytes](), list[int]()

    def cut(here: socket.socket) -> None:
        if phase != "accepted":
            place.read(here, body={"head": 0, "half": size // 2}.get(phase))
        if phase == "answering":
            here.sendall(OK[:-1])

    def take(here: socket.socket) -> None:
        received.append(place.read(here))
        here.sendall(OK)

    with store(cut) as place:
        place.treatments = (cut, cut, take)
        assert _send(carrier, source, place, counts.append).is_success
        assert place.connections == 3
    assert received == [source.path.read_bytes()]
    assert sum(counts) == size


@pytest.mark.usefixtures("_no_pauses")
def test_nobody_listens(
    carrier: Carrier, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "ATTEMPTS", 2)
    with store() as place:
        pass
    with pytest.raises(TransferError, match="Connection refused"):
        _send(carrier, source, place)


def _shorten(source: Source) -> None:
    os.truncate(source.path, 5 * MIB - 3)


def _lengthen(source: Source) -> None:
    with source.path.open("ab") as file:
        file.write(b"more")


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("change", [_shorten, _lengthen])
def test_a_file_that_changes_while_it_is_sent_is_not_acknowledged(
    carrier: Carrier, source: Source, change: Change
) -> None:
    source.hold(bytes(LARGE))
    counts = list[int]()

    def moved(count: int) -> None:
        if not counts:
            change(source)
        counts.append(count)

    with store() as place:
        place.treatments = (place.saying(OK),)
        with pytest.raises(FileChangingError):
            _send(carrier, source, place, moved)
    assert sum(counts) == 0


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_file_that_is_shorter_than_it_was_is_not_sent_whole(
    carrier: Carrier, source: Source, size: int
) -> None:
    source.hold(bytes(size))
    piece = source.piece
    os.truncate(source.path, size - 1)
    with store() as place:
        place.treatments = (place.saying(OK),)
        with pytest.raises(CutError, match="became shorter"):
            carrier.put(place.request("PUT"), piece, _nothing)
        assert carrier._idle == {}


def test_a_file_that_the_kernel_cannot_send_is_read(
    carrier: Carrier, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.hold(os.urandom(MIB))
    received = list[bytes]()

    def treat(here: socket.socket) -> None:
        received.append(place.read(here))
        here.sendall(OK)

    def refusing(*_args: object) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", refusing)
    with store(treat) as place:
        assert _send(carrier, source, place).is_success
    assert received == [source.path.read_bytes()]


def _until_busy(carrier: Carrier, place: Store, connections: int) -> None:
    wait_until(
        lambda: place.connections >= connections and len(carrier._busy) >= connections,
        what="a transfer under way",
    )


def test_a_stop_ends_what_is_sent_fetched_and_awaited(
    carrier: Carrier, source: Source
) -> None:
    source.hold(bytes(LARGE))

    def stuck(here: socket.socket) -> None:
        place.read(here, body=0)
        here.sendall(part(bytes(MIB))[:-5])
        stopped.wait()

    stopped = threading.Event()
    with store(stuck) as place, ThreadPoolExecutor() as pool:
        get = place.request("GET")
        futures = [
            pool.submit(
                carrier.put, place.request("PUT"), source.piece, lambda _count: None
            ),
            pool.submit(
                carrier.get, get, _forget, first=0, size=MIB, moved=lambda _count: None
            ),
        ]
        try:
            _until_busy(carrier, place, 2)
            carrier.stop()
            for future in futures:
                with pytest.raises(StoppedError):
                    future.result(timeout=60)
        finally:
            stopped.set()
    with pytest.raises(StoppedError):
        carrier.put(get, source.piece, _nothing)


def test_a_stop_ends_a_connection_that_is_only_begun(
    carrier: Carrier, source: Source
) -> None:
    with socket.socket() as server, ThreadPoolExecutor() as pool:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        filling = [socket.create_connection(address)]  # nobody accepts: it is full
        place = Store((await_end,), url=f"http://127.0.0.1:{address[1]}")
        future = pool.submit(
            carrier.put, place.request("PUT"), source.piece, lambda _count: None
        )
        try:
            wait_until(
                lambda: any(line._socket for line in carrier._busy), what="a socket"
            )
            carrier.stop()
            with pytest.raises(StoppedError):
                future.result(timeout=60)
        finally:
            for one in filling:
                one.close()


def test_a_pipe_that_took_a_files_name_is_not_waited_at(source: Source) -> None:
    found = source.found
    source.path.unlink()
    os.mkfifo(source.path)
    with pytest.raises(FileChangingError), opened(source.path.parent, found):
        pass
