"""Slow clients are sent away in the end, and nobody waits for them meanwhile."""

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.laws.conftest import Count
from tests.laws.input.conftest import MIB, Served, require_unharmed, serving
from tests.laws.input.wire import PATIENCE_S, dial, get, read, replies

SLOW = 200
HEAD = b"POST /v1/login HTTP/1.1\r\nHost: hutch\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def _hasty(
    facility: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("hasty") / "log"
    with serving(
        facility, log, HEAD_TIMEOUT_S="2", BODY_TIMEOUT_S="2", CONNECTIONS="1000"
    ) as served:
        yield served


@pytest.fixture
def hasty(_hasty: Served) -> Iterator[Served]:
    """Give an API that waits two seconds for anything."""
    yield _hasty
    require_unharmed(_hasty)


@pytest.fixture(scope="module")
def crowded(
    facility: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("crowded") / "log"
    with serving(facility, log, CONNECTIONS="50", HEAD_TIMEOUT_S="3600") as served:
        yield served


def _hold(stack: ExitStack, port: int, number: int, said: bytes) -> list[socket.socket]:
    held = []
    for _ in range(number):
        connection = stack.enter_context(closing(dial(port)))
        connection.sendall(said)
        held.append(connection)
    return held


def _feed_until_closed(held: list[socket.socket], crumb: bytes) -> int:
    """Send a crumb to each again and again, until the server has closed them all."""
    fed, left = 0, set(held)
    poll = select.poll()
    by_number = {connection.fileno(): connection for connection in held}
    for number in by_number:
        poll.register(number, select.POLLIN | select.POLLRDHUP)
    while left:
        for number, _ in poll.poll(200):
            poll.unregister(number)
            left.discard(by_number[number])
        for connection in left:
            try:
                fed += connection.send(crumb)
            except ConnectionError:
                continue  # the poll will tell
    return fed


@pytest.mark.parametrize(
    ("said", "crumb"),
    [
        (b"", b"G"),
        (b"GET /healthz HTTP/1.1\r\nHost: hutch\r\n", b"A: b\r\n"),
        (b"GET /" + b"a" * 8_000, b"a"),
        (HEAD + b"Content-Length: 60000\r\n\r\n" + b" " * 40_000, b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"GET /v1/nothing HTTP/1.1\r\nHost: hutch\r\n\r\nGET ", b"/"),
    ],
    ids=["nothing", "headers", "target", "body", "chunks", "second request"],
)
def test_who_feeds_crumbs_is_sent_away_and_holds_nobody_up(
    hasty: Served, said: bytes, crumb: bytes, count: Count
) -> None:
    with ExitStack() as stack:
        held = _hold(stack, hasty.port, SLOW, said)
        for _ in range(20):
            bearer = f"Authorization: Bearer {hasty.token}"
            assert get(hasty.port, "/v1/whoami", bearer).status == 200
        _feed_until_closed(held, crumb)
    count("slow connections held at a time, and closed", SLOW, "connections")
    count("memory of the API with them, peak", hasty.peak() / MIB, "MiB")


def test_who_does_not_read_is_sent_away(hasty: Served) -> None:
    request = b"GET /v1/openapi.json HTTP/1.1\r\nHost: hutch\r\n\r\n"
    with closing(dial(hasty.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(request * 200)
        poll = select.poll()
        poll.register(connection, select.POLLHUP | select.POLLERR)
        assert poll.poll(PATIENCE_S * 1_000), "the server still waits"


def test_many_requests_in_a_row_are_answered_in_order(
    hasty: Served, count: Count, scaled: Callable[[int, int], int]
) -> None:
    number = scaled(300, 20_000)
    requests = [
        f"GET /healthz HTTP/1.1\r\nHost: hutch\r\nX-Request-Id: r-{n}\r\n\r\n"
        for n in range(number)
    ]
    requests[-1] = requests[-1].replace("Host", "Connection: close\r\nHost")
    with closing(dial(hasty.port)) as connection:
        for first in range(0, number, 100):  # so that neither side's buffers fill
            connection.sendall("".join(requests[first : first + 100]).encode())
        answers = list(replies(read(connection)))
    told = [answer.headers["x-request-id"] for answer in answers]
    assert told == [f"r-{n}" for n in range(number)]
    count("requests pipelined over a connection", number, "requests")


def test_a_crowd_that_says_nothing_leaves_room_for_the_others(
    crowded: Served, count: Count
) -> None:
    crowd = 300
    with ExitStack() as stack:
        held = _hold(stack, crowded.port, crowd, b"GET / HTTP/1.1\r\n")
        assert get(crowded.port, "/healthz").status == 200
        poll = select.poll()
        for connection in held[: crowd - 50]:
            poll.register(connection, select.POLLRDHUP)
        gone = 0
        while gone < crowd - 50:
            for number, _ in poll.poll(PATIENCE_S * 1_000):
                poll.unregister(number)
                gone += 1
        held[-1].sendall(b"Host: hutch\r\nConnection: close\r\n\r\n")
        assert next(replies(read(held[-1]))).status == 404
    require_unharmed(crowded)
    count("silent connections to an API that takes 50", crowd, "connections")
