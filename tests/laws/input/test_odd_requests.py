"""What no client would send, sent to ``hutch-api serve`` as it is really run."""

import pytest

from tests.laws.conftest import Count
from tests.laws.input.conftest import MIB, Served
from tests.laws.input.odd_requests import ALL, EVIL, Odd
from tests.laws.input.wire import ask, replies


@pytest.mark.parametrize("odd", ALL, ids=lambda odd: odd.name)
def test_an_odd_request_gets_a_plain_answer(served: Served, odd: Odd) -> None:
    raw = ask(served.port, odd.raw, ends=0 in odd.statuses)
    first, *more = replies(raw) if raw else [None]
    assert (first.status if first else 0) in odd.statuses, raw[:1_000]
    for answer in [first, *more]:
        if answer is not None and answer.status >= 400:
            answer.problem()
    assert EVIL.encode() not in raw.replace(b'"/.//' + EVIL.encode(), b"")
    assert b"\r\nlocation:" not in raw.lower()
    assert b"\r\nset-cookie:" not in raw.lower()


def test_all_odd_requests_together_take_little_memory(
    served: Served, count: Count
) -> None:
    for odd in ALL:
        ask(served.port, odd.raw, ends=0 in odd.statuses)
    count("odd requests, byte by byte", len(ALL), "requests")
    count("memory of the API after odd requests, peak", served.peak() / MIB, "MiB")
