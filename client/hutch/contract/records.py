"""The records that a closed dataset leaves beside its files, and what proves them.

``seal.json`` says what the dataset is and names the pieces of manifest and pins; each
piece is named by its own SHA-256. ``about.json`` says what the seal does not cover.
Both hold the SHA-256 of the rest of themselves, so that whoever has the bytes needs
neither server nor database to know that they are as they were written.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hutch.contract.manifest import Input, canonical_json, seal

SEAL: Final = "seal.json"
ABOUT: Final = "about.json"
_PIECE: Final = re.compile(r"[0-9a-f]{64}")
_SUM: Final = "sha256"


def is_record(name: str) -> bool:
    """Tell whether a dataset may have a record of this name."""
    return name in {SEAL, ABOUT} or _PIECE.fullmatch(name) is not None


def write_document(body: Mapping[str, Any]) -> bytes:
    """Write a record that proves itself: canonical JSON with its own SHA-256.

    Args:
        body: Everything but the member ``sha256``.
    """
    digest = hashlib.sha256(canonical_json(body)).hexdigest()
    return canonical_json({**body, _SUM: digest})


def read_document(data: bytes) -> dict[str, Any]:
    """Read what ``write_document`` wrote; gives the body.

    Raises:
        ValueError: Not a single byte may differ from what was written.
    """
    try:
        body: dict[str, Any] = json.loads(data)
        del body[_SUM]
        intact = write_document(body) == data
    except (ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise ValueError("its bytes are not those that were written")
    return body


def is_piece(name: str, data: bytes) -> bool:
    """Tell whether a piece is what its name says: every byte of it."""
    return hashlib.sha256(data).hexdigest() == name


@dataclass(frozen=True, slots=True)
class Edge:
    """A parent by what it held when the child was made.

    Attributes:
        id: Id of the parent dataset.
        digest: Digest of its manifest.
        seal: Its seal.
    """

    id: str
    digest: str
    seal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRecord:
    """What a closed dataset is, from which it is rebuilt.

    Attributes:
        instance: Id of the installation that wrote it.
        record: What the seal covers, by ``manifest.seal_record``.
        seal: The seal of ``record``.
        edges: Its parents, as in ``record`` and with their digests.
        manifest: Names of the manifest's pieces, in order.
        pins: Names of the pieces of the pins; a line for each line of the manifest.
    """

    instance: str
    record: Mapping[str, Any]
    seal: str
    edges: tuple[Edge, ...]
    manifest: tuple[str, ...]
    pins: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Digest of the manifest."""
        return str(self.record["digest"])


def inputs_of(edges: Iterable[Edge]) -> list[Input]:
    """See edges as the seal covers them."""
    return [Input(edge.id, edge.seal) for edge in edges]


def write_seal(record: SealRecord) -> bytes:
    """Write ``seal.json``. Fields may be added, none changes its meaning."""
    return write_document(
        {
            "format": 1,
            "instance": record.instance,
            "record": dict(record.record),
            "seal": record.seal,
            "edges": [
                {"id": e.id, "digest": e.digest, "seal": e.seal} for e in record.edges
            ],
            "manifest": record.manifest,
            "pins": record.pins,
        }
    )


def read_seal(data: bytes) -> SealRecord:
    """Read what ``write_seal`` wrote.

    Raises:
        ValueError: It is not as it was written, or contradicts itself.
    """
    body = read_document(data)
    try:
        found = SealRecord(
            instance=body["instance"],
            record=body["record"],
            seal=body["seal"],
            edges=tuple(Edge(e["id"], e["digest"], e["seal"]) for e in body["edges"]),
            manifest=tuple(body["manifest"]),
            pins=tuple(body["pins"]),
        )
        sealed = [(i["id"], i["seal"]) for i in found.record["inputs"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"it lacks {error}") from error
    if seal(found.record) != found.seal:
        raise ValueError("its seal is not that of what it covers")
    if sealed != [(e.id, e.seal) for e in found.edges]:
        raise ValueError("its edges are not those that the seal covers")
    if len(found.manifest) != len(found.pins):
        raise ValueError("it has not as many pieces of pins as of the manifest")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Where a line of the manifest lies, and how it came there.

    Attributes:
        version: Version id in the store.
        confirmed: Somebody but the uploader had computed the same SHA-256 at close.
        intent: Id of the upload; the object carries it as metadata.
        committed_at: When it came into the dataset, in ISO 8601.
        committed_by: Name of the user who brought it.
    """

    path: str
    version: str
    crc64nvme: str
    confirmed: bool
    intent: str
    committed_at: str
    committed_by: str


def write_pin(pin: Pin) -> bytes:
    """Write a line of the pins. Fields may be added, none changes its meaning."""
    return canonical_json({n: getattr(pin, n) for n in Pin.__slots__}) + b"\n"


def read_pin(line: bytes) -> Pin:
    """Read what ``write_pin`` wrote.

    Raises:
        ValueError: It is not such a line.
    """
    try:
        body = json.loads(line)
        return Pin(**{name: body[name] for name in Pin.__slots__})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{line[:100]!r} is no line of pins") from error
