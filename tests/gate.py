"""A gate before the API: lets a test stop a client at a request it chooses."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from tests.relay import PATIENCE_S, Answer, Relay, Request, running


class Gate(Relay):
    """Passes requests on, but for those that it holds."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._lock = threading.Lock()
        self._suffix: str | None = None
        self._free = 0
        self._cut = False
        self._waiting: list[Future[bool]] = []
        self._held = threading.Event()
        self._free_answered = threading.Semaphore(0)
        self._to_be_answered = 0

    def hold(self, suffix: str, *, after: int = 0) -> None:
        """Hold requests whose path ends so, once ``after`` of them have passed."""
        self._suffix, self._free, self._to_be_answered = suffix, after, after

    def wait(self) -> None:
        """Wait until a request is held, and those before it have their answers."""
        assert self._held.wait(PATIENCE_S), "nobody came to the gate"
        for _ in range(self._to_be_answered):
            answered = self._free_answered.acquire(timeout=PATIENCE_S)
            assert answered, "what passed the gate got no answer"
        self._to_be_answered = 0

    def open(self) -> None:
        """Let through what is held, and all that comes."""
        self._decide(passes=True)

    def cut(self) -> None:
        """Hang up on what is held, and on all that comes until it is opened."""
        self._decide(passes=False)

    def treat(self, request: Request) -> Answer | None:
        """Pass the request on, or hang up."""
        if self._takes_free(request.path):
            try:
                return self.ask(request)
            finally:
                self._free_answered.release()
        return self.ask(request) if self._passes(request.path) else None

    def stop(self) -> None:
        """Serve no longer."""
        self.cut()
        super().stop()

    def _decide(self, *, passes: bool) -> None:
        with self._lock:
            self._suffix, self._cut = None, not passes
            waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.set_result(passes)

    def _takes_free(self, path: str) -> bool:
        """Tell whether the request is one of those that pass before the first held."""
        with self._lock:
            is_free = bool(self._suffix and path.endswith(self._suffix) and self._free)
            self._free -= is_free
            return is_free

    def _passes(self, path: str) -> bool:
        """Wait here if the request is one to hold; tell whether it may go on."""
        with self._lock:
            if self._suffix is None or not path.endswith(self._suffix):
                return not self._cut
            verdict: Future[bool] = Future()
            self._waiting.append(verdict)
        self._held.set()
        return verdict.result(PATIENCE_S)


@contextmanager
def gate(upstream: str) -> Iterator[Gate]:
    """Run a gate before an API."""
    with running(Gate(upstream)) as one:
        yield one
