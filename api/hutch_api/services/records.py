"""What a closed dataset leaves in the meta bucket, enough to rebuild it.

``datasets/<id>/seal.json`` names the pieces of manifest and pins, each stored under
its own SHA-256: writing them again writes the same. The seal is written last, so
that whatever it names is there.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from uuid import UUID

from hutch.contract import manifest as contract
from hutch.contract.problems import StoreError
from hutch_api.domain.layout import chunk_of, seal_of
from hutch_api.services.work import Site
from hutch_api.store.tables import File

CHUNK: Final = 10_000
"""Lines in one piece: about a megabyte."""


@dataclass(frozen=True, slots=True)
class Written:
    """The pieces of a dataset's manifest and pins, and the manifest's digest."""

    digest: str
    manifest: tuple[str, ...]
    pins: tuple[str, ...]


def write_pieces(
    site: Site,
    dataset: UUID,
    files: Iterable[File],
    *,
    tell: Callable[[int], None] = lambda _: None,
) -> Written:
    """Write manifest and pins in pieces.

    Args:
        site: The site.
        dataset: Whose they are.
        files: All files, in the order of their paths' bytes.
        tell: Called now and then with the number of files written.

    Raises:
        ValueError: The files are out of order.
    """
    sha = hashlib.sha256()
    manifest, pins = [], []
    last, done = "", 0
    rows = iter(files)
    while chunk := list(islice(rows, CHUNK)):
        if chunk[0].path <= last:
            raise ValueError(f"{chunk[0].path!r} is out of order in the manifest")
        last = chunk[-1].path
        text = b"".join(
            contract.lines(contract.Entry(f.path, f.size, f.sha256) for f in chunk)
        )
        sha.update(text)
        manifest.append(_put(site, dataset, text))
        pins.append(_put(site, dataset, b"".join(map(_pin, chunk))))
        done += len(chunk)
        tell(done)
    return Written(sha.hexdigest(), tuple(manifest), tuple(pins))


def _pin(file: File) -> bytes:
    pin = {
        "path": file.path,
        "version": file.version,
        "crc64nvme": file.crc64nvme,
        "confirmed": file.confirmed,
    }
    return contract.canonical_json(pin) + b"\n"


def _put(site: Site, dataset: UUID, data: bytes) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    site.objects.put_record(chunk_of(dataset, sha256), data)
    return sha256


def write_seal(
    site: Site,
    dataset: UUID,
    written: Written,
    *,
    record: dict[str, Any],
    about: dict[str, Any],
) -> str:
    """Write the record from which a closed dataset is rebuilt; return its seal.

    Args:
        site: The site.
        dataset: Which dataset.
        written: Its manifest and pins.
        record: What the seal covers, by ``contract.manifest.seal_record``.
        about: What it does not cover: name, owner, times.
    """
    seal = contract.seal(record)
    document = {
        "format": 1,
        "instance": str(site.instance),
        "record": record,
        "seal": seal,
        "manifest": written.manifest,
        "pins": written.pins,
        "about": about,
    }
    site.objects.put_record(seal_of(dataset), contract.canonical_json(document))
    return seal


def read_seal(site: Site, dataset: UUID) -> dict[str, Any] | None:
    """Read what ``write_seal`` wrote; None if it is not there.

    Raises:
        StoreError: It is there, but damaged.
    """
    data = site.objects.get_record(seal_of(dataset))
    if data is None:
        return None
    try:
        document: dict[str, Any] = json.loads(data)
        intact = contract.seal(document["record"]) == document["seal"]
    except (ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise StoreError(
            f"the seal record of dataset {dataset} is damaged", dataset=str(dataset)
        )
    return document


def read_manifest(site: Site, dataset: UUID) -> Iterator[bytes]:
    """Read the manifest of a dataset from the meta bucket, piece by piece.

    Raises:
        StoreError: The seal record or a piece is missing or damaged; the first is
            found before the first piece is given.
    """
    document = read_seal(site, dataset)
    if document is None:
        raise StoreError(
            f"the seal record of dataset {dataset} is missing", dataset=str(dataset)
        )
    return _pieces(site, dataset, document["manifest"])


def _pieces(site: Site, dataset: UUID, names: Iterable[str]) -> Iterator[bytes]:
    for name in names:
        data = site.objects.get_record(chunk_of(dataset, name))
        if data is None or hashlib.sha256(data).hexdigest() != name:
            raise StoreError(
                f"piece {name} of dataset {dataset}'s manifest is missing or damaged",
                dataset=str(dataset),
            )
        yield data
