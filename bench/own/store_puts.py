"""What the store spends on a small file, by what it is asked for.

The same bytes are sent in every way, a round of each after the other: as other tools
do, and with one more of the things that hutch asks for. The differences are what
neither client nor API can save.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final
from uuid import uuid4

from bench.facility import Facility
from bench.figures import Figure
from bench.own.sending import put_all
from bench.own.server_place import Ground
from bench.processes import cpu_seconds
from hutch.transfer.checksums import crc64nvme, to_text
from hutch_api.adapters.s3.listing import Lister
from hutch_api.domain.accounts import Access
from hutch_api.ports.objects import Credentials
from tests.servers import random_credentials

_BODY: Final = os.urandom(200 * 1024)
_FILES: Final = 500
_ROUNDS: Final = 5
_CRC: Final = {"x-amz-checksum-crc64nvme": to_text(crc64nvme(_BODY))}
_ONCE: Final = {"if-none-match": "*", "x-amz-meta-hutch-intent": str(uuid4())}


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to send a file.

    Attributes:
        signs: Who signs.
    """

    name: str
    signs: Credentials
    headers: Mapping[str, str]


def measure_at(hall: Facility, place: Path, *, small: bool) -> list[Figure]:
    """Send files in each way; the store's CPU time for each, as medians of rounds."""
    del place
    files, rounds = (20, 1) if small else (_FILES, _ROUNDS)
    made = Ground(hall.environ, hall.store)
    settings = made.settings
    prefix = f"d/{uuid4()}/"
    ways = _ways(made, settings.server, prefix)
    spent: dict[str, list[float]] = {}
    for _ in range(rounds):
        for way in ways:
            at = f"{prefix}{uuid4()}/"
            keys = [f"{at}{n:05}.tif" for n in range(files)]
            taken = _send(made, settings.s3_data_bucket, keys, way)
            spent.setdefault(way.name, []).append(taken / files)
        spent.setdefault("listed once, with its intent id", []).append(
            _list(made, at) / files
        )
    return [
        Figure(
            name=name,
            value=median(each) * 1e3,
            unit="ms of the store's CPU",
            note=f"median of {rounds} rounds of {files} files of 200 KiB; least "
            f"{min(each) * 1e3:.2f}, most {max(each) * 1e3:.2f}",
        )
        for name, each in spent.items()
    ]


def _ways(made: Ground, server: Credentials, prefix: str) -> Sequence[_Way]:
    account = random_credentials()
    site = made.site()
    site.accounts.create(
        account,
        access=Access.PUT,
        prefix=prefix,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    site.engine.dispose()
    return (
        _Way("PUT, as other tools send it", server, {}),
        _Way("… with a CRC-64/NVME to be checked", server, _CRC),
        _Way("… only where nothing is, with an intent id", server, _CRC | _ONCE),
        _Way("… by an account for one dataset: as hutch does", account, _CRC | _ONCE),
    )


def _send(made: Ground, bucket: str, keys: Sequence[str], way: _Way) -> float:
    """Send a file to each key; give the CPU time that the store took."""
    signer = made.signer()
    headers = {"content-length": str(len(_BODY)), **way.headers}
    signed = [
        signer.presign(
            "PUT",
            f"{bucket}/{key}",
            credentials=way.signs,
            expires_in=600,
            headers=headers,
        )
        for key in keys
    ]
    before = cpu_seconds([made.store.pid])
    put_all(signed, _BODY)
    return cpu_seconds([made.store.pid]) - before


def _list(made: Ground, prefix: str) -> float:
    """List as a finish does; give the CPU time that the store took."""
    requests = made.requests()
    before = cpu_seconds([made.store.pid])
    listed = list(
        Lister(requests, made.settings.s3_data_bucket).versions(prefix, intents=True)
    )
    taken = cpu_seconds([made.store.pid]) - before
    requests.close()
    if not all(version.intent for version in listed):
        raise RuntimeError("the store did not show the intent ids")
    return taken
