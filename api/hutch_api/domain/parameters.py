"""Parameters of definitions: a JSON Schema says which, a run stores them in full.

Schemas come from users and are applied by the server, so that they may hold only what
costs little: no expressions to be matched and no references to follow.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from hutch.contract.problems import InvalidInputError, TooLargeError
from hutch_api.domain import attributes

KEYWORDS: Final = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "enum",
        "const",
        "default",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "title",
        "description",
        "examples",
        "unit",
    }
)
MOST_PARTS: Final = 4_000
"""Values in a schema; to see that it is one takes a second, at the worst."""
MOST_WORK: Final = 1_000_000
"""Values of a schema times values that it is applied to: a second, at the worst."""
_MOST_FAULTS: Final = 10
_BELOW: Final = frozenset({"items", "additionalProperties"})


def require_schema(schema: Mapping[str, Any]) -> None:
    """Refuse what is no schema of parameters.

    Raises:
        InvalidInputError: It says where.
        TooLargeError: It is too large.
    """
    attributes.require_storable(schema, field="parameters")
    if _count(schema) > MOST_PARTS:
        raise TooLargeError(
            f"parameters: the schema has more than {MOST_PARTS} parts; put long lists "
            "into a dataset",
            field="parameters",
        )
    for fault in _faults(schema, "parameters"):
        raise InvalidInputError(fault, field="parameters")
    if schema.get("type") != "object":
        raise InvalidInputError(
            "parameters: the schema has to say type = 'object'", field="parameters"
        )
    try:
        Draft202012Validator.check_schema(dict(schema))
    except SchemaError as error:
        place = ".".join(map(str, ["parameters", *error.absolute_path]))
        raise InvalidInputError(
            f"{place}: {error.message[:200]}", field="parameters"
        ) from None
    complete(schema, _defaults(schema), partly=True)


def complete(
    schema: Mapping[str, Any], given: Mapping[str, Any], *, partly: bool = False
) -> dict[str, Any]:
    """Check parameters and fill in the defaults: what is stored and passed on.

    Args:
        schema: As ``require_schema`` allows it.
        given: What the caller says.
        partly: Let required ones be missing.

    Raises:
        InvalidInputError: One does not fit; it says which, and its unit.
        TooLargeError: They are too large.
    """
    attributes.require_storable(given, field="parameters")
    whole = {**_defaults(schema), **given}
    if _count(schema) * _count(whole) > MOST_WORK:
        raise TooLargeError(
            "parameters: so many values cannot be checked by so large a schema; put "
            "long lists into a dataset",
            field="parameters",
        )
    rules = {k: v for k, v in schema.items() if not (partly and k == "required")}
    faults = sorted(
        _say(error.absolute_path, error.message, error.schema)
        for error in islice(
            Draft202012Validator(rules).iter_errors(whole), _MOST_FAULTS
        )
    )
    if faults:
        raise InvalidInputError(f"parameters: {'; '.join(faults)}", field="parameters")
    return whole


def _defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: rule["default"]
        for name, rule in schema.get("properties", {}).items()
        if isinstance(rule, Mapping) and "default" in rule
    }


def _faults(schema: Any, place: str) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        yield f"{place}: is not a schema"
        return
    for name, value in schema.items():
        if name not in KEYWORDS:
            yield f"{place}: the keyword {name[:100]!r} is not allowed here"
        elif name == "properties" and isinstance(value, Mapping):
            for below, rule in value.items():
                yield from _faults(rule, f"{place}.{below[:100]}")
        elif name in _BELOW:
            yield from _faults(value, f"{place}.{name}")
        elif name == "prefixItems" and isinstance(value, list):
            for number, rule in enumerate(value):
                yield from _faults(rule, f"{place}[{number}]")


def _count(value: Any) -> int:
    """Count the values in a value, itself included."""
    total, ahead = 0, [value]
    while ahead:
        total += 1
        match ahead.pop():
            case Mapping() as item:
                ahead.extend(item.values())
            case list() | tuple() as item:
                ahead.extend(item)
    return total


def _say(path: Any, message: str, schema: Any) -> str:
    place = ".".join(str(step) for step in path)
    unit = schema.get("unit") if isinstance(schema, Mapping) else None
    said = f"{place}: {message}" if place else message
    return f"{said[:300]}{f' (in {unit})' if unit else ''}"
