"""Types: schemas that inherit."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hutch_api.domain import types

DOCS = Path(__file__).parents[2] / "docs"
scalars = st.one_of(st.integers(-5, 5), st.sampled_from(["", "a", "ab"]), st.booleans())
rules = st.one_of(
    st.just({"type": "integer"}),
    st.just({"type": "string"}),
    st.builds(lambda n: {"type": "number", "minimum": n}, st.integers(-5, 5)),
    st.builds(lambda n: {"type": "string", "minLength": n}, st.integers(0, 2)),
)
names = st.sampled_from(["a", "b", "c"])
schemas = st.builds(
    lambda properties, required: {
        "type": "object",
        "properties": properties,
        "required": sorted(required),
    },
    st.dictionaries(names, rules),
    st.sets(names),
)
objects = st.dictionaries(names, scalars)

TOOTH = {
    "sample": "tooth",
    "technique": "absorption tomography",
    "projections": 181,
    "rotation_range": 180.0,
    "rows": 2,
    "columns": 640,
    "flat_fields": 10,
    "dark_fields": 10,
}


def fits(schema: Any, value: Any) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


@given(schemas, schemas, objects)
def test_what_fits_a_merged_schema_fits_both(
    parent: dict[str, Any], child: dict[str, Any], value: dict[str, Any]
) -> None:
    both = fits(parent, value) and fits(child, value)
    assert fits(types.merge(parent, child), value) is both


@given(schemas, schemas)
def test_merging_changes_neither_schema(
    parent: dict[str, Any], child: dict[str, Any]
) -> None:
    before = repr((parent, child))
    types.merge(parent, child)
    assert repr((parent, child)) == before


@pytest.mark.parametrize("key", types.TYPES)
def test_every_schema_is_one(key: tuple[str, int]) -> None:
    Draft202012Validator.check_schema(dict(types.TYPES[key].schema))


@pytest.mark.parametrize("key", types.TYPES)
def test_every_number_says_its_unit_or_counts_something(key: tuple[str, int]) -> None:
    for name, rule in types.TYPES[key].schema["properties"].items():
        assert rule["description"], name
        if rule["type"] == "number":
            assert rule["unit"], name


@pytest.mark.parametrize(
    ("name", "ancestor", "expected"),
    [
        ("scan.tomo", "scan.tomo", True),
        ("scan.tomo", "scan", True),
        ("scan.tomo", "generic", True),
        ("scan", "scan.tomo", False),
        ("sinogram", "scan", False),
        ("nothing", "generic", False),
        ("generic", "nothing", False),
    ],
)
def test_a_type_is_its_ancestors(name: str, ancestor: str, *, expected: bool) -> None:
    assert types.is_a(name, ancestor) is expected
    assert (name in types.below(ancestor)) is expected


def test_the_types_of_the_first_version_are_there() -> None:
    assert set(types.TYPES) == {
        (name, 1)
        for name in (
            "generic",
            "scan",
            "scan.tomo",
            "sinogram",
            "volume",
            "segmentation",
        )
    }


@pytest.mark.parametrize("name", ["scan.tomo", "sinogram"])
def test_the_example_scan_satisfies_its_type(name: str) -> None:
    assert types.validate_attributes(name, 1, TOOTH) == []


def test_a_generic_dataset_needs_nothing_and_takes_anything() -> None:
    assert types.validate_attributes("generic", 1, {}) == []
    assert types.validate_attributes("generic", 1, {"what": ["ever"]}) == []


def test_faults_are_named_with_attribute_and_unit() -> None:
    given_ = {"sample": "", "energy": "25 keV", "start_time": "yesterday", "rows": 0}
    assert types.validate_attributes("scan.tomo", 1, given_) == [
        "energy: '25 keV' is not of type 'number' (in keV)",
        "projections: is missing",
        "rotation_range: is missing (in deg)",
        "rows: 0 is less than the minimum of 1",
        "sample: '' should be non-empty",
        "start_time: 'yesterday' is not a 'date-time'",
    ]


@pytest.mark.parametrize(
    ("time", "good"),
    [
        ("2026-03-01T12:00:00Z", True),
        ("2026-03-01T12:00:00.5+01:00", True),
        ("2026-03-01T12:00:00", False),
        ("2026-03-01", False),
        ("1772366400", False),
    ],
)
def test_a_time_has_a_zone(time: str, *, good: bool) -> None:
    faults = types.validate_attributes("generic", 1, {"start_time": time})
    assert (faults == []) is good


def test_a_place_inside_a_list_is_named() -> None:
    (fault,) = types.validate_attributes("volume", 1, {"shape": [1, 0, 2]})
    assert fault == "shape.1: 0 is less than the minimum of 1"


def test_a_long_value_does_not_make_a_long_message() -> None:
    (fault,) = types.validate_attributes("generic", 1, {"sample": ["x"] * 10_000})
    assert len(fault) < 300


def test_an_unknown_version_is_a_fault() -> None:
    assert types.validate_attributes("generic", 2, {}) == ["there is no type generic@2"]


def test_types_without_their_parent_are_refused() -> None:
    lost = {"name": "a", "version": 1, "parent": "b@1", "title": "A"}
    circle = {"name": "b", "version": 1, "parent": "a@1", "title": "B"}
    for documents in ([lost], [lost, circle]):
        with pytest.raises(ValueError, match="a@1"):
            types.build(documents)


def test_the_latest_version_of_a_type_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = {"name": "a", "version": 1, "parent": None, "title": "A"}
    second = {**first, "version": 2, "properties": {"x": {"type": "string"}}}
    monkeypatch.setattr(types, "TYPES", types.build([second, first]))
    found = types.latest("a")
    assert found is not None
    assert found.key == "a@2"


@pytest.mark.parametrize("key", types.TYPES)
def test_every_attribute_is_in_the_reference(key: tuple[str, int]) -> None:
    text = (DOCS / "reference" / "types.md").read_text(encoding="utf-8")
    found = types.TYPES[key]
    part = text.partition(f"\n## {found.name}\n")[2].partition("\n## ")[0]
    inherited = {} if found.parent is None else found.parent.schema["properties"]
    for name, rule in found.schema["properties"].items():
        if name not in inherited:
            row = next(line for line in part.splitlines() if f"| `{name}` |" in line)
            assert rule["description"] in row
            assert f"| {rule['unit']} |" in row if "unit" in rule else True
    required = ", ".join(f"`{name}`" for name in found.schema["required"])
    assert f"Required in all: {required or 'nothing'}." in part
