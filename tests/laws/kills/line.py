"""A line from the API to the store, on which the store dies inside Complete."""

import os
import re
import select
import signal
import socket
import threading
from contextlib import suppress
from pathlib import Path

from tests.line import BLOCK, Line

_PATIENCE_S = 60.0
_COMPLETE = re.compile(rb"POST /[^ ?]+\?uploadId=[^ ]+ HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class DeadlyLine(Line):
    """A line whose store can be killed inside a Complete.

    Attributes:
        kills: How often the store was killed before it had answered.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.kills = 0
        self._pid, self._after = 0, -1
        self._struck = threading.Event()

    def arm(self, pid: int, *, after: int) -> None:
        """Kill the store inside the next Complete.

        Args:
            pid: The store.
            after: How many writes it may still do, as the kernel counts them, once
                the request has reached it whole.
        """
        self._struck.clear()
        with self._lock:
            self._pid, self._after = pid, after

    def wait(self) -> None:
        """Wait until that has happened."""
        assert self._struck.wait(_PATIENCE_S), "nobody asked for a Complete"

    def forward(self, near: socket.socket, far: socket.socket) -> None:
        """Carry what the API sends, until a strike."""
        with suppress(OSError):
            while block := near.recv(BLOCK):
                whole = block
                if complete := _COMPLETE.match(block) is not None:
                    while len(whole) < _length(whole):
                        whole += near.recv(BLOCK)
                far.sendall(whole)
                if complete and self._strike(far):
                    return

    def _strike(self, far: socket.socket) -> bool:
        """Kill the store at its moment; tells whether this was the one to do it."""
        with self._lock:
            after, self._after = self._after, -1
        if after < 0:
            return False
        until = _writes(self._pid) + after
        poll = select.poll()
        poll.register(far, select.POLLIN)
        while not (answered := poll.poll(0)) and _writes(self._pid) < until:
            pass
        os.kill(self._pid, signal.SIGKILL)
        self.kills += not answered
        self._struck.set()
        return True


def _writes(pid: int) -> int:
    """Count the writes that a process has asked the kernel for."""
    io = Path(f"/proc/{pid}/io").read_text()
    return int(io.partition("syscw: ")[2].split()[0])


def _length(request: bytes) -> int:
    """Tell how long a request is whole, once its headers are there."""
    head, end, _ = request.partition(b"\r\n\r\n")
    if not end:
        return len(request) + 1
    found = _LENGTH.search(head + b"\r\n")
    return len(head) + len(end) + (int(found[1]) if found else 0)
