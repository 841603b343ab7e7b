"""Run commands as people do, and say what they cost."""

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import processes
from bench.processes import Memory

SAMPLE_S: Final = 0.05
LIMIT_S: Final = 1_800
"""A tool that takes longer hangs."""


class ToolError(Exception):
    """A command of a tool did not end well; the text says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command.

    Attributes:
        words: The command line, without secrets.
        environ: Its whole environment.
        where: Directory that it runs in.
        typed: What it reads from stdin.
    """

    words: Sequence[str]
    environ: Mapping[str, str]
    where: Path
    typed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What commands cost.

    Attributes:
        wall_s: From the start of the first to the end of the last.
        client_cpu_s: User and system time of the commands and their descendants.
        store_cpu_s: The same of the store, meanwhile.
        server_cpu_s: The same of hutch's API, worker and database.
        memory: Largest at one moment, over the commands and their descendants.
        server_memory: Largest at one moment, over the API and the worker.
        steps_s: Wall time of each command.
    """

    wall_s: float
    client_cpu_s: float
    store_cpu_s: float
    server_cpu_s: float
    memory: Memory
    server_memory: Memory
    steps_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """First processes of the servers that are watched meanwhile.

    Attributes:
        store: The store's.
        api: Those of hutch's API and worker.
        database: The database's, if it has any.
    """

    store: Sequence[int]
    api: Sequence[int]
    database: Sequence[int]

    def cpu_seconds(self) -> tuple[float, float]:
        """Say what the store, and what hutch's servers, have taken so far."""
        return (
            processes.cpu_seconds(self.store),
            processes.cpu_seconds([*self.api, *self.database]),
        )


def measure(steps: Sequence[Step], servers: Servers, log: Path) -> Usage:
    """Run commands one after the other.

    Args:
        steps: The commands.
        servers: Whose cost is counted as well.
        log: File for what the commands say.

    Raises:
        ToolError: One of them ended with another status than 0.
        KeyboardInterrupt: On Ctrl-C; the command is gone then.
    """
    cpu, walls, peak, server_peak = 0.0, [], Memory(), Memory()
    store, api = servers.cpu_seconds()
    for step in steps:
        begun = time.monotonic()
        with (
            log.open("ab") as output,
            _process(step, output.fileno()) as process,
            _watching(process.pid, servers.api) as peaks,
        ):
            _type(process, step.typed)
            used = _await(process)
        walls.append(time.monotonic() - begun)
        cpu += used.ru_utime + used.ru_stime
        peak = peak.peak(peaks[0])
        server_peak = server_peak.peak(peaks[1])
        if process.returncode:
            said = log.read_text("utf-8", "replace")[-1_000:]
            name = Path(step.words[0]).name
            raise ToolError(f"{name} ended with {process.returncode}: {said}")
    store_after, api_after = servers.cpu_seconds()
    return Usage(
        wall_s=sum(walls),
        client_cpu_s=cpu,
        store_cpu_s=store_after - store,
        server_cpu_s=api_after - api,
        memory=peak,
        server_memory=server_peak,
        steps_s=tuple(walls),
    )


@contextmanager
def _process(step: Step, output: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command; whatever is left of it at the end is killed."""
    with subprocess.Popen(  # noqa: S603 -- programs that the bench names, no shell
        list(step.words),
        env=dict(step.environ),
        cwd=step.where,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,
    ) as process:
        timer = threading.Timer(LIMIT_S, _kill, (process.pid,))
        timer.daemon = True
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            _kill(process.pid)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return  # nothing is left of it


def _type(process: subprocess.Popen[bytes], text: str) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(text.encode())
        process.stdin.close()
    except BrokenPipeError:
        return  # it did not want it; its exit status says whether that was right


def _await(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used


@contextmanager
def _watching(client: int, api: Sequence[int]) -> Iterator[list[Memory]]:
    """Note the peaks of the client and of the API until the end of the block."""
    peaks = [Memory(), Memory()]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_S):
            peaks[0] = peaks[0].peak(processes.memory([client]))
            peaks[1] = peaks[1].peak(processes.memory(api))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()
