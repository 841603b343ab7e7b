"""However much is sent: little of it is read, and the API stays small."""

import json
import socket
import threading
import zlib
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress

import pytest

from tests.laws.conftest import Count
from tests.laws.input.conftest import MIB, Served
from tests.laws.input.wire import dial, post, read, replies

LONGEST = 8 * MIB
STRANGERS = 64 * 1024
GIB = 1024 * MIB
LOGIN = b"POST /v1/login HTTP/1.1\r\nHost: hutch\r\nContent-Type: application/json\r\n"


def _pour(port: int, head: bytes, drop: bytes) -> int:
    """Send a gigabyte; tell how many bytes left before the server hung up."""
    sent = 0
    with closing(dial(port)) as connection:
        try:
            connection.sendall(head)
            while sent < GIB:
                sent += connection.send(drop)
        except ConnectionError:
            pass
    return sent


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: hutch\r\n", b"A: b\r\n" * 10_000),
        (b"GET /healthz HTTP/1.1\r\nHost: hutch\r\nA: ", b"b" * 60_000),
        (b"GET /", b"a" * 60_000),
        (b"", b"\r\n" * 30_000),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n2;", b"x" * 60_000),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 10_000),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 10_000),
        (LOGIN + b"Content-Length: 1073741824\r\n\r\n", b" " * 60_000),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n40000000\r\n", b" " * 60_000),
    ],
    ids=[
        "many headers", "one header", "target", "blank lines", "chunk's line",
        "trailers", "small chunks", "body", "one chunk",
    ],
)  # fmt: skip
def test_of_a_gigabyte_little_is_taken(
    served: Served, head: bytes, drop: bytes, count: Count
) -> None:
    sent = _pour(served.port, head, drop)
    assert sent < 64 * MIB  # what the sockets' buffers hold, and what was on its way
    count("bytes taken of a gigabyte", sent / MIB, "MiB")


def _nested(opened: bytes, closed: bytes, depth: int) -> bytes:
    return b'{"name":"x","attributes":' + opened * depth + b"1" + closed * depth + b"}"


BODIES = {
    "100,000 lists deep": (_nested(b"[", b"]", 99_990), 400),
    "100,000 objects deep": (_nested(b'{"a":', b"}", 99_990), 400),
    "more lists than may be": (_nested(b"[", b"]", 200_000), 413),
    "300,000 empty lists": (b'{"name":[' + b"[]," * 300_000 + b"1]}", 413),
    "open lists": (b"[" * 100_000, (400, 422)),
    "1,000 deep": (_nested(b'{"a":', b"}", 1_000), (400, 422)),
    "10 deep": (_nested(b'{"a":', b"}", 10), 422),
    "a number of 5,000 digits": (
        b'{"name":"x","attributes":{"a":' + b"9" * 5_000 + b"}}",
        (400, 422),
    ),
    "a number of a million digits": (
        b'{"name":"x","attributes":{"a":' + b"9" * 1_000_000 + b"}}",
        (400, 422),
    ),
    "1e400": (b'{"name":"x","attributes":{"a":1e400}}', (400, 422)),
    "-1e400": (b'{"name":"x","attributes":{"a":-1e400}}', (400, 422)),
    "1e-400": (b'{"name":"x1","attributes":{"a":1e-400}}', (201, 422)),
    "2^53": (b'{"name":"x","attributes":{"a":9007199254740993}}', 422),
    "-0": (b'{"name":"x2","attributes":{"a":-0}}', (201, 422)),
    "NaN": (b'{"name":"x","attributes":{"a":NaN}}', 400),
    "Infinity": (b'{"name":"x","attributes":{"a":Infinity}}', 400),
    "hexadecimal": (b'{"name":"x","attributes":{"a":0x10}}', 400),
    "a leading zero": (b'{"name":"x","attributes":{"a":01}}', 400),
    "half a surrogate pair": (b'{"name":"\\ud800"}', (400, 422)),
    "the other half": (b'{"name":"x","description":"\\udc00"}', (400, 422)),
    "surrogates in a key": (b'{"name":"x","attributes":{"\\ud800":1}}', (400, 422)),
    "surrogates as bytes": (b'{"name":"\xed\xa0\x80"}', 400),
    "bad UTF-8": (b'{"name":"\xff\xfe"}', 400),
    "overlong UTF-8": (b'{"name":"\xc0\xaf"}', 400),
    "half a letter": (b'{"name":"\xc3"}', 400),
    "NUL": (b'{"name":"a\\u0000"}', 422),
    "NUL as a byte": (b'{"name":"a\x00"}', 400),
    "NUL in a key": (b'{"name":"x","attributes":{"\\u0000":1}}', 422),
    "controls": (b'{"name":"x","description":"\\u001b[2J"}', 422),
    "UTF-16": ('{"name":"x"}'.encode("utf-16"), 400),
    "UTF-32": ('{"name":"x"}'.encode("utf-32"), 400),
    "a byte order mark": (b'\xef\xbb\xbf{"name":"x"}', 400),
    "a key twice": (b'{"name":"x3","name":"x4"}', (201, 400, 422)),
    "70,000 keys": (
        b"{" + b",".join(b'"k%d":1' % n for n in range(70_000)) + b"}",
        422,
    ),
    "a long key": (b'{"' + b"k" * 1_000_000 + b'":1}', 422),
    "a long name": (b'{"name":"' + b"x" * 1_000_000 + b'"}', 422),
    "a long description": (
        b'{"name":"x","description":"' + b"x" * 1_000_000 + b'"}',
        422,
    ),
    "large attributes": (
        b'{"name":"x","attributes":{"a":[' + b"1e9," * 250_000 + b"1]}}",
        413,
    ),
    "many keywords": (
        b'{"name":"x","keywords":[' + b'"a",' * 250_000 + b'"a"]}',
        (413, 422),
    ),
    "many parents": (b'{"name":"x","inputs":[' + b'"",' * 300_000 + b'""]}', 422),
    "a list": (b"[]", 422),
    "null": (b"null", 422),
    "a number": (b"7", 422),
    "two documents": (b'{"name":"x"}{"name":"y"}', 400),
    "a comment": (b'{"name":"x"/*y*/}', 400),
    "a comma more": (b'{"name":"x",}', 400),
    "single quotes": (b"{'name':'x'}", 400),
    "nothing": (b"", 400),
    "blanks": (b" " * MIB, 400),
    "one byte too many": (b" " * (MIB + 1), 413),
    "gzip": (zlib.compress(b" " * 10_000_000), 400),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_refused_with_a_reason(
    served: Served, name: str, count: Count
) -> None:
    body, status = BODIES[name]
    answer = post(
        served.port, "/v1/datasets", body, f"Authorization: Bearer {served.token}"
    )
    allowed = status if isinstance(status, tuple) else (status,)
    assert answer.status in allowed, answer.body[:500]
    if answer.status >= 400:
        assert len(json.dumps(answer.problem())) < 5_000  # it repeats nothing long
    count("hostile bodies", 1, "requests")


def test_a_gzip_bomb_is_not_unpacked(served: Served) -> None:
    bearer = f"Authorization: Bearer {served.token}"
    bomb = zlib.compress(b" " * 100 * MIB)
    answer = post(served.port, "/v1/datasets", bomb, bearer, "Content-Encoding: gzip")
    assert answer.problem()["type"].endswith(":unsupported-media-type")
    assert answer.status == 415


def _almost(port: int, head: bytes, length: int, filling: bytes) -> socket.socket:
    """Send a body but for its last byte."""
    connection = dial(port)
    connection.sendall(head + b"Content-Length: %d\r\n\r\n" % length)
    threading.Thread(
        target=_send, args=(connection, (filling * length)[: length - 1]), daemon=True
    ).start()
    return connection


def _send(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        connection.sendall(data)


def test_many_long_bodies_at_once_take_little_memory(
    served: Served, count: Count, scaled: Callable[[int, int], int]
) -> None:
    number = scaled(10, 200)
    begin, end = b'{"files":[', b'{"path":"z","size":1}]}'
    item = b'{"path":"' + b"x" * 65 + b'","size":1},'
    body = begin + item * ((LONGEST - len(begin) - len(end)) // len(item)) + end
    head = (
        b"POST /v1/pushes/00000000-0000-0000-0000-000000000000/uploads HTTP/1.1\r\n"
        b"Host: hutch\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n"
    ) % (served.token.encode(), len(body))
    with ExitStack() as stack:
        held = [stack.enter_context(closing(dial(served.port))) for _ in range(number)]
        senders = [
            threading.Thread(target=_send, args=(connection, head + body))
            for connection in held
        ]
        for sender in senders:
            sender.start()
        answers = [next(replies(read(connection))) for connection in held]
        for sender in senders:
            sender.join()
    assert {answer.status for answer in answers} == {413}
    count("bodies of 8 MiB sent at once", number, "requests")
    count("memory of the API with them, peak", served.peak() / MIB, "MiB")


def test_many_large_attributes_at_once_take_little_memory(
    served: Served, count: Count, scaled: Callable[[int, int], int]
) -> None:
    number = scaled(20, 300)
    body = b'{"name":"x","attributes":{"a":[' + b"1e9," * 250_000 + b"1]}}"
    bearer = f"Authorization: Bearer {served.token}"
    statuses: list[int] = []

    def send() -> None:
        statuses.append(post(served.port, "/v1/datasets", body, bearer).status)

    _together(send, number)
    assert statuses == [413] * number
    count("bodies of 1 MiB of numbers sent at once", number, "requests")
    count("memory of the API with them, peak", served.peak() / MIB, "MiB")


def _together(deed: Callable[[], None], number: int) -> None:
    threads = [threading.Thread(target=deed) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_strangers_cannot_fill_the_memory(served: Served, count: Count) -> None:
    number = 200
    with ExitStack() as stack:
        held = [
            stack.enter_context(closing(_almost(served.port, LOGIN, STRANGERS, b" ")))
            for _ in range(number)
        ]
        for connection in held[: number // 2]:
            connection.shutdown(socket.SHUT_RDWR)
        count("memory of the API, peak", served.peak() / MIB, "MiB")
    count("strangers who hold a body back", number, "connections")


def test_many_logins_at_once_take_little_memory(served: Served, count: Count) -> None:
    body = json.dumps({"user": "nobody", "password": "x" * 1_000}).encode()
    answers: list[int] = []

    def log_in() -> None:
        answers.append(post(served.port, "/v1/login", body).status)

    _together(log_in, 40)
    assert len(answers) == 40
    assert set(answers) <= {401, 429}
    count("memory of the API with 40 logins, peak", served.peak() / MIB, "MiB")
