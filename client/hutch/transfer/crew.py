"""Threads that transfer, of which as many work as the width allows.

The pool of the standard library cannot get smaller, and a gate before each piece of
work would wake a thread for each: a third of the time that a push of small files takes.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from hutch.transfer.width import Width

P = ParamSpec("P")
T = TypeVar("T")


class Crew:
    """Does work in the order in which it is given, a few pieces at a time.

    Args:
        width: How many pieces.
        name: For the names of the threads.
    """

    def __init__(self, width: Width, *, name: str) -> None:
        self._width = width
        self._given: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(
                target=self._serve, args=(number,), name=f"{name}-{number}", daemon=True
            )
            for number in range(width.most)
        ]
        self._is_started = False

    def submit(
        self, work: Callable[P, T], /, *args: P.args, **named: P.kwargs
    ) -> Future[T]:
        """Give a piece of work.

        Returns:
            Its result, or what it raised.
        """
        future: Future[T] = Future()

        def do() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = work(*args, **named)
            except BaseException as e:  # noqa: BLE001 - it goes to who waits
                future.set_exception(e)
            else:
                future.set_result(result)

        self._given.put(do)
        if not self._is_started:
            self._start()
        return future

    def shutdown(self) -> None:
        """Wait until all that was given is done."""
        if not self._is_started:
            return
        self._given.put(None)
        self._width.release()
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        self._is_started = True
        for thread in self._threads:
            thread.start()

    def _serve(self, number: int) -> None:
        while True:
            self._width.await_turn(number)
            do = self._given.get()
            if do is None:
                self._given.put(None)  # for the next thread
                return
            do()
            del do  # what it holds may be large, and the next may be long in coming
