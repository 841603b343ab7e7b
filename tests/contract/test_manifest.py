"""Digest and seal can be recomputed by anybody, and never change their form."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch.contract.manifest import (
    Entry,
    Input,
    canonical_json,
    digest,
    line,
    lines,
    read_line,
    seal,
    seal_record,
)

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
SUMS = st.binary(min_size=32, max_size=32).map(bytes.hex)
ENTRIES = st.lists(
    st.builds(Entry, NAMES, st.integers(0, 2**50), SUMS),
    unique_by=lambda e: e.path,
    max_size=8,
)


def record(**changed: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "dataset": "7eceaeb6-7a06-4f24-84c4-69291e47046a",
        "type_name": "scan.tomo",
        "type_version": 1,
        "attributes": {"energy": {"value": 20.5, "unit": "keV"}, "ä": None},
        "inputs": [Input("b3ae9f59-68f5-4a3f-bbd0-0a8a1bd42bb0", "0" * 64)],
        "run": None,
        "digest": "1" * 64,
    }
    return seal_record(**wanted | changed)


def test_the_form_of_a_manifest_is_fixed() -> None:
    entries = [Entry("a.tif", 3, "ab" * 32), Entry("b/ü.tif", 0, "cd" * 32)]
    text = "ab" * 32 + "  3  a.tif\n" + "cd" * 32 + "  0  b/ü.tif\n"
    assert b"".join(lines(entries)).decode() == text
    assert digest(entries) == hashlib.sha256(text.encode()).hexdigest()


def test_the_form_of_a_seal_is_fixed() -> None:
    assert canonical_json(record()).decode() == (
        '{"attributes":{"energy":{"unit":"keV","value":20.5},"ä":null},'
        f'"digest":"{"1" * 64}","id":"7eceaeb6-7a06-4f24-84c4-69291e47046a",'
        '"inputs":[{"id":"b3ae9f59-68f5-4a3f-bbd0-0a8a1bd42bb0",'
        f'"seal":"{"0" * 64}"}}],'
        '"run":null,"type":"scan.tomo@1"}'
    )


def test_an_empty_dataset_has_the_digest_of_nothing() -> None:
    assert digest([]) == hashlib.sha256(b"").hexdigest()


@given(ENTRIES)
def test_a_line_is_read_back_as_it_was(entries: list[Entry]) -> None:
    assert [read_line(line(e)) for e in entries] == entries


@given(ENTRIES)
def test_the_digest_names_the_files_whatever_their_order(entries: list[Entry]) -> None:
    in_order = sorted(entries, key=lambda e: e.path.encode())
    assert digest(in_order) == digest(sorted(entries, key=lambda e: e.path))


@given(ENTRIES.filter(lambda e: len(e) > 1))
def test_a_manifest_out_of_order_is_refused(entries: list[Entry]) -> None:
    backwards = sorted(entries, key=lambda e: e.path.encode(), reverse=True)
    with pytest.raises(ValueError, match="out of order"):
        digest(backwards)


def test_a_path_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="out of order"):
        digest([Entry("a", 1, "0" * 64)] * 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"dataset": "other"},
        {"type_name": "scan"},
        {"type_version": 2},
        {"attributes": {"energy": {"value": 20.6, "unit": "keV"}, "ä": None}},
        {"inputs": []},
        {"run": {"definition": "x"}},
        {"digest": "2" * 64},
    ],
)
def test_a_seal_covers_every_part_of_its_record(changed: dict[str, Any]) -> None:
    assert seal(record()) != seal(record(**changed))


@given(st.dictionaries(NAMES, st.integers() | NAMES | st.none() | st.booleans()))
def test_equal_values_have_equal_bytes(value: dict[str, Any]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(backwards)
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_cannot_write_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": number})


def test_sha256sum_makes_the_sums_of_a_manifest(tmp_path: Path) -> None:
    program = shutil.which("sha256sum")
    assert program is not None
    (tmp_path / "a").write_bytes(b"hello")
    out = subprocess.run(  # noqa: S603 - a program of the system
        [program, "a"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (
        out.stdout.split()[0]
        == read_line(line(Entry("a", 5, hashlib.sha256(b"hello").hexdigest()))).sha256
    )
