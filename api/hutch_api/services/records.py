"""What a closed dataset leaves in the meta bucket, enough to rebuild it.

``datasets/<id>/seal.json`` names the pieces of manifest and pins, each stored under
its own SHA-256: writing them again writes the same. The seal is written last, so
that whatever it names is there. ``about`` keeps what the seal does not cover.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final
from uuid import UUID

from hutch.contract import manifest as contract
from hutch.contract import records as forms
from hutch.contract.problems import NotFoundError, StoreError
from hutch.contract.records import Edge, Pin, SealRecord
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import record_of, seal_of
from hutch_api.services import access
from hutch_api.services.parallel import behind
from hutch_api.services.work import Site
from hutch_api.store.rows import FileRow
from hutch_api.store.tables import User

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
    files: Iterable[FileRow],
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
    manifest: list[str] = []
    pins: list[str] = []
    last, done = "", 0
    rows = iter(files)
    with behind(partial(_put, site, dataset)) as put:
        while chunk := list(islice(rows, CHUNK)):
            if chunk[0].path <= last:
                raise ValueError(f"{chunk[0].path!r} is out of order in the manifest")
            last = chunk[-1].path
            text = b"".join(
                contract.lines(contract.Entry(f.path, f.size, f.sha256) for f in chunk)
            )
            sha.update(text)
            names = _names(site, chunk)
            lines = b"".join(_pin(f, names) for f in chunk)
            for kind, piece in ((manifest, _piece(text)), (pins, _piece(lines))):
                put(piece)
                kind.append(piece[0])
            done += len(chunk)
            tell(done)
    return Written(sha.hexdigest(), tuple(manifest), tuple(pins))


def _names(site: Site, files: Iterable[FileRow]) -> Mapping[UUID, str]:
    with site.look() as work:
        return {
            user: work.session.get_one(User, user).name
            for user in {f.committed_by for f in files}
        }


def _pin(file: FileRow, names: Mapping[UUID, str]) -> bytes:
    return forms.write_pin(
        Pin(
            path=file.path,
            version=file.version,
            crc64nvme=file.crc64nvme,
            confirmed=file.confirmed,
            intent=str(file.intent_id),
            committed_at=file.committed_at.isoformat(),
            committed_by=names[file.committed_by],
        )
    )


def _put(site: Site, dataset: UUID, piece: tuple[str, bytes]) -> None:
    name, data = piece
    site.objects.put_record(record_of(dataset, name), data)


def _piece(data: bytes) -> tuple[str, bytes]:
    return hashlib.sha256(data).hexdigest(), data


def write_seal(
    site: Site,
    dataset: UUID,
    written: Written,
    *,
    record: dict[str, Any],
    edges: tuple[Edge, ...],
) -> str:
    """Write the record from which a closed dataset is rebuilt; return its seal.

    Args:
        site: The site.
        dataset: Which dataset.
        written: Its manifest and pins.
        record: What the seal covers, by ``contract.manifest.seal_record``.
        edges: Its parents, in the order in which they were named.
    """
    document = SealRecord(
        instance=str(site.instance),
        record=record,
        seal=contract.seal(record),
        edges=edges,
        manifest=written.manifest,
        pins=written.pins,
    )
    site.objects.put_record(seal_of(dataset), forms.write_seal(document))
    return document.seal


def read_seal(site: Site, dataset: UUID) -> SealRecord | None:
    """Read what ``write_seal`` wrote; None if it is not there.

    Raises:
        StoreError: It is there, but damaged.
    """
    data = site.objects.get_record(seal_of(dataset))
    if data is None:
        return None
    try:
        return forms.read_seal(data)
    except ValueError as error:
        raise StoreError(
            f"the seal record of dataset {dataset} is damaged: {error}",
            dataset=str(dataset),
        ) from error


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
    return (read_piece(site, dataset, name) for name in document.manifest)


def read_piece(site: Site, dataset: UUID, name: str) -> bytes:
    """Read a piece of manifest or pins.

    Raises:
        StoreError: It is missing or damaged.
    """
    data = site.objects.get_record(record_of(dataset, name))
    if data is None or not forms.is_piece(name, data):
        raise StoreError(
            f"piece {name} of the records of dataset {dataset} is missing or damaged",
            dataset=str(dataset),
        )
    return data


def show(site: Site, actor: Actor, dataset: UUID, name: str) -> bytes:
    """Give a record as it lies in the store, damaged or not: the caller is to judge.

    Raises:
        NotFoundError: No such dataset for the actor, or it has no such record.
        StoreUnavailableError: The store did not answer.
    """
    with site.look() as work:
        access.find(work, actor, dataset, right=Right.READ, scope=Scope.READ)
    data = None
    if forms.is_record(name):
        data = site.objects.get_record(record_of(dataset, name))
    if data is None:
        raise NotFoundError(
            f"dataset {dataset} has no record {name[:100]!r}",
            dataset=str(dataset),
            record=name[:100],
        )
    return data
