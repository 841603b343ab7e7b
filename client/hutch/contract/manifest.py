"""What a closed dataset is known by: manifest, digest and seal.

The manifest says which files, its digest names them in 64 characters. The seal
names the dataset: files, type, attributes and where they came from. All three can
be recomputed with ``sha256sum`` and a JSON library; the forms below never change.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hutch.contract.paths import sort_key

_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
"""Made once: a manifest has a line of pins for every file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a manifest.

    Attributes:
        path: Relative path of the file.
        size: Its length in bytes.
        sha256: Its SHA-256, 64 lower-case hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


def line(entry: Entry) -> str:
    """Write an entry in its canonical form, ``sha256  size  path`` and a newline.

    A path holds no control character, so that nothing has to be escaped.
    """
    return f"{entry.sha256}  {entry.size}  {entry.path}\n"


def read_line(text: str) -> Entry:
    """Read what ``line`` wrote.

    Raises:
        ValueError: If it is not a manifest line.
    """
    sha256, size, path = text.removesuffix("\n").split("  ", 2)
    return Entry(path, int(size), sha256)


def lines(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Write a manifest.

    Args:
        entries: In the order of the bytes of their paths.

    Raises:
        ValueError: If they are not in that order, or a path comes twice.
    """
    last = None
    for entry in entries:
        key = sort_key(entry.path)
        if last is not None and key <= last:
            raise ValueError(f"{entry.path!r} is out of order in the manifest")
        last = key
        yield line(entry).encode()


def digest(entries: Iterable[Entry]) -> str:
    """Compute the SHA-256 of a manifest, in hexadecimal.

    Args:
        entries: In the order of the bytes of their paths.

    Raises:
        ValueError: As ``lines``.
    """
    sha = hashlib.sha256()
    for text in lines(entries):
        sha.update(text)
    return sha.hexdigest()


def canonical_json(value: Any) -> bytes:
    """Write JSON so that equal values have equal bytes.

    Keys sorted by code point, no white space, UTF-8, no NaN or infinity.

    Raises:
        ValueError: If the value holds a number that JSON cannot write.
    """
    return _CANONICAL.encode(value).encode()


@dataclass(frozen=True, slots=True)
class Input:
    """A parent by what it held when the child was made.

    Attributes:
        id: Id of the parent dataset.
        seal: Seal of the parent.
    """

    id: str
    seal: str


def seal_record(
    *,
    dataset: str,
    type_name: str,
    type_version: int,
    attributes: Mapping[str, Any],
    inputs: Iterable[Input],
    run: Mapping[str, Any] | None,
    digest: str,
) -> dict[str, Any]:
    """Build the record that the seal covers. Fields are never added or renamed.

    Args:
        dataset: Id of the dataset.
        type_name: Name of its type.
        type_version: Version of its type.
        attributes: Its attributes at close.
        inputs: Its parents, in the order in which they were named.
        run: Record of the run that made it; None if people did.
        digest: Digest of its manifest.
    """
    return {
        "id": dataset,
        "type": f"{type_name}@{type_version}",
        "attributes": dict(attributes),
        "inputs": [{"id": i.id, "seal": i.seal} for i in inputs],
        "run": None if run is None else dict(run),
        "digest": digest,
    }


def seal(record: Mapping[str, Any]) -> str:
    """Compute the seal of a record: the SHA-256 of its canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(record)).hexdigest()
