"""How much memory the API and the worker take while files are pushed and closed."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.facility import Facility
from bench.figures import Figure
from bench.own.server_metadata import push_and_clone
from bench.own.server_place import Api
from bench.processes import anonymous_bytes

_SIZE: Final = 1_024
_EVERY_S: Final = 0.02
_TARGET: Final = "the same at both numbers of files"


def measure_at(hall: Facility, place: Path, *, small: bool) -> list[Figure]:
    """Push, list, sign and close 5,000 files, then 20,000, by the same processes."""
    del place
    counts = (200, 400) if small else (5_000, 20_000)
    api, figures = Api.of(hall), []
    # What the first request loads is no matter of how many files there are.
    _work(hall, api, counts[0] // 5, "warm")
    for count in counts:
        with _peaks(hall) as peaks:
            _work(hall, api, count, f"files-{count}")
        figures += [
            Figure(
                name=f"RssAnon of the {who}, {count} files, highest",
                value=peak / 1024**2,
                unit="MiB",
                target=_TARGET,
                note=f"looked at every {_EVERY_S * 1e3:.0f} ms",
            )
            for who, peak in peaks.items()
        ]
    return figures


def _work(hall: Facility, api: Api, count: int, name: str) -> None:
    push_and_clone(hall, api, count=count, size=_SIZE, name=name)
    [dataset] = api.call("GET", f"/v1/datasets?name={name}")["items"]
    operation = api.call("POST", f"/v1/datasets/{dataset['id']}/close", {})
    while operation["state"] == "running":
        time.sleep(0.1)
        operation = api.call("GET", f"/v1/operations/{operation['id']}")
    if operation["state"] != "done":
        raise RuntimeError(f"not closed: {operation['problem']}")


@contextmanager
def _peaks(hall: Facility) -> Iterator[dict[str, int]]:
    """Watch both processes until the end of the block."""
    pids = dict(zip(("API", "worker"), hall.watched.api, strict=True))
    peaks = dict.fromkeys(pids, 0)
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_EVERY_S):
            for who, pid in pids.items():
                peaks[who] = max(peaks[who], anonymous_bytes(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        stop.set()
        watcher.join()
