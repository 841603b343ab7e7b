"""Records prove themselves, and those that a record names prove each other."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hutch.contract.manifest import canonical_json
from hutch.contract.records import is_piece, read_document, write_document

BODY: dict[str, Any] = {"description": "Enamel.", "files": 3, "keywords": ["ünï"]}
SUM = json.loads(write_document(BODY))["sha256"]


def test_what_was_written_is_read() -> None:
    assert read_document(write_document(BODY)) == BODY


@pytest.mark.parametrize(
    "changed",
    [
        lambda _: canonical_json({**BODY, "description": "Dentine.", "sha256": SUM}),
        lambda _: canonical_json({**BODY, "more": 1, "sha256": SUM}),
        lambda _: canonical_json({"files": 3, "sha256": SUM}),
        lambda _: canonical_json({**BODY, "sha256": "0" * 64}),
        lambda _: canonical_json(BODY),
        lambda data: json.dumps(json.loads(data), indent=1).encode(),
        lambda data: data + b"\n",
        lambda data: data[:-1],
        lambda _: b"[]",
    ],
    ids=[
        *("a value", "a member more", "a member less", "the sum", "no sum"),
        *("other blanks", "a line end", "cut short", "no object"),
    ],
)
def test_what_was_changed_is_not_believed(changed: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match="not those that were written"):
        read_document(changed(write_document(BODY)))


def test_a_piece_is_what_its_name_says() -> None:
    name = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert is_piece(name, b"abc")
    assert not is_piece(name, b"abd")
