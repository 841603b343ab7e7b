"""Whatever a store answers ends with a result or an error, and is never believed."""

import socket
import threading
import time

import pytest

from hutch.transfer import sockets
from hutch.transfer.carrier import Answer, Carrier, CutError
from hutch.transfer.failures import RouteError
from tests.carrier.conftest import Source
from tests.carrier.scripted import OK, Store, await_end, part, store

WRONG = (
    b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"c;x=y\r\n<Code>BadDig\r\nd\r\nest</Code>...\r\n0\r\nTrailer: x\r\n\r\n"
)


def _nothing(_count: int) -> None:
    pass


def _put(carrier: Carrier, source: Source, place: Store) -> Answer:
    return carrier.put(place.request("PUT"), source.piece, _nothing)


def _get(carrier: Carrier, place: Store, *, first: int = 0, size: int = 5) -> bytes:
    taken = bytearray()
    answer = carrier.get(
        place.request("GET"), taken.extend, first=first, size=size, moved=_nothing
    )
    assert answer.is_success
    return bytes(taken)


@pytest.mark.parametrize("whole", [OK, WRONG], ids=["good", "error"])
def test_an_answer_to_a_put_that_is_cut_at_any_byte_is_none(
    carrier: Carrier, source: Source, whole: bytes
) -> None:
    for cut in range(len(whole)):
        with store() as place:
            place.treatments = (place.saying(whole[:cut]),)
            with pytest.raises(CutError):
                _put(carrier, source, place)
            assert place.connections == 1


def test_a_get_that_is_cut_at_any_byte_brings_nothing(carrier: Carrier) -> None:
    whole = part(b"12345")
    for cut in range(len(whole)):
        with store() as place:
            place.treatments = (place.saying(whole[:cut]),)
            with pytest.raises(CutError):
                _get(carrier, place)
    with store() as place:
        place.treatments = (place.saying(whole),)
        assert _get(carrier, place) == b"12345"


@pytest.mark.parametrize(
    "said",
    [
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n\0\0",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a:b\r\n" * 99,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 4_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxx",
        b"HTTP/1.1 204 No Content\r\n\r\nx",
        OK + OK,
    ],
)
def test_what_is_no_answer_is_an_error(
    carrier: Carrier, source: Source, said: bytes
) -> None:
    def endless(here: socket.socket) -> None:
        place.read(here)
        here.sendall(said)
        await_end(here)  # nobody waits for more

    with store(endless) as place, pytest.raises(CutError):
        _put(carrier, source, place)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK,
        b'HTTP/1.0 200 OK\r\nETag: "e"\r\n\r\nuntil the end',
        b'HTTP/1.1 200\r\netag: "e"\r\ncontent-length: 3\r\n\r\nabc',
        b'HTTP/1.1 200 OK\r\nETag: "e"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 99999\r\n\r\n' + b"x" * 99999,
    ],
)
def test_every_good_answer_is_one(
    carrier: Carrier, source: Source, said: bytes
) -> None:
    with store() as place:
        place.treatments = (place.saying(said),)
        assert _put(carrier, source, place) == Answer(200, '"e"')


@pytest.mark.parametrize(
    "said",
    [
        WRONG,
        b"HTTP/1.1 400 Bad\r\n\r\n<Code>BadDigest</Code>",
        b"HTTP/1.1 400 Bad\r\nContent-Length: 999999\r\n\r\n<Code>BadDigest</Code>"
        + b"x" * 999_999,
        b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n"
        b"<Code>BadDigest</Code>" + b"x" * 100_000,
    ],
)
def test_the_error_is_read_however_long_its_text(
    carrier: Carrier, source: Source, said: bytes
) -> None:
    with store() as place:
        place.treatments = (place.saying(said),)
        assert _put(carrier, source, place).code == "BadDigest"
        assert carrier._idle == {}


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(part(b"12345", first=4), id="another part"),
        part(b"123", first=5),
        part(b"1234567", first=5),
        part(b"12345", first=5).replace(b"Content-Range", b"X-Range"),
        part(b"12345", first=5).replace(b"Length: 5", b"Length: 6") + b"6",
        part(b"12345", first=5).replace(b"Length: 5", b"Length: 4"),
        part(b"12345", first=5).replace(b"Content-Length: 5", b"Connection: close"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\n12345",
    ],
)
def test_other_bytes_than_were_asked_for_are_not_taken(
    carrier: Carrier, said: bytes
) -> None:
    with store() as place:
        place.treatments = (place.saying(said),)
        with pytest.raises(CutError):
            _get(carrier, place, first=5)


def test_the_whole_is_taken_for_a_part_that_is_the_whole(carrier: Carrier) -> None:
    with store() as place:
        place.treatments = (
            place.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345"),
        )
        assert _get(carrier, place) == b"12345"


def test_too_few_bytes_in_a_long_time_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0

    def half_a_second_later() -> float:
        nonlocal now_s
        now_s += 0.5
        return now_s

    monkeypatch.setattr(time, "monotonic", half_a_second_later)
    watch = sockets.Watch()
    for _ in range(240):  # a little more than the slowest that is waited for
        watch.passed(sockets.SLOWEST)
    with pytest.raises(CutError, match="no more than"):
        _trickle(watch)


def _trickle(watch: sockets.Watch) -> None:
    for _ in range(480):
        watch.passed(1)


def test_silence_ends_in_time_whatever_came_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    watch = sockets.Watch()
    now_s = sockets.TIMEOUT_S - 1
    watch.passed(10**9)
    now_s = sockets.TIMEOUT_S + 1
    watch.passed(0)
    now_s = 2 * sockets.TIMEOUT_S - 1
    with pytest.raises(CutError, match="said nothing"):
        watch.passed(0)


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\n", part(b"12345")[:-1]])
def test_a_store_that_falls_silent_is_given_up(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    monkeypatch.setattr(sockets, "TIMEOUT_S", 0.1)

    def silent(here: socket.socket) -> None:
        place.read(here)
        here.sendall(before)
        await_end(here)

    with store(silent) as place, pytest.raises(CutError, match=r"said nothing|no more"):
        _get(carrier, place)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", part(bytes(9_999_999))])
def test_a_store_that_trickles_is_given_up(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(sockets, "TIMEOUT_S", 0.2)
    gone = threading.Event()

    def trickling(here: socket.socket) -> None:
        place.read(here)
        here.sendall(head[:200])
        while not gone.wait(0.005):
            here.sendall(b"x")

    with store(trickling) as place:
        try:
            with pytest.raises(CutError):
                _get(carrier, place, size=9_999_999)
        finally:
            gone.set()


def test_a_request_signed_for_other_bytes_is_not_sent(
    carrier: Carrier, source: Source
) -> None:
    with store(await_end) as place:
        signed = place.request("PUT", **{"content-length": "99"})
        with pytest.raises(RouteError, match="other bytes"):
            carrier.put(signed, source.piece, _nothing)
        assert place.connections == 0
