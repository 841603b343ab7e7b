"""What this machine can do at best: no tool can move bytes faster than this."""

import hashlib
import mmap
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from awscrt.checksums import crc64nvme

from bench.figures import Figure
from bench.works import GIB, MIB

_TIMES: Final = 3
_DIRECT: Final = 4 * MIB
_RECEIVED: Final = MIB


def measure(place: Path, *, small: bool) -> list[Figure]:
    """Measure memory, checksums, the loopback and the disk, each the best of three.

    Args:
        place: An empty directory on the disk that the comparison uses.
        small: Only see that it works.
    """
    size = 32 * MIB if small else GIB
    file = place / "limits.dat"
    found = [*_memory(min(size, 256 * MIB)), *_disk(file, size)]
    found.append(_loopback(file, size))
    file.unlink()
    return found


def _best(work: Callable[[], object], size: int) -> float:
    """Do it some times; give the best rate in MB/s."""
    rates = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        work()
        rates.append(size / 1e6 / (time.perf_counter() - begun))
    return max(rates)


def _memory(size: int) -> list[Figure]:
    data, view = os.urandom(size), memoryview(bytearray(size))

    def copy() -> None:
        view[:] = data

    works: tuple[tuple[str, Callable[[], object]], ...] = (
        ("memcpy", copy),
        ("CRC64NVME", lambda: crc64nvme(data)),
        ("sha256", lambda: hashlib.sha256(data)),
        ("MD5", lambda: hashlib.md5(data, usedforsecurity=False)),
    )
    copy()  # the pages of a new buffer are not there before
    return [
        Figure(name=f"{name}, one core", value=_best(work, size), unit="MB/s")
        for name, work in works
    ]


def _disk(file: Path, size: int) -> list[Figure]:
    block = mmap.mmap(-1, _DIRECT)  # aligned, as O_DIRECT wants it
    block.write(os.urandom(_DIRECT))

    def write(flags: int, *, sync: bool) -> None:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | flags, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)
            for offset in range(0, size, _DIRECT):
                os.pwrite(handle, block, offset)
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)

    def read() -> None:
        handle = os.open(file, os.O_RDONLY | os.O_DIRECT)
        try:
            for offset in range(0, size, _DIRECT):
                os.preadv(handle, [block], offset)
        finally:
            os.close(handle)

    rows: tuple[tuple[str, Callable[[], object], str], ...] = (
        ("disk write, buffered", lambda: write(0, sync=False), "page cache only"),
        ("disk write, buffered and fsync", lambda: write(0, sync=True), ""),
        (
            "disk write, O_DIRECT",
            lambda: write(os.O_DIRECT, sync=False),
            "4 MiB at a time, preallocated",
        ),
        ("disk read, O_DIRECT", read, "4 MiB at a time"),
    )
    found = []
    for name, work, note in rows:
        os.sync()
        figure = Figure(name=name, value=_best(work, size), unit="MB/s", note=note)
        found.append(figure)
    return found


def _loopback(file: Path, size: int) -> Figure:
    with file.open("rb") as source, socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            with socket.create_connection(server.getsockname()) as connection:
                connection.sendfile(source, 0, size)

        def move() -> None:
            sender = threading.Thread(target=send)
            sender.start()
            connection, _ = server.accept()
            buffer = bytearray(_RECEIVED)
            with connection:
                while connection.recv_into(buffer):
                    pass
            sender.join()

        move()  # has the file read into the page cache
        rate = _best(move, size)
    note = "one connection, from the page cache; both ends take CPU"
    return Figure(name="loopback, sendfile to recv", value=rate, unit="MB/s", note=note)
