"""Clocks that are ten minutes off."""

import time

import pytest

from tests.laws.faults.hall import Hall, live

TEN_MINUTES_NS = 600 * 10**9


@pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True)
@pytest.mark.parametrize("off_ns", [-TEN_MINUTES_NS, TEN_MINUTES_NS])
def test_a_wrong_clock_of_the_client_loses_nothing(
    hall: Hall, monkeypatch: pytest.MonkeyPatch, off_ns: int
) -> None:
    # Files are dated by the machine that holds them, which need not be the client's.
    right = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: right() + off_ns)
    assert live(hall) == 0
