"""Which attributes may be stored."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hutch.contract.manifest import canonical_json
from hutch.contract.problems import HutchError, InvalidInputError, TooLargeError
from hutch_api.domain import attributes

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), values))
def test_what_is_storable_has_one_canonical_form(given_: dict[str, Any]) -> None:
    try:
        attributes.require_storable(given_)
    except HutchError:
        return
    text = canonical_json(given_)
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(), values), st.dictionaries(st.text(), values))
def test_a_change_wins_and_null_removes(
    old: dict[str, Any], change: dict[str, Any]
) -> None:
    merged = attributes.merge(old, change)
    assert None not in merged.values()
    for name in old.keys() | change.keys():
        wanted = change[name] if name in change else old[name]
        assert repr(merged.get(name)) == repr(wanted)


def nested(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels):
        value = {"x": value}
    return {"x": value}


def test_depth_and_size_have_an_end() -> None:
    attributes.require_storable(nested(attributes.DEEPEST - 1))
    with pytest.raises(InvalidInputError, match="levels deep"):
        attributes.require_storable(nested(attributes.DEEPEST))
    with pytest.raises(TooLargeError):
        attributes.require_storable({f"x{n}": "y" * 10_000 for n in range(7)})


def test_a_fault_names_its_place() -> None:
    with pytest.raises(InvalidInputError, match=r"attributes\.a\[1\]\.b"):
        attributes.require_storable({"a": [0, {"b": float("inf")}]})
