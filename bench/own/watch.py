"""``push --watch`` beside a writer that makes 200 MB/s, as a detector does."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import processes
from bench.facility import USER, Facility
from bench.figures import Figure
from hutch import connect, make_workdir
from hutch.contract.wire.datasets import DatasetIn
from hutch.watch.settling import REST_S, SETTLE_S

RATE: Final = 200e6
SIZE: Final = 4 * 1024**2
PATIENCE_S: Final = 300.0

_WRITER: Final = """
import json, os, sys, time
root, count, size, rate = sys.argv[1], *map(int, sys.argv[2:])
head = b"II*\\0" + (8).to_bytes(4, "little")
block = head + os.urandom(size - len(head))
began = time.monotonic()
for number in range(count):
    early = began + number * size / rate - time.monotonic()
    if early > 0:
        time.sleep(early)
    with open(f"{root}/img_{number:05}.tif", "wb") as file:
        file.write(block)
print(json.dumps({"seconds": time.monotonic() - began, "closed": time.monotonic()}))
"""


@dataclass(frozen=True, slots=True)
class Written:
    """What the writer did.

    Attributes:
        rate: Bytes per second.
        closed: When it closed the last file, on ``time.monotonic``.
    """

    rate: float
    closed: float


def measure_at(hall: Facility, place: Path, *, small: bool) -> list[Figure]:
    """Write for ten seconds, alone and watched in both ways."""
    count = int((1 if small else 10) * RATE / SIZE)
    alone = _write(_new(place / "alone"), count)
    figures = [_figure("writer alone", alone.rate / 1e6, "MB/s")]
    ways = (("inotify", ()), ("polling", ("--poll",)))
    for way, options in ways[:1] if small else ways:
        figures += _watched(hall, place, way, options, count)
    return figures


def _watched(
    hall: Facility, place: Path, way: str, options: tuple[str, ...], count: int
) -> Iterator[Figure]:
    waits = REST_S if way == "inotify" else SETTLE_S
    with _watching(hall, place / way, options) as (root, process):
        _wait_for(process, "began", 1)
        written = _write(root, count)
        _wait_for(process, "sent", count)
        lag_s = time.monotonic() - written.closed
        cpu_s = processes.cpu_seconds([process.pid])
        rss = processes.memory([process.pid]).anonymous
    yield _figure(f"writer, watched by {way}", written.rate / 1e6, "MB/s")
    yield _figure(
        f"last file, closed to acknowledged, {way}",
        lag_s,
        "s",
        f"of which it rests {waits:g} s before it is sent",
    )
    yield _figure(
        f"CPU of the watch, {way}",
        cpu_s / (count * SIZE / 1024**3),
        "s/GiB",
        f"{count} files of 4 MiB, its start included",
    )
    yield _figure(f"memory of the watch, {way}", rss / 1024**2, "MiB", "RssAnon")


def _figure(name: str, value: float, unit: str, note: str = "") -> Figure:
    return Figure(name=name, value=value, unit=unit, note=note)


def _new(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _write(root: Path, count: int) -> Written:
    words = (str(root), str(count), str(SIZE), str(int(RATE)))
    told = json.loads(
        subprocess.run(  # noqa: S603 - this Python, no shell
            [sys.executable, "-c", _WRITER, *words],
            check=True,
            capture_output=True,
            timeout=PATIENCE_S,
        ).stdout
    )
    return Written(count * SIZE / told["seconds"], told["closed"])


@contextmanager
def _watching(
    hall: Facility, root: Path, options: tuple[str, ...]
) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Start a watch of a new dataset."""
    name = root.name
    with connect(hall.url) as client:
        token = client.account.log_in(USER, hall.password).token
        dataset = client.datasets.create(DatasetIn(name=name))
    make_workdir(root, dataset=dataset.id, server=hall.url)
    words = ("push", "--watch", "--json", *options, str(root))
    with subprocess.Popen(  # noqa: S603 - our own program, no shell
        [sys.executable, "-m", "hutch.cli", *words],
        env=os.environ | {"HUTCH_URL": hall.url, "HUTCH_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield root, process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _wait_for(process: subprocess.Popen[str], event: str, count: int) -> None:
    """Read events until one kind has told of so many files, or came so often."""
    if process.stdout is None:
        raise RuntimeError("the watch tells nothing")
    seen = 0
    for line in process.stdout:
        told: dict[str, Any] = json.loads(line)
        seen += told.get("files", 1) if told["event"] == event else 0
        if seen >= count:
            return
    raise RuntimeError(f"the watch ended after {seen} of {count}")
