"""``verify --lineage``: prove a dataset and all it comes from, by hashes alone.

The server's database is not believed. What proves a dataset are the records that its
close left in the store: they are fetched as they lie there, each is hashed here, and
what the database says is compared with them.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from hutch.client import Client
from hutch.contract import manifest, records
from hutch.contract.manifest import canonical_json
from hutch.contract.paths import sort_key
from hutch.contract.problems import ForbiddenError, HutchError, NotFoundError
from hutch.contract.records import Edge, Pin, SealRecord
from hutch.contract.wire.datasets import DatasetOut, State
from hutch.contract.wire.transfer import FileOut
from hutch.errors import CorruptDataError
from hutch.models import LineageCheck

MOST: Final = 100
"""Faults of one dataset that are told; who finds so many needs no more."""


def verify_lineage(client: Client, dataset: DatasetOut) -> Iterator[LineageCheck]:
    """Recompute all that can be known of a dataset and of its readable ancestors.

    Records, manifest, pins and seal are hashed; type, attributes, edges and files in
    the database are compared with them; every edge is compared with what its parent
    turns out to be. A deleted dataset is checked by the records that it left.

    Yields:
        One check for each, the dataset itself first.

    Raises:
        HutchError: Whatever stops it as a whole.
    """
    run = _Run(client, {dataset.id: dataset})
    waiting, seen = deque([dataset.id]), {dataset.id}
    while waiting:
        current = waiting.popleft()
        check, parents = run.check(current)
        yield check
        fresh = [parent for parent in parents if parent not in seen]
        seen.update(fresh)
        waiting.extend(fresh)


@dataclass(slots=True)
class _Proof:
    """What a dataset is by its own records; None where they prove nothing.

    Attributes:
        error: What is wrong with the record.
    """

    record: SealRecord | None = None
    error: HutchError | None = None


@dataclass(slots=True)
class _Run:
    client: Client
    datasets: dict[UUID, DatasetOut | None]
    proofs: dict[UUID, _Proof] = field(default_factory=dict)

    def dataset(self, dataset: UUID) -> DatasetOut | None:
        if dataset not in self.datasets:
            try:
                self.datasets[dataset] = self.client.datasets.get(dataset)
            except (NotFoundError, ForbiddenError):
                self.datasets[dataset] = None
        return self.datasets[dataset]

    def proof(self, dataset: DatasetOut) -> _Proof:
        if dataset.id not in self.proofs:
            self.proofs[dataset.id] = _read_proof(self.client, dataset)
        return self.proofs[dataset.id]

    def check(self, wanted: UUID) -> tuple[LineageCheck, list[UUID]]:
        """Check one dataset; gives its parents as well."""
        dataset = self.dataset(wanted)
        if dataset is None:
            why = "you may not read this dataset"
            return LineageCheck(dataset=wanted, name=None, skipped=why), []
        edges = [Edge(str(i.id), i.digest, i.seal) for i in dataset.inputs]
        errors: list[HutchError] = []
        skipped = None
        if dataset.digest is None and dataset.seal is None:
            skipped = f"it is {dataset.state}"
        else:
            proof = self.proof(dataset)
            if proof.record is None:
                errors += [proof.error] if proof.error else []
            else:
                errors += _compare(self.client, dataset, proof.record)
                edges = [*proof.record.edges]
        errors += self._compare_edges(dataset, edges)
        check = LineageCheck(
            dataset=wanted,
            name=dataset.name,
            errors=tuple(errors[:MOST]),
            skipped=None if errors else skipped,
        )
        return check, [UUID(edge.id) for edge in edges]

    def _compare_edges(
        self, dataset: DatasetOut, edges: list[Edge]
    ) -> Iterator[HutchError]:
        """Compare what a child says of its parents with what they are."""
        for edge in edges:
            parent = self.dataset(UUID(edge.id))
            known = None if parent is None else self.proof(parent).record
            if known is None:
                continue  # told where the parent itself is checked
            if (edge.digest, edge.seal) != (known.digest, known.seal):
                yield _fault(
                    dataset,
                    "edge",
                    f"the edge to {edge.id} names digest {edge.digest} and seal "
                    f"{edge.seal}, but that dataset has {known.digest} and "
                    f"{known.seal}",
                    parent=edge.id,
                )


def _read_proof(client: Client, dataset: DatasetOut) -> _Proof:
    try:
        record = records.read_seal(client.files.record(dataset.id, records.SEAL))
        if record.record["id"] != str(dataset.id):
            raise ValueError(f"it is that of {record.record['id']}")  # noqa: TRY301 -- as the damages that the contract finds
    except NotFoundError:
        return _Proof(error=_fault(dataset, "seal-record", "its seal record is gone"))
    except ValueError as error:
        what = f"its seal record is damaged: {error}"
        return _Proof(error=_fault(dataset, "seal-record", what))
    return _Proof(record)


def _compare(
    client: Client, dataset: DatasetOut, record: SealRecord
) -> Iterator[HutchError]:
    yield from _compare_record(dataset, record)
    yield from _check_about(client, dataset)
    pieces = _Pieces(client, dataset, record)
    lines = list(pieces.faults())
    yield from lines
    if not lines and dataset.state is State.CLOSED:
        yield from _compare_files(client, dataset, pieces)


def _compare_record(dataset: DatasetOut, record: SealRecord) -> Iterator[HutchError]:
    """Compare what the database says of a dataset with what its seal covers."""
    sealed = record.record
    said = {
        "digest": (dataset.digest, record.digest),
        "seal": (dataset.seal, record.seal),
        "type": (f"{dataset.type}@{dataset.type_version}", sealed["type"]),
    }
    for thing, (database, proven) in said.items():
        if database != proven:
            yield _differs(dataset, thing, thing, database, proven)
    given, attributes = dict(dataset.attributes), dict(sealed["attributes"])
    for name in sorted({*given, *attributes}):
        pair = [
            _text(side[name]) if name in side else None for side in (given, attributes)
        ]
        if pair[0] != pair[1]:
            yield _differs(dataset, "attribute", f"attribute {name!r}", *pair)
    edges = [Edge(str(i.id), i.digest, i.seal) for i in dataset.inputs]
    if edges != [*record.edges]:
        odd = {*edges} ^ {*record.edges} or edges
        named = ", ".join(sorted({edge.id for edge in odd}))
        yield _fault(
            dataset,
            "edge",
            f"its edges in the database are not those of its record: {named}",
        )


def _check_about(client: Client, dataset: DatasetOut) -> Iterator[HutchError]:
    try:
        records.read_document(client.files.record(dataset.id, records.ABOUT))
    except NotFoundError:
        yield _fault(dataset, "about-record", "the record about it is gone")
    except ValueError as error:
        yield _fault(
            dataset, "about-record", f"the record about it is damaged: {error}"
        )


@dataclass(slots=True)
class _Pieces:
    """Manifest and pins of a dataset as they lie in the store."""

    client: Client
    dataset: DatasetOut
    record: SealRecord

    def faults(self) -> Iterator[HutchError]:
        """Hash every piece, and the manifest as a whole."""
        digest, before = hashlib.sha256(), self.record.manifest
        damaged = False
        for kind, names in (("manifest", before), ("pins", self.record.pins)):
            for number, name in enumerate(names, 1):
                what = f"piece {number} of {len(names)} of its {kind}"
                data = self._fetch(name)
                if data is None or not records.is_piece(name, data):
                    damaged = True
                    how = "is gone" if data is None else "is damaged"
                    yield _fault(self.dataset, kind, f"{what} {how}", piece=name)
                elif kind == "manifest":
                    digest.update(data)
        if not damaged and digest.hexdigest() != self.record.digest:
            yield _differs(
                self.dataset,
                "manifest",
                "digest of its manifest",
                digest.hexdigest(),
                self.record.digest,
            )

    def lines(self) -> Iterator[tuple[manifest.Entry, Pin]]:
        """Walk the lines of manifest and pins together; they were hashed before.

        Raises:
            ValueError: They do not belong together.
        """
        for names in zip(self.record.manifest, self.record.pins, strict=True):
            texts = [(self._fetch(name) or b"").splitlines() for name in names]
            for line, pin in zip(*texts, strict=True):
                entry, pinned = manifest.read_line(line.decode()), records.read_pin(pin)
                if entry.path != pinned.path:
                    raise ValueError(f"{entry.path!r} is pinned as {pinned.path!r}")
                yield entry, pinned

    def _fetch(self, name: str) -> bytes | None:
        try:
            return self.client.files.record(self.dataset.id, name)
        except NotFoundError:
            return None


def _compare_files(
    client: Client, dataset: DatasetOut, pieces: _Pieces
) -> Iterator[HutchError]:
    """Compare the files in the database with manifest and pins, path by path."""
    listed = client.files.iterate(dataset.id)
    file = next(listed, None)
    try:
        for entry, pin in pieces.lines():
            key = sort_key(entry.path)
            while file is not None and sort_key(file.path) < key:
                yield _odd_file(dataset, file.path, "is in the database only")
                file = next(listed, None)
            if file is None or file.path != entry.path:
                yield _odd_file(dataset, entry.path, "is not in the database")
                continue
            yield from _compare_file(dataset, file, entry, pin)
            file = next(listed, None)
    except ValueError as error:
        yield _fault(dataset, "pins", f"manifest and pins do not fit: {error}")
        return
    while file is not None:
        yield _odd_file(dataset, file.path, "is in the database only")
        file = next(listed, None)


def _compare_file(
    dataset: DatasetOut, file: FileOut, entry: manifest.Entry, pin: Pin
) -> Iterator[HutchError]:
    said = {
        "size": (file.size, entry.size),
        "sha256": (file.sha256, entry.sha256),
        "crc64nvme": (file.crc64nvme, pin.crc64nvme),
        "version": (file.version, pin.version),
    }
    for name, (database, recorded) in said.items():
        if database != recorded:
            how = f"has the {name} {database} in the database, but {recorded} in the "
            record = "manifest" if name in {"size", "sha256"} else "pins"
            yield _odd_file(dataset, file.path, how + record)


def _odd_file(dataset: DatasetOut, path: str, how: str) -> CorruptDataError:
    return _fault(dataset, "file", f"{path!r} {how}", path=path)


def _differs(
    dataset: DatasetOut, thing: str, name: str, database: object, proven: object
) -> CorruptDataError:
    return _fault(
        dataset, thing, f"its {name} is {database}, but {proven} by its records"
    )


def _fault(
    dataset: DatasetOut, thing: str, what: str, **facts: object
) -> CorruptDataError:
    return CorruptDataError(
        f"{dataset.name} ({dataset.id}): {what}. Tell the owner and the facility.",
        dataset=str(dataset.id),
        thing=thing,
        **facts,
    )


def _text(value: object) -> str:
    return canonical_json(value).decode()
