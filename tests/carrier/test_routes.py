"""The way to a store: proxies of the environment, TLS, addresses that lead nowhere."""

import os
import socket
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hutch.contract.parts import MIB
from hutch.transfer import sockets
from hutch.transfer.carrier import Answer, Carrier, CutError, StoppedError
from hutch.transfer.failures import RouteError
from tests.carrier.conftest import Source
from tests.carrier.proxying import proxy
from tests.carrier.scripted import OK, Store, await_end, part, store
from tests.servers import wait_until

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Make an authority of this test's own, and have this machine trust it."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(  # noqa: S603 - a program of this machine, no shell
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=test"),
            *("-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _secure(place: Store, host: str = "localhost") -> None:
    place.url = place.url.replace("http://127.0.0.1", f"https://{host}")


def _put(carrier: Carrier, source: Source, place: Store) -> Answer:
    return carrier.put(place.request("PUT"), source.piece, lambda _count: None)


def _get(carrier: Carrier, place: Store, size: int) -> bytes:
    taken = bytearray()
    carrier.get(
        place.request("GET"),
        taken.extend,
        first=0,
        size=size,
        moved=lambda _count: None,
    )
    return bytes(taken)


@pytest.mark.parametrize("size", [0, 1_000, 300_001, 9 * MIB])
def test_tls_carries_files_both_ways(
    carrier: Carrier, source: Source, tls: ssl.SSLContext, size: int
) -> None:
    source.hold(os.urandom(size))
    received = list[bytes]()

    def treat(here: socket.socket) -> None:
        received.append(place.read(here))
        here.sendall(OK)
        place.read(here)
        here.sendall(part(received[0]))

    with store() as place:
        place.treatments = (place.encrypted(tls, treat),)
        _secure(place)
        assert _put(carrier, source, place).is_success
        if size:
            assert _get(carrier, place, size) == received[0]
            assert place.connections == 1
    assert received == [source.path.read_bytes()]


def test_tls_that_is_cut_short_is_cut(carrier: Carrier, tls: ssl.SSLContext) -> None:
    whole = part(b"12345")
    for cut in (0, 10, len(whole) - 1):
        with store() as place:
            place.treatments = (place.encrypted(tls, place.saying(whole[:cut])),)
            _secure(place)
            with pytest.raises(CutError):
                _get(carrier, place, 5)


def test_a_refusal_is_heard_through_tls(
    carrier: Carrier,
    source: Source,
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "TIMEOUT_S", 5.0)
    source.hold(bytes(24 * MIB))
    heard = threading.Event()

    def treat(here: socket.socket) -> None:
        place.read(here, body=0)
        here.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        heard.wait()  # and reads no further

    with store() as place:
        place.treatments = (place.encrypted(tls, treat),)
        _secure(place)
        try:
            assert _put(carrier, source, place).status == 403
        finally:
            heard.set()


def test_silence_behind_tls_ends_in_time(
    carrier: Carrier,
    source: Source,
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source.hold(bytes(24 * MIB))
    monkeypatch.setattr(sockets, "TIMEOUT_S", 1.0)
    given_up = threading.Event()

    def treat(here: socket.socket) -> None:
        place.read(here, body=0)
        given_up.wait()

    with store() as place:
        place.treatments = (place.encrypted(tls, treat),)
        _secure(place)
        try:
            for verb in (_put, lambda c, _s, p: _get(c, p, 5)):
                with pytest.raises(CutError, match=r"said nothing|no more"):
                    verb(carrier, source, place)
        finally:
            given_up.set()


def test_a_stop_wakes_who_waits_behind_tls(
    carrier: Carrier, tls: ssl.SSLContext
) -> None:
    def treat(here: socket.socket) -> None:
        place.read(here)
        await_end(here)

    with store() as place, ThreadPoolExecutor() as pool:
        place.treatments = (place.encrypted(tls, treat),)
        _secure(place)
        future = pool.submit(_get, carrier, place, 5)
        wait_until(lambda: len(place.heads) == 1, what="the request")
        carrier.stop()
        with pytest.raises(StoppedError):
            future.result(timeout=60)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    carrier: Carrier,
    source: Source,
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with store() as place:
        place.treatments = (place.encrypted(tls, await_end),)
        _secure(place)
        with pytest.raises(RouteError, match="SSL_CERT_FILE"):
            _put(carrier, source, place)
        assert place.heads == []


def test_a_certificate_of_another_host_is_refused(
    carrier: Carrier, source: Source, tls: ssl.SSLContext
) -> None:
    with store() as place:
        place.treatments = (place.encrypted(tls, await_end),)
        _secure(place, "127.0.0.1")
        with pytest.raises(RouteError, match="not trusted"):
            _put(carrier, source, place)


def test_a_proxy_of_the_environment_relays_http(
    carrier: Carrier, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.hold(os.urandom(MIB))
    received = list[bytes]()

    def treat(here: socket.socket) -> None:
        received.append(place.read(here))
        here.sendall(OK)

    with store(treat) as place, proxy() as relay:
        address = relay.url.removeprefix("http://")
        monkeypatch.setenv("http_proxy", f"http://anna:s%3Acret@{address}")
        for _ in range(2):
            assert _put(carrier, source, place).is_success
    assert received == [source.path.read_bytes()] * 2
    head = relay.heads[0].decode()
    assert head.startswith(f"PUT {place.url}/b/d/x?X-Amz-Signature=s HTTP/1.1\r\n")
    assert "\r\nProxy-Authorization: Basic YW5uYTpzOmNyZXQ=\r\n" in head
    assert f"\r\nHost: {place.url.removeprefix('http://')}\r\n" in head


def test_a_proxy_sees_nothing_of_what_tls_protects(
    carrier: Carrier,
    source: Source,
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with store() as place, proxy() as relay:
        place.treatments = (place.encrypted(tls, place.saying(OK, part(b"12345"))),)
        _secure(place)
        address = relay.url.removeprefix("http://")
        monkeypatch.setenv("https_proxy", f"anna@{address}")  # some leave http:// out
        assert _put(carrier, source, place).is_success
        assert _get(carrier, place, 5) == b"12345"
        assert (place.connections, relay.connections) == (1, 1)
    (head,) = relay.heads
    target = place.url.removeprefix("https://")
    assert head.startswith(f"CONNECT {target} HTTP/1.1\r\n".encode())
    assert b"\r\nProxy-Authorization: Basic YW5uYTo=\r\n" in head
    assert b"Signature" not in head
    assert not any(b"Proxy-Authorization" in head for head in place.heads)


def test_what_is_named_in_no_proxy_is_reached_straight(
    carrier: Carrier, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "example.org,127.0.0.1")
    with store() as place:
        place.treatments = (place.saying(OK),)
        assert _put(carrier, source, place).is_success


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("socks5://anna:secret@127.0.0.1:1080", "a socks5 proxy for http"),
        ("https://anna:secret@127.0.0.1:1080", "a https proxy for http"),
        ("http://anna:secret@127.0.0.1:port", "no usable address"),
        ("http://anna:secret@[::1", "no usable address"),
        ("http://", "no usable address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    carrier: Carrier,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
    message: str,
) -> None:
    monkeypatch.setenv("all_proxy", named)
    with store(await_end) as place:
        with pytest.raises(RouteError, match=message) as caught:
            _put(carrier, source, place)
        assert place.connections == 0
    assert "no_proxy" in caught.value.detail
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_the_password_says_so_once(
    carrier: Carrier, source: Source, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    refusal = b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n"
    with store() as relay, store(await_end) as place:
        relay.treatments = (relay.saying(refusal),)
        address = relay.url.removeprefix("http://")
        monkeypatch.setenv(f"{scheme}_proxy", f"http://anna:secret@{address}")
        if scheme == "https":
            _secure(place)
        with pytest.raises(RouteError, match="refuses the name") as caught:
            _put(carrier, source, place)
        assert place.connections == 0
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 503 Not now\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"",
    ],
)
def test_a_proxy_that_does_not_connect_is_no_store(
    carrier: Carrier,
    source: Source,
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    said: bytes,
) -> None:
    with store() as relay, store() as place:
        place.treatments = (place.encrypted(tls, await_end),)
        relay.treatments = (relay.saying(said),)
        monkeypatch.setenv("https_proxy", relay.url)
        _secure(place)
        with pytest.raises(CutError):
            _put(carrier, source, place)


@pytest.mark.parametrize(
    "start",
    ["ftp://127.0.0.1", "http://", "http://u@127.0.0.1", "http://h:99999", "nowhere"],
)
def test_an_address_that_leads_nowhere_is_the_servers_fault(
    carrier: Carrier, source: Source, start: str
) -> None:
    place = Store((), url=start)
    with pytest.raises(RouteError, match="Tell the facility") as caught:
        _put(carrier, source, place)
    assert "Signature" not in str(caught.value)
