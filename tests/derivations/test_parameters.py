"""Schemas of parameters: which are allowed, and what they make of what is given."""

import json
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hutch.contract.problems import HutchError, InvalidInputError, TooLargeError
from hutch_api.domain import attributes, parameters
from hutch_api.domain.parameters import KEYWORDS, complete, require_schema

FEW: Final = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck)
)

names = st.sampled_from("abcde")
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("xyzé", max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
    ),
    max_leaves=6,
)
numbers = st.integers(-5, 5) | st.floats(-5, 5)


def fitting(rules: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Any]:
    """Schemas of one level more."""
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(
                ["object", "array", "string", "number", "integer", "boolean", "null"]
            ),
            "properties": st.dictionaries(names, rules, max_size=3),
            "required": st.lists(names, unique=True, max_size=2),
            "additionalProperties": st.booleans() | rules,
            "items": st.booleans() | rules,
            "prefixItems": st.lists(rules, min_size=1, max_size=2),
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 3),
            "enum": st.lists(values, max_size=3),
            "const": values,
            "default": values,
            "minimum": numbers,
            "maximum": numbers,
            "exclusiveMinimum": numbers,
            "exclusiveMaximum": numbers,
            "multipleOf": st.integers(1, 5) | st.floats(5e-324, 5),
            "minLength": st.integers(0, 3),
            "maxLength": st.integers(0, 3),
            "title": st.text("xyz", max_size=5),
            "description": st.text("xyz", max_size=5),
            "examples": st.lists(values, max_size=2),
            "unit": st.text("xyz", max_size=5),
        },
    )


leaves: st.SearchStrategy[dict[str, Any]] = st.just({})
schemas = fitting(fitting(leaves)).map(lambda schema: schema | {"type": "object"})
parametersets = st.dictionaries(names, values, max_size=4)


def is_allowed(schema: dict[str, Any]) -> bool:
    try:
        require_schema(schema)
    except HutchError:
        return False
    return True


@FEW
@given(schemas, parametersets)
def test_what_is_stored_fits_and_is_complete(
    schema: dict[str, Any], chosen: dict[str, Any]
) -> None:
    assume(is_allowed(schema))
    defaults = {
        name: rule["default"]
        for name, rule in schema.get("properties", {}).items()
        if "default" in rule
    }
    if not Draft202012Validator(schema).is_valid(defaults | chosen):
        with pytest.raises(InvalidInputError, match=r"^parameters: "):
            complete(schema, chosen)
        return
    whole = complete(schema, chosen)
    # What was said stays, what was not said is a default, and again changes nothing.
    assert whole == defaults | chosen
    assert complete(schema, whole) == whole


@FEW
@given(schemas, parametersets)
def test_what_a_rule_leaves_open_may_be_missing_but_not_wrong(
    schema: dict[str, Any], chosen: dict[str, Any]
) -> None:
    assume(is_allowed(schema))
    try:
        complete(schema, chosen)
    except HutchError:
        return
    assert complete(schema, chosen, partly=True) == complete(schema, chosen)


@FEW
@given(
    st.dictionaries(
        st.sampled_from(sorted(KEYWORDS | {"pattern", "$ref", "x"})), values, max_size=5
    ),
    parametersets,
)
def test_nothing_but_a_refusal_comes_of_nonsense(
    schema: dict[str, Any], chosen: dict[str, Any]
) -> None:
    with suppress(HutchError):
        require_schema(schema)
        complete(schema, chosen)


@FEW
@given(schemas)
def test_a_schema_that_was_stored_is_allowed_again(schema: dict[str, Any]) -> None:
    again = json.loads(json.dumps(schema))
    assert is_allowed(schema) == is_allowed(again)


BEYOND = sorted(
    {
        *("$ref", "$dynamicRef", "$schema", "$id", "$anchor", "$defs", "$vocabulary"),
        *("pattern", "patternProperties", "propertyNames", "format", "allOf", "anyOf"),
        *("oneOf", "not", "if", "then", "else", "dependentSchemas", "contains"),
        *("unevaluatedItems", "unevaluatedProperties", "uniqueItems", "contentSchema"),
        *("minContains", "dependentRequired", "maxProperties", "definitions", "Type"),
    }
)


@pytest.mark.parametrize("keyword", BEYOND)
@pytest.mark.parametrize(
    "place",
    [
        lambda rule: rule,
        lambda rule: {"properties": {"a": rule}},
        lambda rule: {"properties": {"a": {"properties": {"b": rule}}}},
        lambda rule: {"properties": {"a": {"items": rule}}},
        lambda rule: {"properties": {"a": {"prefixItems": [{}, rule]}}},
        lambda rule: {"additionalProperties": rule},
    ],
    ids=["top", "property", "nested", "items", "prefixItems", "others"],
)
def test_other_keywords_are_allowed_nowhere(keyword: str, place: Any) -> None:
    schema = {**place({keyword: {}}), "type": "object"}
    with pytest.raises(InvalidInputError, match="is not allowed here"):
        require_schema(schema)


def test_a_parameter_may_have_the_name_of_a_keyword() -> None:
    schema = {
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "default": "("},
            "$ref": {"enum": [{"$ref": "#"}], "default": {"$ref": "#"}},
        },
    }
    require_schema(schema)
    assert complete(schema, {}) == {"pattern": "(", "$ref": {"$ref": "#"}}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({}, "type = 'object'"),
        ({"type": "array"}, "type = 'object'"),
        ({"type": ["object", "null"]}, "type = 'object'"),
        ({"type": "object", "required": "a"}, "parameters.required"),
        ({"type": "object", "properties": []}, "parameters.properties"),
        ({"type": "object", "properties": {"a": 1}}, "parameters.a: is not a schema"),
        ({"type": "object", "prefixItems": {}}, "parameters.prefixItems"),
        (
            {"type": "object", "properties": {"a": {"type": "number", "default": "x"}}},
            "a: 'x' is not of type 'number'",
        ),
    ],
)
def test_what_is_no_schema_says_where(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said) as refused:
        require_schema(schema)
    assert refused.value.facts["field"] == "parameters"


def test_a_default_need_not_come_with_what_is_required() -> None:
    schema = {
        "type": "object",
        "required": ["a", "b"],
        "properties": {"a": {"default": 1}, "b": {"type": "number", "unit": "pixel"}},
    }
    require_schema(schema)
    with pytest.raises(InvalidInputError, match="'b' is a required property"):
        complete(schema, {})
    assert complete(schema, {}, partly=True) == {"a": 1}
    with pytest.raises(InvalidInputError, match=r"b: 'x'.*\(in pixel\)"):
        complete(schema, {"b": "x"}, partly=True)
    assert complete(schema, {"b": 2}) == {"a": 1, "b": 2}


def test_a_default_inside_an_object_is_not_filled_in() -> None:
    inner = {"type": "object", "properties": {"b": {"default": 1}}}
    schema = {"type": "object", "properties": {"a": inner}}
    assert complete(schema, {"a": {}}) == {"a": {}}


def listing(rule: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": {"items": rule}}}


@pytest.mark.parametrize(
    "rule",
    [
        {"enum": list(range(3_900))},
        {"properties": {f"p{n}": {} for n in range(3_900)}},
        {"required": [f"p{n}" for n in range(3_900)]},
    ],
    ids=["enum", "properties", "required"],
)
def test_a_schema_that_would_be_applied_for_minutes_is_not(
    rule: dict[str, Any],
) -> None:
    require_schema(listing(rule))
    with pytest.raises(TooLargeError):
        complete(listing(rule), {"a": [{}] * 15_000})


def test_a_thousand_faults_are_told_in_a_few_words() -> None:
    with pytest.raises(InvalidInputError) as refused:
        complete(listing({"type": "string"}), {"a": [1] * 10_000})
    assert len(refused.value.detail) < parameters._MOST_FAULTS * 350
    assert "a.9:" in refused.value.detail


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"a": 2**53}, InvalidInputError),
        ({"a": float("nan")}, InvalidInputError),
        ({"a": "\0"}, InvalidInputError),
        ({"a": "x" * attributes.LARGEST}, TooLargeError),
    ],
)
def test_what_cannot_be_stored_is_no_parameter(
    given: dict[str, Any], kind: type[HutchError]
) -> None:
    with pytest.raises(kind):
        complete({"type": "object"}, given)
    with pytest.raises(kind):
        require_schema({"type": "object", "properties": {"a": {"const": given["a"]}}})


def test_how_much_is_applied_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "MOST_WORK", 100)
    require_schema(listing({"type": "number"}))
    assert complete(listing({"type": "number"}), {"a": [1, 2]})
    with pytest.raises(TooLargeError):
        complete(listing({"type": "number"}), {"a": list(range(100))})


def test_how_much_a_schema_says_has_an_end() -> None:
    most = parameters.MOST_PARTS
    require_schema({"type": "object", "examples": [0] * (most - 3)})
    with pytest.raises(TooLargeError, match="the schema has more than"):
        require_schema({"type": "object", "examples": [0] * (most - 2)})
