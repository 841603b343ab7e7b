"""Connections are used again while they are good, and broken transfers go on."""

import socket
import threading

import pytest

from hutch.errors import CorruptDataError, TransferError
from hutch.transfer import carrier as carriers
from hutch.transfer import download, upload
from hutch.transfer.buffers import SIZE
from hutch.transfer.carrier import Answer, Carrier
from hutch.transfer.failures import StaleError
from tests.carrier.conftest import Source
from tests.carrier.scripted import OK, Store, await_end, part, store
from tests.servers import wait_until


def _nothing(_count: int) -> None:
    pass


def _put(carrier: Carrier, source: Source, place: Store) -> Answer:
    return carrier.put(place.request("PUT"), source.piece, _nothing)


@pytest.mark.usefixtures("_no_pauses")
def test_a_redirect_is_not_followed_nor_tried_again(
    carrier: Carrier, source: Source
) -> None:
    moved = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: %s\r\n\r\n"
    with store() as elsewhere, store() as place:
        place.treatments = (place.saying(moved % elsewhere.url.encode()),)
        put, get = place.request("PUT"), place.request("GET")
        with pytest.raises(TransferError, match="follows no redirect") as caught:
            upload.send(
                carrier,
                source.path.parent,
                source.found,
                source.part,
                upload.Target(put, lambda: put),
                moved=lambda _path, _count: None,
            )
        with pytest.raises(TransferError, match="follows no redirect"):
            _fetch(carrier, place)
        assert (place.connections, elsewhere.connections) == (2, 0)
        assert elsewhere.url not in str(caught.value)
        assert get.url not in str(caught.value)


def _fetch(carrier: Carrier, place: Store, *, size: int = 5) -> bytes:
    taken = bytearray()

    def take(at: int, block: memoryview) -> None:
        assert at == len(taken)
        taken.extend(block)

    download.fetch(
        carrier,
        "f",
        take,
        first=0,
        size=size,
        request=place.request("GET"),
        renew=lambda: place.request("GET"),
        moved=_nothing,
    )
    return bytes(taken)


@pytest.mark.usefixtures("_no_pauses")
def test_an_object_that_is_too_short_is_damaged_not_unreachable(
    carrier: Carrier,
) -> None:
    with store() as place:
        place.treatments = (place.saying(b"HTTP/1.1 416 Not\r\n\r\n"),)
        with pytest.raises(CorruptDataError, match="is shorter"):
            _fetch(carrier, place)
        assert place.connections == 2  # perhaps the dataset had another by now


def test_a_connection_is_used_again_until_the_store_ends_it(
    carrier: Carrier, source: Source
) -> None:
    last = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with store() as place:
        place.treatments = (place.saying(OK, OK, last),)
        for _ in range(3):
            assert _put(carrier, source, place).is_success
        assert place.connections == 1
        assert _put(carrier, source, place).is_success
        assert place.connections == 2


def test_a_stale_connection_is_no_attempt(
    carrier: Carrier, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "ATTEMPTS", 1)

    def once(here: socket.socket) -> None:
        place.read(here)
        here.sendall(OK)
        place.read(here, body=0)  # hangs up on the second, as if it was late

    with store(once) as place:
        place.treatments = (once, place.saying(OK))
        source.hold(bytes(3_000_000))
        request, counts = place.request("PUT"), list[int]()
        for _ in range(2):
            upload.send(
                carrier,
                source.path.parent,
                source.found,
                source.part,
                upload.Target(request, lambda: request),
                moved=lambda _path, count: counts.append(count),
            )
        assert place.connections == 2
        assert sum(counts) == 6_000_000


def test_a_store_that_always_hangs_up_is_tried_once_for_an_attempt(
    carrier: Carrier, source: Source
) -> None:
    def treat(here: socket.socket) -> None:
        place.read(here)

    with store(treat) as place:
        with pytest.raises(StaleError):
            _put(carrier, source, place)
        assert place.connections == 1


def test_an_answer_that_came_unasked_is_not_taken_for_the_next(
    carrier: Carrier, source: Source
) -> None:
    ended = threading.Event()

    def eager(here: socket.socket) -> None:
        place.read(here)
        here.sendall(OK)
        ended.wait()
        here.sendall(OK)
        await_end(here)

    with store(eager) as place:
        place.treatments = (eager, place.saying(b"HTTP/1.1 403 No\r\n\r\n"))
        assert _put(carrier, source, place).is_success
        ((line,),) = carrier._idle.values()
        ended.set()
        wait_until(lambda: not line.is_quiet(), what="the second answer")
        line.kept = b""  # seen by no one
        assert _put(carrier, source, place).status == 403


def test_a_connection_that_rested_long_is_not_used_again(
    carrier: Carrier, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carriers, "REST_S", 0.0)
    with store() as place:
        place.treatments = (place.saying(OK),)
        for _ in range(2):
            assert _put(carrier, source, place).is_success
        assert place.connections == 2


@pytest.mark.usefixtures("_no_pauses")
def test_a_broken_download_goes_on_at_a_whole_buffer(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = SIZE
    data = b"1234567890" * (size // 4)  # two and a half
    with store() as place:
        rest = part(data[size:], first=size)
        place.treatments = (
            place.saying(part(data)[: 2 * size - 1]),
            place.saying(rest[: size // 2]),
            place.saying(rest),
        )
        assert _fetch(carrier, place, size=len(data)) == data
        last = len(data) - 1
        assert place.spans() == [
            f"bytes=0-{last}",
            f"bytes={size}-{last}",
            f"bytes={size}-{last}",
        ]


@pytest.mark.usefixtures("_no_pauses")
def test_progress_counts_no_byte_twice(carrier: Carrier) -> None:
    counts = list[int]()
    data = bytes(SIZE + 10)
    with store() as place:
        place.treatments = (
            place.saying(part(data)[:-5]),
            place.saying(part(data[-10:], first=SIZE)),
        )
        request = place.request("GET")
        download.fetch(
            carrier,
            "f",
            lambda _at, _block: None,
            first=0,
            size=len(data),
            request=request,
            renew=lambda: request,
            moved=counts.append,
        )
    assert sum(counts) == len(data)
    assert min(counts) < 0
