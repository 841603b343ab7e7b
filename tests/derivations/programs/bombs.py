"""Takes more than it was given.

usage: bombs.py KIND
"""

import itertools
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import reporting

MIB = 1024 * 1024
WORK = Path("/work")


def memory() -> None:
    """Take memory until the kernel has enough of it."""
    taken = []
    while True:
        taken.append(b"x" * (8 * MIB))


def shared_memory() -> None:
    """The same in files that lie in memory."""
    for place, number in itertools.product(("/dev/shm", "/tmp", "/run"), range(64)):
        with suppress(OSError), Path(place, f"bomb{number}").open("wb") as file:
            file.writelines(b"x" * MIB for _ in range(16))
    memory()


def processes() -> None:
    """Multiply until nobody can; then tell how many there are."""
    first = os.getpid()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.fork()
        except OSError:
            break
    if os.getpid() != first:
        time.sleep(600)
    reporting.tell(processes=sum(n.isdecimal() for n in os.listdir("/proc")))
    Path("/out/a").write_bytes(b"a")


def one_file() -> None:
    """Write a file until it may not grow any more."""
    path, size = WORK / "file", 0
    error = "none"
    with path.open("wb", buffering=0) as file:
        while error == "none" and size < 1024 * MIB:
            try:
                size += file.write(b"x" * MIB)
            except OSError as failure:
                error = str(failure.strerror)
    reporting.tell(size=size, error=error)
    Path("/out/a").write_bytes(b"a")


def many_files() -> None:
    """Write file after file, 100 MiB a second."""
    for number in itertools.count():
        (WORK / str(number)).write_bytes(b"x" * MIB)
        time.sleep(0.01)


def hidden_files() -> None:
    """The same where a path to them would be longer than the kernel takes."""
    os.chdir(WORK)
    for _ in range(300):
        os.mkdir("d" * 20)
        os.chdir("d" * 20)
    for number in itertools.count():
        Path(str(number)).write_bytes(b"x" * MIB)
        time.sleep(0.01)


def empty_files() -> None:
    """Use up the names of a file system instead of its bytes."""
    for number in itertools.count():
        os.close(os.open(WORK / str(number), os.O_CREAT | os.O_WRONLY))
        if number % 100 == 0:
            time.sleep(0.005)


def hours() -> None:
    """Not end, and not be asked to."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)


def spin() -> None:
    """Compute in many processes, and tell how many cores that took."""
    began, children = time.monotonic(), []
    for _ in range(8):
        if (child := os.fork()) == 0:
            while time.monotonic() - began < 4:
                pass
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    took = os.times()
    used = took.children_user + took.children_system
    reporting.tell(cores=used / (time.monotonic() - began))
    Path("/out/a").write_bytes(b"a")


signal.alarm(600)  # where nobody is left to end it
{
    "memory": memory,
    "shared-memory": shared_memory,
    "processes": processes,
    "one-file": one_file,
    "many-files": many_files,
    "hidden-files": hidden_files,
    "empty-files": empty_files,
    "hours": hours,
    "spin": spin,
}[sys.argv[1]]()
