# ruff: noqa: PLC0415 -- the test imports this too, and needs no program
"""A process that has imported everything and forks what a test starts.

Starting Python with hutch takes more than a second; a fork takes a few milliseconds.
What is forked is the real program, from its words to its exit status, in a process
of its own that may be killed. It can be given two things that no setting gives:
a clock that the test moves, and a place to stop at (``tests.steps``).
"""

import ctypes
import json
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PATIENCE_S = 120.0
"""For one command; the machine may be busy with other things."""
COMMANDS = (
    "serve",
    "worker",
    "runner",
    "migrate",
    "store",
    "doctor",
    "sweep",
    "user",
)
_PR_SET_PDEATHSIG = 1
_LARGEST = 256 * 1024


class SharedClock:
    """The time, moved in all processes that were given its file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        if not file.exists():
            file.write_bytes(struct.pack("d", 0.0))
        with file.open("r+b") as handle:
            self._seconds = mmap.mmap(handle.fileno(), 8)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @property
    def ahead(self) -> timedelta:
        """How far it is before the clock on the wall."""
        (seconds,) = struct.unpack("d", self._seconds[:])
        return timedelta(seconds=seconds)

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        self._seconds[:] = struct.pack("d", (self.ahead + by).total_seconds())


@dataclass(slots=True)
class Process:
    """A process that was forked.

    Attributes:
        log: What it wrote, to stdout and stderr.
    """

    zygote: "Zygote"
    pid: int
    words: Sequence[str]
    log: Path
    status: int | None = None
    _handle: int = field(init=False)

    def __post_init__(self) -> None:
        # Until it is reaped the number is its own, so that this cannot go wrong.
        self._handle = os.pidfd_open(self.pid)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it has not ended."""
        if self.status is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float = PATIENCE_S) -> int:
        """Wait for its end; the status is negative for a signal.

        Raises:
            TimeoutError: It goes on.
        """
        if self.status is None:
            poll = select.poll()
            poll.register(self._handle, select.POLLIN)
            if not poll.poll(seconds * 1000):
                raise TimeoutError(f"{self.words} goes on: {self.text()[-2_000:]}")
            self.status = self.zygote.reap(self.pid)
            os.close(self._handle)
        return self.status

    def has_ended(self) -> bool:
        """Tell whether it has ended, by itself or killed."""
        if self.status is not None:
            return True
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(0))

    def text(self) -> str:
        """Read what it wrote."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Zygote:
    """The test's end of the process that forks."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._lock = threading.Lock()

    def start(
        self,
        *words: str,
        environ: Mapping[str, str],
        where: Path,
        log: Path,
        role: str = "",
        steps: Path | None = None,
        clock: SharedClock | None = None,
    ) -> Process:
        """Start ``hutch …`` or ``hutch-api …``.

        Args:
            *words: The program and its arguments.
            environ: All of its environment.
            where: Its working directory.
            log: Where its output goes, behind what is there.
            role: How it names itself at the steps.
            steps: Socket of those who watch the steps; None: nobody does.
            clock: Its clock, if it is a server that need not try the store at its
                start; None: it is the program as it is.
        """
        asked = {
            "words": words,
            "environ": dict(environ),
            "where": str(where),
            "log": str(log),
            "role": role,
            "steps": steps and str(steps),
            "clock": clock and str(clock.file),
        }
        return Process(self, self._ask(asked), words, log)

    def reap(self, pid: int) -> int:
        """Take the exit status of a process that has ended."""
        return self._ask({"reap": pid})

    def _ask(self, what: Mapping[str, Any]) -> int:
        with self._lock:
            self._line.send(json.dumps(what).encode())
            answer: int = json.loads(self._line.recv(_LARGEST))
        return answer


@contextmanager
def zygote() -> Iterator[Zygote]:
    """Run a zygote until the block ends; what it forked ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
    command = [sys.executable, "-m", "tests.zygote", str(theirs.fileno())]
    root = Path(__file__).resolve().parents[1]
    with (
        ours,
        subprocess.Popen(  # noqa: S603 -- our own program, no shell
            command, cwd=root, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        ) as process,
    ):
        theirs.close()
        try:
            assert ours.recv(_LARGEST), "the zygote did not start"
            yield Zygote(ours)
        finally:
            process.kill()


def _main(line: socket.socket) -> None:
    _import_everything()
    assert len(list(Path("/proc/self/task").iterdir())) == 1, (
        "a thread would not be forked"
    )
    line.send(b"ready")
    while message := line.recv(_LARGEST):
        asked = json.loads(message)
        if "reap" in asked:
            _, status = os.waitpid(asked["reap"], 0)
            line.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            line.close()
            _become(asked)
        line.send(json.dumps(pid).encode())


def _import_everything() -> None:
    from importlib import import_module

    import boto3

    import hutch.cli.__main__
    from hutch.cli import parser
    from hutch_api import command_line

    parser.build()
    for name in COMMANDS:
        import_module(f"hutch_api.commands.{name}")
    import_module("hutch_api.adapters.engine")
    for service in ("s3", "iam"):  # the descriptions of the API are slow to read
        boto3.client(
            service,
            endpoint_url="http://127.0.0.1:1",
            region_name="us-east-1",
            aws_access_key_id="-",
            aws_secret_access_key="-",
        ).close()
    del command_line, hutch


def _become(asked: Mapping[str, Any]) -> None:
    """Be the program in a fork; never returns."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir(asked["where"])
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, file in ((0, nothing), (1, log), (2, log)):
            os.dup2(file, number)
        os.environ.clear()
        os.environ.update(asked["environ"])
        if asked["clock"]:
            _be_server(asked["clock"])
        with _stopping(asked["steps"], asked["role"]):
            status = _run(asked["words"])
    except BaseException:  # noqa: BLE001 -- nothing may come back into the zygote
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _run(words: Sequence[str]) -> int:
    program, *rest = words
    sys.argv = list(words)
    if program == "hutch":
        from hutch.cli.__main__ import main

        return main(rest)
    from hutch_api import command_line

    return command_line.main(rest)


def _be_server(clock: str) -> None:
    """Take the test's clock, and start without trying the store again.

    The check at the start makes an account, which takes longer than all the rest; that
    a server runs it is seen in ``tests/facility``.
    """
    from hutch_api import readiness, site

    site.utc_now = SharedClock(Path(clock))
    readiness.open_ready = readiness.open_current


@contextmanager
def _stopping(path: str | None, role: str) -> Iterator[None]:
    """Ask at each step whether to go on; None asks nobody."""
    from hutch.contract import steps

    def stop(step: steps.Step) -> None:
        assert path is not None
        with suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.connect(path)
            line.sendall(f"{role} {os.getpid()} {step}\n".encode())
            line.recv(1)

    if path is None:
        yield
        return
    with steps.observing(stop):
        yield


if __name__ == "__main__":
    _main(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=int(sys.argv[1])))
