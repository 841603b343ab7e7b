"""Stops processes at crash steps, for a test that kills one of them there.

The other end is in the forks of ``tests.zygote``: each asks here whether it may go
on, at every step that it reaches.
"""

import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hutch.contract.steps import Step
from tests.background import Threads, served

PATIENCE_S = 60.0
OF_RUNS: Final = tuple(Step)[list(Step).index(Step.ATTEMPT_BEGUN) :]
"""The steps of whoever executes runs."""


@dataclass(slots=True)
class Hold:
    """A process that is to stop at a step; the first one that comes by does.

    Attributes:
        skip: How many are let go on before that.
        pid: Who stands there; 0 until somebody does.
    """

    step: Step
    role: str
    skip: int = 0
    pid: int = 0
    came: threading.Event = field(default_factory=threading.Event)
    may_go: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float = PATIENCE_S) -> None:
        """Wait until somebody stands at the step."""
        assert self.came.wait(seconds), f"no {self.role} came to {self.step}"

    def release(self) -> None:
        """Let it go on."""
        self.may_go.set()


class Steps:
    """Where the forks ask whether they may go on.

    Attributes:
        path: The socket.
        seen: How often each (role, step) was reached.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: Counter[tuple[str, Step]] = Counter()
        self._lock = threading.Lock()
        self._holds: list[Hold] = []

    def hold(self, step: Step, role: str, *, skip: int = 0) -> Hold:
        """Have the next one of this role that reaches the step stop there.

        Args:
            step: The step.
            role: Role of the process.
            skip: How often the step is passed before that.
        """
        hold = Hold(step, role, skip)
        with self._lock:
            self._holds.append(hold)
        return hold

    def release_all(self) -> None:
        """Hold nobody any more."""
        with self._lock:
            holds, self._holds = self._holds, []
        for hold in holds:
            hold.release()

    def pass_by(self, role: str, pid: int, step: Step) -> None:
        """Wait here if this is somebody to hold."""
        with self._lock:
            self.seen[role, step] += 1
            wanted = [h for h in self._holds if (h.role, h.step) == (role, step)]
            hold = next((h for h in wanted if not h.pid), None)
            if hold is None:
                return
            if hold.skip:
                hold.skip -= 1
                return
            hold.pid = pid
        hold.came.set()
        hold.may_go.wait()


class _Server(Threads, socketserver.ThreadingUnixStreamServer):
    steps: Steps


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        role, pid, step = self.rfile.readline().decode().split()
        self.server.steps.pass_by(role, int(pid), Step(step))
        with suppress(OSError):  # it may have been killed where it stood
            self.wfile.write(b".")


@contextmanager
def watched(path: Path) -> Iterator[Steps]:
    """Watch the steps of all forks that are given this path."""
    steps = Steps(path)
    server = _Server(str(path), _Handler)
    server.steps = steps
    with served(server):
        try:
            yield steps
        finally:
            steps.release_all()
