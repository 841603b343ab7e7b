"""Requests that no honest client sends, each with the statuses it may get.

A status of 0 stands for a connection that is closed without an answer.
"""

from dataclasses import dataclass

EVIL = "evil.example"


@dataclass(frozen=True, slots=True)
class Odd:
    """A request.

    Attributes:
        name: What is odd about it.
        raw: Its bytes.
        statuses: Those that are right.
    """

    name: str
    raw: bytes
    statuses: frozenset[int]


def _odd(name: str, raw: bytes, *statuses: int) -> Odd:
    return Odd(name, raw, frozenset(statuses))


def _get(
    name: str, *statuses: int, target: bytes = b"/healthz", headers: bytes = b""
) -> Odd:
    head = b"GET " + target + b" HTTP/1.1\r\nHost: hutch\r\nConnection: close\r\n"
    return _odd(name, head + headers + b"\r\n", *statuses)


def _host(name: str, *statuses: int, lines: bytes) -> Odd:
    raw = b"GET /v1/whoami/ HTTP/1.1\r\nConnection: close\r\n" + lines + b"\r\n"
    return _odd(name, raw, *statuses)


def _login(name: str, *statuses: int, headers: bytes, body: bytes = b"{}") -> Odd:
    head = (
        b"POST /v1/login HTTP/1.1\r\nHost: hutch\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\n"
    )
    return _odd(name, head + headers + b"\r\n" + body, *statuses)


_E = EVIL.encode()
_CLOSE = b"Connection: close\r\n\r\n"
_TWO = b"Content-Length: 2\r\n"
HOSTS = [
    _host("no Host", 400, lines=b""),
    _host("two Hosts", 400, lines=b"Host: hutch\r\nHost: " + _E + b"\r\n"),
    _host("empty Host", 404, lines=b"Host: \r\n"),
    _host("other Host", 404, lines=b"Host: " + _E + b"\r\n"),
    _host("Host with a user", 404, lines=b"Host: hutch@" + _E + b"\r\n"),
    _host("Host with a path", 404, lines=b"Host: " + _E + b"/../x?y#z\r\n"),
    _host("Host with a port", 404, lines=b"Host: " + _E + b":99999\r\n"),
    _host("Host with high bytes", 404, lines=b"Host: \xff\xfe" + _E + b"\r\n"),
    _host("Host with NUL", 400, lines=b"Host: a\0" + _E + b"\r\n"),
    _host("Host folded", 404, 400, lines=b"Host: hutch\r\n " + _E + b"\r\n"),
    _host("Host before a colon", 400, lines=b"Host : " + _E + b"\r\n"),
    *(
        _host(name, 404, lines=f"Host: hutch\r\n{name}: {EVIL}\r\n".encode())
        for name in (
            "X-Forwarded-Host", "X-Forwarded-Server", "X-Host", "X-Original-URL",
            "X-Rewrite-URL", "Origin", "Referer", "X-Forwarded-Proto", "Via",
        )
    ),
    _host("Forwarded", 404, lines=b"Host: hutch\r\nForwarded: host=" + _E + b"\r\n"),
    _get("absolute", 404, target=b"http://" + _E + b"/v1/nothing"),
    _get("absolute without a path", 404, target=b"http://" + _E),
    _get("absolute with a user", 404, target=b"http://a:b@" + _E + b"/"),
    _get("absolute with a query", 404, target=b"http://" + _E + b"?/healthz"),
    _get("two slashes", 404, target=b"//" + _E + b"/healthz"),
    _get("another scheme", 400, target=b"ftp://" + _E + b"/healthz"),
    _get("a script", 400, target=b"javascript://" + _E),
    _odd("CONNECT", b"CONNECT " + _E + b":443 HTTP/1.1\r\nHost: a\r\n" + _CLOSE, 400),
]  # fmt: skip
LENGTHS = [
    _login("two lengths", 400, headers=b"Content-Length: 2\r\nContent-Length: 3\r\n"),
    _login(
        "one length twice",
        *(422, 400),
        headers=b"Content-Length: 2\r\nContent-Length: 2\r\n",
    ),
    _login("a list of lengths", 400, headers=b"Content-Length: 2, 3\r\n"),
    *(
        _login(f"length {n!r}", 400, headers=b"Content-Length: " + n + b"\r\n")
        for n in (
            b"-1", b"+2", b"0x2", b"2e1", b"2 2", b"", b"two", b"\xd9\xa2",
            b"9" * 30, b"9" * 5_000,
        )
    ),
    _login("a long length", 413, headers=b"Content-Length: 99999999999999\r\n"),
    _login(
        "length and chunks",
        400,
        headers=b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        body=b"2\r\n{}\r\n0\r\n\r\n",
    ),
    _login(
        "chunks and length",
        400,
        headers=b"Transfer-Encoding: chunked\r\nContent-Length: 99999\r\n",
        body=b"0\r\n\r\nGET /v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    *(
        _login(f"coding {c!r}", 400, headers=b"Transfer-Encoding: " + c + b"\r\n")
        for c in (
            b"gzip, chunked", b"identity", b"chunked, chunked", b"xchunked",
            b"\x0bchunked", b"chunked;q=1", b"",
        )
    ),
    _login(
        "two codings",
        400,
        headers=b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ),
    *(
        _login(
            f"chunk {chunk[:20]!r}",
            *((0, 400) if chunk.startswith(b"ff") else (400, 413, 422)),
            headers=b"Transfer-Encoding: chunked\r\n",
            body=chunk,
        )
        for chunk in (
            b"zz\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n",
            b"2\r\n{}0\r\n\r\n", b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
            b"0x2\r\n{}\r\n0\r\n\r\n", b"2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
            b"0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n", b"1\r\n \r\n" * 80_000,
        )
    ),
    _login("less than announced", 0, headers=b"Content-Length: 20\r\n"),
    _login("a chunk less", 0, headers=b"Transfer-Encoding: chunked\r\n", body=b"2\r\n"),
    _login("it expects", 422, 400, headers=b"Expect: 100-continue\r\n" + _TWO),
    _login("it expects too much", 422, 400, 417, headers=b"Expect: x\r\n" + _TWO),
    _login("gzip", 415, headers=b"Content-Encoding: gzip\r\n" + _TWO),
    _login("br, gzip", 415, headers=b"Content-Encoding: br, gzip\r\n" + _TWO),
]  # fmt: skip
LINES = [
    _odd("HTTP/0.9", b"GET /healthz\r\n\r\n", 400, 0),
    _odd("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    _odd("HTTP/1.2", b"GET /healthz HTTP/1.2\r\nHost: a\r\n" + _CLOSE, 200, 400),
    _odd("HTTP/11", b"GET /healthz HTTP/11\r\nHost: a\r\n" + _CLOSE, 400),
    _odd("a word more", b"GET /healthz HTTP/1.1 x\r\nHost: a\r\n" + _CLOSE, 400),
    _odd("no target", b"GET  HTTP/1.1\r\nHost: a\r\n" + _CLOSE, 400),
    _odd("small letters", b"get /healthz HTTP/1.1\r\nHost: a\r\n" + _CLOSE, 405),
    _odd("no method", b" /healthz HTTP/1.1\r\nHost: a\r\n" + _CLOSE, 400),
    _odd("long method", b"G" * 9_000 + b" / HTTP/1.1\r\nHost: a\r\n" + _CLOSE, 404),
    _odd("method of bytes", b"\xff\xfe /healthz HTTP/1.1\r\nHost: a\r\n" + _CLOSE, 400),
    _odd("TRACE", b"TRACE /healthz HTTP/1.1\r\nHost: a\r\n" + _CLOSE, 405),
    _odd("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400, 0),
    _odd("zeros", bytes(100_000), 400, 0),
    _odd("nothing", b"", 0),
    _odd("half a head", b"GET /healthz HTTP/1.1\r\nHost: a\r\n", 0),
    _odd("many blank lines", b"\r\n" * 50_000, 400, 0),
    _odd("bare LF", b"GET /healthz HTTP/1.1\nHost: a\nConnection: close\n\n", 200, 400),
    _odd("bare CR", b"GET /healthz HTTP/1.1\rHost: a\r\r", 400, 0),
    _get("no name", 400, headers=b": x\r\n"),
    _get("blank in a name", 400, headers=b"A b: x\r\n"),
    _get("NUL in a name", 400, headers=b"A\0b: x\r\n"),
    _get("NUL in a value", 400, headers=b"A: x\0\r\n"),
    _get("bytes in a value", 200, headers=b"A: \xff\xfe\x80\r\n"),
    _get("1,000 headers", 200, 400, headers=b"A: b\r\n" * 1_000),
    _get("5,000 headers", 200, 400, headers=b"A: b\r\n" * 5_000),
    _get("a long header", 200, 400, headers=b"A: " + b"b" * 100_000 + b"\r\n"),
    _get("a long cookie", 200, 400, headers=b"Cookie: " + b"a=b;" * 50_000 + b"\r\n"),
    _get("to a websocket", 200, headers=b"Upgrade: websocket\r\n"),
    _get("to HTTP/2", 200, headers=b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
    _get("two tokens", 401, target=b"/v1/whoami",
         headers=b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"),
    _get("bytes for a token", 401, target=b"/v1/whoami",
         headers=b"Authorization: Bearer \xff\xfe\r\n"),
    _get("a long token", 401, target=b"/v1/whoami",
         headers=b"Authorization: Bearer " + b"x" * 10_000 + b"\r\n"),
    _get("a range", 200, headers=b"Range: bytes=0-,1-,2-,3-\r\n"),
]  # fmt: skip
PATHS = [
    _get(f"path {target[:30]!r}", 404, target=target)
    for target in (
        b"/%2e%2e/healthz", b"/%2e/healthz", b"/./healthz", b"/x/../healthz",
        b"/healthz/..", b"/..;/healthz", b"/%2fhealthz", b"//healthz", b"/healthz//",
        b"/healthz%00", b"/healthz%00.json", b"/healthz%0d%0aSet-Cookie:%20a=b",
        b"/%68ealthz", b"/%c0%ae%c0%ae/healthz", b"/%u002e%u002e/healthz",
        b"/..%5chealthz", b"/\\healthz", b"/healthz.", b"/healthz%20", b"/HEALTHZ",
        b"/%e2%80%a4%e2%80%a4/healthz", b"/%ef%bc%8e%ef%bc%8e/healthz",
        b"/healthz;a=b", b"/%", b"/%zz", b"/%ff", b"/%f", b"/" + b"a" * 8_000,
        b"/" + b"%2e%2e%2f" * 800 + b"etc/passwd", b"/" + b"/" * 8_000,
        b"/v1/datasets/../../healthz", b"/v1/datasets/%2e%2e/whoami/",
    )
] + [
    _get("a fragment", 400, 404, target=b"/healthz#x"),
    _get("a huge target", 400, target=b"/" + b"a" * 1_000_000),
    _get("bytes in a target", 400, target=b"/\xff\xfe"),
    _get("a tab in a target", 400, target=b"/a\tb"),
]  # fmt: skip
QUERIES = [
    _get(f"query {query[:30]!r}", *statuses, target=b"/v1/capabilities?" + query)
    for query, statuses in (
        (b"", (200,)), (b"?", (422,)), (b"&", (200, 422)), (b"=", (422,)),
        (b"a=1&a=2", (422,)), (b"a[]=1", (422,)), (b"a=%00", (422,)),
        (b"a=%ff", (422,)), (b"a" * 8_000, (422,)), (b"a&" * 4_000, (422,)),
        (b"%", (422,)), (b"a=%0d%0aX:%20y", (422,)), (b"a;b;c", (422,)),
    )
]  # fmt: skip
ALL = [*HOSTS, *LENGTHS, *LINES, *PATHS, *QUERIES]
