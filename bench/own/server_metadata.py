"""What the API and the store spend per file on the metadata of a push and a clone.

The files go to the store as a client sends them; counted is the CPU of the server's
processes between two steps, so that neither this sender nor its disk matters.
"""

import hashlib
import http.client
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bench.facility import Facility
from bench.figures import Figure
from bench.own.server_place import Api
from bench.processes import cpu_seconds
from hutch.transfer.checksums import crc64nvme, to_text

BATCH: Final = 1_000
SIZE: Final = 200 * 1024
_SENDERS: Final = 6


@dataclass(slots=True)
class Spent:
    """CPU seconds by step and process."""

    pids: Mapping[str, Sequence[int]]
    seconds: dict[tuple[str, str], float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what the processes use until the end of the block."""
        before = {who: cpu_seconds(pids) for who, pids in self.pids.items()}
        yield
        for who, pids in self.pids.items():
            at = (name, who)
            used = cpu_seconds(pids) - before[who]
            self.seconds[at] = self.seconds.get(at, 0) + used


def measure_at(hall: Facility, place: Path, *, small: bool) -> list[Figure]:
    """Push and clone 5,000 files of 200 KiB."""
    del place
    count, size = (300, 1_024) if small else (5_000, SIZE)
    spent = push_and_clone(hall, Api.of(hall), count=count, size=size)
    return [
        Figure(
            name=f"{step}, CPU of the {who} per file",
            value=seconds / count * 1e6,
            unit="µs",
            note=f"{count} files of {size} bytes",
        )
        for (step, who), seconds in spent.seconds.items()
    ]


def push_and_clone(
    hall: Facility, api: Api, *, count: int, size: int, name: str = "metadata"
) -> Spent:
    """Push files and fetch their lists and URLs, step by step."""
    spent = Spent(
        {
            "API": [api.pid],
            "store": hall.watched.store,
            "database": hall.watched.database,
        }
    )
    dataset = api.dataset(name)
    push = api.call("POST", f"/v1/datasets/{dataset}/pushes")["id"]
    body = secrets.token_bytes(size)
    crc = to_text(crc64nvme(body))
    sha256 = hashlib.sha256(body).hexdigest()
    paths = [f"scan/{n // 100:04}/img_{n:06}.tif" for n in range(count)]
    with ThreadPoolExecutor(_SENDERS) as pool:
        for some in batches(paths):
            wanted = [{"path": p, "size": size, "crc64nvme": crc} for p in some]
            with spent.step("announce"):
                answer = api.call(
                    "POST", f"/v1/pushes/{push}/uploads", {"files": wanted}
                )
            with spent.step("PUT"):
                shares = [answer["files"][n::_SENDERS] for n in range(_SENDERS)]
                list(pool.map(lambda share: send(share, body), shares))
            items = [
                {"intent": f["intent"], "crc64nvme": crc, "sha256": sha256}
                for f in answer["files"]
            ]
            with spent.step("finish"):
                done = api.call("POST", f"/v1/pushes/{push}/finish", {"files": items})
            if any(f.get("problem") for f in done["files"]):
                raise RuntimeError(f"not finished: {done['files'][0]}")
    with spent.step("file pages"):
        files = listed(api, dataset)
    for part in batches(files):
        refs = [{"path": f["path"], "version": f["version"]} for f in part]
        with spent.step("downloads"):
            api.call("POST", f"/v1/datasets/{dataset}/downloads", {"files": refs})
    return spent


def batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut a list into full batches of the protocol."""
    return (items[at : at + BATCH] for at in range(0, len(items), BATCH))


def listed(api: Api, dataset: str) -> list[dict[str, Any]]:
    """Fetch all pages of a dataset's files."""
    files: list[dict[str, Any]] = []
    after = ""
    while True:
        page = api.call("GET", f"/v1/datasets/{dataset}/files?limit=1000{after}")
        files += page["items"]
        if page["next"] is None:
            return files
        after = f"&after={page['next']}"


def send(uploads: Sequence[Mapping[str, Any]], body: bytes) -> None:
    """PUT a body to each of these addresses, one after the other."""
    if not uploads:
        return
    line = http.client.HTTPConnection(urlsplit(uploads[0]["request"]["url"]).netloc)
    for upload in uploads:
        signed = upload["request"]
        parts = urlsplit(signed["url"])
        line.request(
            signed["method"], f"{parts.path}?{parts.query}", body, signed["headers"]
        )
        answer = line.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"the store answers {answer.status}")
    line.close()
