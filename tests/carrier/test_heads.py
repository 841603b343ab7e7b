"""Heads are written without room for others, and read in one way only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch.transfer.failures import CutError, RouteError
from hutch.transfer.heads import Head, compose, parse


def _parse(*lines: str) -> Head:
    return parse("\r\n".join([*lines, "\r\n"]).encode("latin-1"))


def test_a_head_is_read() -> None:
    head = _parse(
        "HTTP/1.1 206 Partial Content",
        "content-length: 10",
        "Content-Range:bytes 5-14/*",
        'ETag: "e"\t',
        "Date: Mon, 01 Jan 2026 00:00:00 GMT",
        "x-amz-what: \xe9",
    )
    assert head == Head(
        status=206,
        length=10,
        is_chunked=False,
        is_last=False,
        etag='"e"',
        date="Mon, 01 Jan 2026 00:00:00 GMT",
        span=(5, 14),
    )


@pytest.mark.parametrize(
    ("lines", "is_last"),
    [
        (["HTTP/1.1 200 OK", "Content-Length: 0"], False),
        (["HTTP/1.1 200 OK", "Content-Length: 0", "Connection: Close"], True),
        (["HTTP/1.1 200 OK", "Content-Length: 0", "Connection: x, close"], True),
        (["HTTP/1.1 200 OK"], True),
        (["HTTP/1.1 200 OK", "Transfer-Encoding: Chunked"], False),
        (["HTTP/1.1 204 No Content"], False),
        (["HTTP/1.0 200 OK", "Content-Length: 0"], True),
        (["HTTP/1.0 200 OK", "Content-Length: 0", "Connection: keep-alive"], False),
    ],
)
def test_a_connection_lasts_as_long_as_both_sides_say(
    lines: list[str],
    is_last: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert _parse(*lines).is_last is is_last


@pytest.mark.parametrize(
    "lines",
    [
        ["HTTP/2 200 OK"],
        ["HTTP/1.1 2000 OK"],
        ["HTTP/1.1 099 no"],
        ["HTTP/1.1 700 no"],
        ["200 OK"],
        ["HTTP/1.1 200 OK", "no colon"],
        ["HTTP/1.1 200 OK", "space before: x", "Content-Length: 0"],
        ["HTTP/1.1 200 OK", "X: 1", " folded"],
        ["HTTP/1.1 200 OK", "X: 1\nContent-Length: 0"],
        ["HTTP/1.1 200 OK", "X: 1\rY: 2"],
        ["HTTP/1.1 200 OK", "X: 1\0"],
        ["HTTP/1.1 200 OK", "Content-Length: -1"],
        ["HTTP/1.1 200 OK", "Content-Length: +1"],
        ["HTTP/1.1 200 OK", "Content-Length: 0x1"],
        ["HTTP/1.1 200 OK", "Content-Length: 1_0"],
        ["HTTP/1.1 200 OK", "Content-Length:"],
        ["HTTP/1.1 200 OK", "Content-Length: 99999999999999999999"],
        ["HTTP/1.1 200 OK", "Content-Length: 1, 1"],
        pytest.param(
            ["HTTP/1.1 200 OK", "Content-Length: 1", "Content-Length: 2"],
            id="two lengths",
        ),
        pytest.param(
            ["HTTP/1.1 200 OK", "Content-Length: 1", "Transfer-Encoding: chunked"],
            id="length and chunks",
        ),
        ["HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked"],
        ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(lines: list[str]) -> None:
    with pytest.raises(CutError):
        _parse(*lines)


def test_a_length_may_be_said_twice() -> None:
    assert _parse("HTTP/1.1 200 OK", "A: b", *["Content-Length: 7"] * 2).length == 7


_LINES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK",
            b"Content-Length: 5",
            b"Transfer-Encoding: chunked",
            b"Content-Range: bytes 0-4/5",
            b"Connection: close",
        ]
    ),
)


@given(st.lists(_LINES, max_size=6))
def test_whatever_is_said_is_understood_or_refused(lines: list[bytes]) -> None:
    try:
        head = parse(b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"\r\n"]))
    except CutError:
        return
    assert head.status == 200
    assert head.length is None or head.length >= 0


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        ("/x HTTP/1.1\r\nHost: evil", "a", "b"),
        ("/x y", "a", "b"),
        ("/\xfc", "a", "b"),
        pytest.param("/x", "a", "b\r\nc: d", id="value"),
        ("/x", "a", "b\nc"),
        ("/x", "a", "b\0"),
        ("/x", "a: b\r\nc", "d"),
        pytest.param("/x", "a b", "c", id="name"),
        ("/x", "", "c"),
    ],
)
def test_a_server_cannot_write_other_heads_than_one(
    target: str, name: str, value: str
) -> None:
    with pytest.raises(RouteError) as caught:
        compose("PUT", target, [(name, value)])
    assert target not in str(caught.value)  # it may be signed
    assert compose("PUT", "/x", [("a", "b c")]) == b"PUT /x HTTP/1.1\r\na: b c\r\n\r\n"
