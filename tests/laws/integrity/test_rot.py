"""One byte that rots on the store's own disk, behind every request."""

import mmap
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from awscrt.checksums import crc32c

from hutch.cli.exits import Exit
from hutch.contract import records
from hutch.contract.wire.datasets import DatasetIn, Fault
from hutch.transfer import download
from hutch_api.domain.layout import record_of
from hutch_api.services.scrub import alarms, scrub_once
from tests.e2e.stage import tree
from tests.laws.conftest import Count
from tests.laws.integrity.family import Family, closed
from tests.servers import StoreKind, StoreServer

PLENTY: Final = 24 * 1024**3
ROTTEN: Final = ("large", "small")
FOUND: Final[dict[StoreKind, tuple[Exit, Fault, str]]] = {
    "seaweedfs": (Exit.MISMATCH, Fault.CORRUPT, "{!r} arrived with the CRC"),
    "minio": (Exit.SOME_FAILED, Fault.UNREADABLE, "{!r} could not be fetched"),
}
"""MinIO sees that its sums do not fit, and gives nothing. SeaweedFS's sum is put right,
so that it gives the wrong byte: its own refusal takes it a quarter of a minute."""


def rot(server: StoreServer, bucket: str, data: bytes) -> None:
    """Change a bit of an object where the store keeps it."""
    disk = Path(f"/proc/{server.pid}/cwd").resolve()
    places = [p for p in disk.rglob("*") if bucket in str(p) and p.is_file()]
    changed = 0
    for place in places:
        if place.stat().st_size < len(data):
            continue
        with place.open("r+b") as file, mmap.mmap(file.fileno(), 0) as kept:
            if (at := kept.find(data[:64])) >= 0:
                kept[at + 8] ^= 1
                changed += 1
                if server.kind == "seaweedfs":
                    _put_right(kept, at, len(data))
    assert changed == 1


def _put_right(kept: mmap.mmap, at: int, length: int) -> None:
    """Write the sum of a needle: 4 bytes after its body, whose size is before it."""
    size = int.from_bytes(kept[at - 8 : at - 4], "big")
    assert int.from_bytes(kept[at - 4 : at], "big") == length
    end = at - 4 + size
    kept[end : end + 4] = crc32c(kept[at : at + length]).to_bytes(4, "big")


def test_a_byte_that_rots_on_the_disk_is_found_and_named(
    family: Family,
    store_server: StoreServer,
    monkeypatch: pytest.MonkeyPatch,
    count: Count,
) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    exits, fault, words = FOUND[store_server.kind]
    # MinIO keeps a small file within its own record, a larger one beside it.
    files = {"small": os.urandom(64), "large": os.urandom(300 * 1024)}
    files["sound"] = b"1"
    wanted = DatasetIn(name="rotten", inputs=(family.parent,))
    dataset = closed(family.live, family.client, wanted, files).id
    for path in ROTTEN:
        rot(store_server, family.damage.bucket, files[path])

    told = family.person.hutch("clone", str(dataset), "here", exits=exits)
    for path in ROTTEN:
        assert words.format(path) in told.err
    target = family.person.home / "here"
    assert tree(target) == {"sound": b"1"}
    assert not list((target / ".hutch/tmp").iterdir())

    site = family.live.site
    scrub_once(site, budget=PLENTY)  # the allowance begins to grow
    later = replace(site, clock=lambda: site.clock() + timedelta(hours=2))
    while scrub_once(later, budget=PLENTY):
        pass
    with site.look() as work:
        assert alarms(work) == [
            f"dataset {dataset}: 'large' is {fault}, 'small' is {fault}"
        ]

    place = record_of(dataset, records.ABOUT)
    record = (site.objects.get_record(place) or b"").replace(b"rotten", b"ripe")
    site.objects.put_record(place, record)
    told = family.person.hutch("verify", "--lineage", str(dataset), exits=Exit.MISMATCH)
    for named in (*map(repr, ROTTEN), "the record about it is damaged"):
        assert named in told.err
    count("bytes rotten on a store's disk, found and named", len(ROTTEN))
