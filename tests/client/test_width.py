"""The number of transfers at a time is found by trying."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hutch.transfer.crew import Crew
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


def test_only_so_many_work_at_a_time() -> None:
    crew, running, most = Crew(Width(2), name="test"), 0, 0
    lock, both, end = threading.Lock(), threading.Barrier(3), threading.Event()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if not end.is_set():
            both.wait()
            end.wait()
        with lock:
            running -= 1

    done = [crew.submit(work) for _ in range(5)]
    both.wait()  # two are at work, three wait
    end.set()
    crew.shutdown()
    assert all(future.done() for future in done)
    assert most == 2


def test_a_crew_grows_with_its_width() -> None:
    width = Width()
    crew = Crew(width, name="test")
    barrier = threading.Barrier(FIRST + 2)  # two more than there are threads at first
    done = [crew.submit(barrier.wait) for _ in range(FIRST + 1)]
    with width._changed:
        width._change(FIRST + 1)
    barrier.wait()
    crew.shutdown()
    assert all(future.exception() is None for future in done)


def test_what_a_crew_is_given_is_done_in_order_and_to_its_end() -> None:
    crew, seen = Crew(Width(1), name="test"), list[int]()
    futures = [crew.submit(seen.append, n) for n in range(100)]
    failed = crew.submit(int, "x")
    crew.shutdown()
    assert seen == list(range(100))
    assert all(future.result() is None for future in futures)
    assert isinstance(failed.exception(), ValueError)


def test_a_crew_that_was_given_nothing_ends() -> None:
    Crew(Width(), name="test").shutdown()
