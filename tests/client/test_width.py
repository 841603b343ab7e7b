"""The number of transfers at a time is found by trying."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hutch.transfer.width import FIRST, MOST, REST, Width


@dataclass
class Clock:
    """A clock that a test moves."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


def _run(rate: Callable[[int], float], *, windows: int) -> list[int]:
    """Have a store move ``rate(connections)`` bytes a second for some windows."""
    clock = Clock()
    width = Width(now=clock)
    limits = []
    for _ in range(windows):
        limits.append(width.limit)
        for _ in range(2 * width.limit - 1):
            width.ended()
        clock.now_s += 1.0
        width.moved(int(rate(width.limit)))
        width.ended()
    return limits


def test_a_store_that_moves_more_with_more_connections_gets_them() -> None:
    limits = _run(lambda n: n * 1e9, windows=10)
    assert limits[0] == FIRST
    assert limits[-1] == MOST


@pytest.mark.parametrize("enough", [6, 8, 10])
def test_no_more_are_kept_than_pay(enough: int) -> None:
    limits = _run(lambda n: min(n, enough) * 1e9, windows=REST)
    assert max(6, enough // 2) <= limits[-1] <= max(9, 3 * enough // 2)
    assert _run(lambda n: min(n, enough) * 1e9, windows=200)[-1] < MOST


def test_a_trial_is_made_again_after_a_rest() -> None:
    limits = _run(lambda _n: 1e9, windows=2 * REST)
    assert limits[:3] == [FIRST, FIRST + FIRST // 2, FIRST]
    assert max(limits[3 : REST + 2]) == FIRST
    assert max(limits[REST:]) > FIRST


def test_a_store_that_is_too_busy_gets_half() -> None:
    width = Width()
    width.ended(is_busy=True)
    assert width.limit == FIRST // 2
    for _ in range(9):
        width.ended(is_busy=True)
    assert width.limit == 1


def test_a_wish_for_a_number_is_kept() -> None:
    clock = Clock()
    width = Width(3, now=clock)
    for _ in range(100):
        clock.now_s += 1
        width.moved(10**9)
        width.ended()
        width.ended(is_busy=True)
    assert width.limit == 3


def test_only_so_many_run_at_a_time() -> None:
    width, running, most = Width(2), 0, 0
    lock, both, end = threading.Lock(), threading.Barrier(3), threading.Event()

    def transfer() -> None:
        nonlocal running, most
        with width.turn():
            with lock:
                running += 1
                most = max(most, running)
            if not end.is_set():
                both.wait()
                end.wait()
            with lock:
                running -= 1

    threads = [threading.Thread(target=transfer) for _ in range(5)]
    for thread in threads:
        thread.start()
    both.wait()  # two are in, three wait for their turn
    end.set()
    for thread in threads:
        thread.join()
    assert most == 2


def test_stopping_lets_all_through() -> None:
    width = Width(1)
    with width.turn():
        waiting = threading.Thread(target=lambda: width.turn().__enter__())
        waiting.start()
        width.stop()
        waiting.join()
