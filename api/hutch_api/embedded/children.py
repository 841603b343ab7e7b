"""The processes below ``hutch-api up``: none outlives it, none dies unseen."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from hutch_api.embedded import guard
from hutch_api.embedded.errors import ChildDiedError, EmbeddedError, InterruptError

_PATIENCE_S: Final = 15
"""SeaweedFS takes 2 s to end; a request that is being answered may take longer."""
_TURN_S: Final = 0.05
_TAIL: Final = 12
_ENDINGS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Child:
    """A process and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


@dataclass(slots=True)
class Family:
    """The children of this process.

    Attributes:
        directory: Where they write their logs.
        lock: Descriptor of the directory's lock; they inherit it.
        bell: Read end of a pipe that gets a byte for every signal.
        ending: The signal that asked for the end, once one did.
    """

    directory: Path
    lock: int
    bell: int
    members: list[Child] = field(default_factory=list)
    ending: signal.Signals | None = None

    def start(
        self, name: str, command: Sequence[str], environ: Mapping[str, str]
    ) -> None:
        """Start a process that dies with this one.

        It gets a session of its own: Ctrl-C reaches only the parent, which ends the
        children in order.
        """
        log = self.directory / f"{name}.log"
        tied = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid())]
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 -- our own programs, no shell
                [*tied, *command],
                env=dict(environ),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(self.lock,),
                start_new_session=True,
            )
        self.members.append(Child(name, process, log))

    def wait_until(
        self, condition: Callable[[], bool], *, seconds: float, what: str
    ) -> None:
        """Wait until something holds, as long as all children live.

        Raises:
            ChildDiedError: One of them ended.
            EmbeddedError: It did not hold in time.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            self.require_alive()
            if time.monotonic() > deadline:
                logs = ", ".join(str(child.log) for child in self.members)
                raise EmbeddedError(
                    f"{what} took longer than {seconds:.0f} s; see {logs}"
                )
            self._rest(_TURN_S)

    def watch(self) -> None:
        """Wait until a child dies; that ends everything.

        Raises:
            ChildDiedError: Always, in the end.
        """
        while True:
            self.require_alive()
            self._rest(None)

    def require_alive(self) -> None:
        """Refuse to go on when a child has ended.

        Raises:
            ChildDiedError: It names the child, its log and the log's last lines.
            InterruptError: The end was asked for, where nobody could hear it.
        """
        if self.ending is not None:
            raise InterruptError(self.ending.name)
        for child in self.members:
            status = child.process.poll()
            if status is not None:
                raise ChildDiedError(
                    f"the {child.name} ended {_how(status)}, so everything ends; its "
                    f"log is {child.log}{_tail(child.log)}"
                )

    def stop(self) -> None:
        """End all children, the youngest first: the store outlives who writes to it."""
        while self.members:
            child = self.members.pop()
            child.process.terminate()
            try:
                child.process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def _rest(self, seconds: float | None) -> None:
        ready, _, _ = select.select([self.bell], [], [], seconds)
        if ready:
            with suppress(BlockingIOError):
                os.read(self.bell, 1_024)


@contextmanager
def family(directory: Path, lock: int) -> Iterator[Family]:
    """Begin a family; whatever happens, it ends with this block.

    SIGTERM, SIGINT and SIGHUP raise ``InterruptError`` inside the block.
    """
    bell, rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    ours = Family(directory, lock, bell)

    def interrupt(number: int, _: FrameType | None) -> None:
        ours.ending = signal.Signals(number)
        raise InterruptError(ours.ending.name)

    handlers = {number: signal.signal(number, interrupt) for number in _ENDINGS}
    handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _ring)
    wakeup = signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
    try:
        yield ours
    finally:
        for number in _ENDINGS:  # it is ending: asking again must not break that off
            signal.signal(number, signal.SIG_IGN)
        ours.stop()
        signal.set_wakeup_fd(wakeup)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(bell)
        os.close(rope)


def _ring(_: int, __: FrameType | None) -> None:
    """Do nothing: the byte in the pipe is what wakes the loop."""


def _how(status: int) -> str:
    if status < 0:
        return f"by signal {signal.Signals(-status).name}"
    return f"with status {status}"


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in lines[-_TAIL:])
