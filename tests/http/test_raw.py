"""A real server on a loopback port, spoken to byte by byte."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Thread
from uuid import uuid4

import pytest
from starlette.applications import Starlette

from hutch_api.adapters.memory import MemoryStore
from hutch_api.http.endpoints import MAX_BODY
from hutch_api.http.serving import make_server
from tests.http.files import push_file
from tests.http.people import Person
from tests.servers import wait_until

Speak = Callable[..., bytes]


@pytest.fixture
def port(app: Starlette) -> Iterator[int]:
    server = make_server(app, host="127.0.0.1", port=0)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, what="the server")
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def _read(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(65_536):
        answer += piece
    return answer


def _ask(port: int, *pieces: bytes) -> bytes:
    """Send pieces and read until the server ends the connection."""
    with closing(socket.create_connection(("127.0.0.1", port), 30)) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return _read(connection)


def _sent_before_the_end(connection: socket.socket, chunk: bytes) -> int:
    sent = 0
    try:
        while sent < 8 * MAX_BODY:
            connection.sendall(chunk)
            sent += len(chunk)
    except OSError:  # reset, or a broken pipe
        pass
    return sent


def _get(port: int, target: str, person: Person, method: str = "GET") -> bytes:
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: hutch",
        f"Authorization: Bearer {person.token}",
        "Connection: close",
    ]
    return _ask(port, "\r\n".join(lines).encode() + b"\r\n\r\n")


def _location(answer: bytes) -> str:
    head = answer.partition(b"\r\n\r\n")[0].decode()
    lines = [line for line in head.split("\r\n") if line.lower().startswith("location")]
    return lines[0].partition(": ")[2]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("raw/scan.h5", "raw/scan.h5"),
        ("raw%2Fscan.h5", "raw/scan.h5"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("100%25", "100%"),
        ("a%252Fb", "a%2Fb"),
        ("a%3Fb%23c", "a?b#c"),
        ("a;b=c&d", "a;b=c&d"),
        ("%C3%BC/%E5%9B%B3.tif", "ü/図.tif"),
        ("...", "..."),
        (".hidden/..x", ".hidden/..x"),
        ("%27%22%3C%3E%7C%2A", "'\"<>|*"),
        ("x" * 255, "x" * 255),
    ],
)
def test_every_allowed_path_is_decoded_exactly_once(
    port: int, store: MemoryStore, ada: Person, target: str, path: str
) -> None:
    dataset = ada.create("tooth")
    push_file(ada, store, dataset, path, b"content")
    answer = _get(port, f"/v1/datasets/{dataset}/files/{target}", ada)
    assert answer.startswith(b"HTTP/1.1 307 ")
    assert f"d/{dataset}/" in _location(answer)
    head = _get(port, f"/v1/datasets/{dataset}/files/{target}", ada, "HEAD")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"\r\ncontent-length: 7\r\n" in head.lower()
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "target",
    [
        "raw//scan.h5",
        "/raw/scan.h5",
        "raw/./scan.h5",
        "raw/../raw/scan.h5",
        "%2E%2E/files/raw/scan.h5",
        "raw/scan.h5/",
        "raw%252Fscan.h5",
        "raw/scan.h5%00",
        "raw/scan%FF.h5",
        "RAW/scan.h5",
        "",
    ],
)
def test_no_other_spelling_of_a_path_finds_the_file(
    port: int, store: MemoryStore, ada: Person, target: str
) -> None:
    dataset = ada.create("tooth")
    push_file(ada, store, dataset, "raw/scan.h5", b"content")
    answer = _get(port, f"/v1/datasets/{dataset}/files/{target}", ada)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "target",
    [
        "/v1/datasets/../whoami",
        "//v1/whoami",
        "/v1//whoami",
        "/v1%2Fwhoami",
        "/%761/whoami",
        "/v1/./whoami",
    ],
)
def test_addresses_are_not_normalised(port: int, ada: Person, target: str) -> None:
    assert _get(port, target, ada).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "target", ["http://elsewhere:99/v1/whoami", "HTTPS://x/v1/whoami"]
)
def test_the_absolute_form_is_understood(port: int, ada: Person, target: str) -> None:
    assert _get(port, target, ada).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "target", ["http://elsewhere", "http://user@elsewhere/", "/v1/whoami/"]
)
def test_no_answer_repeats_the_host_it_was_asked_for(
    port: int, ada: Person, target: str
) -> None:
    answer = _get(port, target, ada)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"elsewhere" not in answer
    assert b"\r\nlocation:" not in answer.lower()


@pytest.mark.parametrize(
    ("method", "target"), [("OPTIONS", "*"), ("CONNECT", "x:1"), ("GET", "x")]
)
def test_what_is_no_path_is_malformed(
    port: int, ada: Person, method: str, target: str
) -> None:
    answer = _get(port, target, ada, method)
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_body_announced_as_too_long_is_refused_before_it_comes(port: int) -> None:
    head = (
        b"POST /v1/login HTTP/1.1\r\nHost: hutch\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000000000000\r\n\r\n"
    )
    answer = _ask(port, head)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"urn:hutch:problem:too-large" in answer


def test_an_endless_body_is_cut_off(port: int) -> None:
    """The system before this one held uploads in memory."""
    head = (
        b"POST /v1/login HTTP/1.1\r\nHost: hutch\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), 30)) as connection:
        connection.sendall(head)
        assert _sent_before_the_end(connection, chunk) < 8 * MAX_BODY


def test_an_endless_body_is_answered_with_a_problem(port: int, ada: Person) -> None:
    head = (
        f"POST /v1/pushes/{uuid4()}/uploads HTTP/1.1\r\nHost: hutch\r\n"
        f"Authorization: Bearer {ada.token}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    whole = b"%x\r\n" % (MAX_BODY + 1) + b" " * (MAX_BODY + 1)
    answer = _ask(port, head.encode(), whole)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"urn:hutch:problem:too-large" in answer


def test_a_long_body_of_a_stranger_is_not_read(port: int) -> None:
    head = (
        b"POST /v1/datasets HTTP/1.1\r\nHost: hutch\r\nContent-Type: application/json"
        b"\r\nContent-Length: 8000000\r\n\r\n"
    )
    answer = _ask(port, head)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nconnection: close" in answer.lower()


def test_the_server_does_not_name_itself(port: int, ada: Person) -> None:
    assert b"\r\nserver:" not in _get(port, "/healthz", ada).lower()


def test_no_log_holds_a_token_or_a_signed_address(
    port: int,
    store: MemoryStore,
    ada: Person,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The system before this one wrote tokens into addresses and logs."""
    dataset = ada.create("tooth")
    push_file(ada, store, dataset, "scan.h5", b"content")
    with caplog.at_level(logging.DEBUG):
        answer = _get(port, f"/v1/datasets/{dataset}/files/scan.h5", ada)
        _get(port, f"/v1/whoami?token={ada.token}", ada)
    location = _location(answer)
    text = caplog.text
    assert "GET /v1/datasets/{dataset}/files/{path} 307" in text
    assert ada.token not in text
    assert location not in text
    assert location.partition("?")[0] not in text
    assert "token=" not in text


def test_a_manifest_is_sent_as_it_is_read(
    port: int, store: MemoryStore, ada: Person
) -> None:
    dataset = ada.create("tooth")
    for number in range(3):
        push_file(ada, store, dataset, f"f{number}", b"content")
    closed = ada.post(f"/v1/datasets/{dataset}/close", {})
    assert closed.status_code == 200, closed.text
    answer = _get(port, f"/v1/datasets/{dataset}/manifest", ada)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding: chunked" in answer.lower()
    assert answer.count(b"  7  f") == 3
