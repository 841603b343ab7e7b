"""The types of datasets: named, versioned JSON Schemas of their attributes.

A type inherits: all rules of its ancestors hold for it too, and it may only narrow
them. Every number has one unit, which its schema names by the keyword ``unit``.
Attributes that no schema knows are allowed. A version that was ever released never
changes; a change is a new version.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SHOWN: Final = 100
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type in one version.

    Attributes:
        parent: What it inherits from; None for ``generic``.
        schema: All of its rules, those of its ancestors included.
    """

    name: str
    version: int
    title: str
    parent: "Type | None"
    schema: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Name and version, as seals hold it: ``scan.tomo@1``."""
        return f"{self.name}@{self.version}"


def merge(parent: Mapping[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """Join two object schemas, so that what fits the result fits both.

    Args:
        parent: Schema with ``properties`` and ``required``.
        child: Another; a property of both must satisfy both.
    """
    properties = dict(parent.get("properties", {}))
    for name, rule in child.get("properties", {}).items():
        both = name in properties and properties[name] != rule
        properties[name] = {"allOf": [properties[name], rule]} if both else rule
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(
            {*parent.get("required", ()), *child.get("required", ())},
        ),
        "additionalProperties": True,
    }


def build(documents: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], Type]:
    """Make the types that documents describe, parents before children.

    Raises:
        ValueError: If a parent is missing, or parents go in a circle.
    """
    waiting = {f"{d['name']}@{d['version']}": d for d in documents}
    built: dict[str, Type] = {}
    while waiting:
        ready = [
            key
            for key, document in waiting.items()
            if document["parent"] is None or document["parent"] in built
        ]
        if not ready:
            raise ValueError(f"types without their parents: {sorted(waiting)}")
        for key in ready:
            built[key] = _type(waiting.pop(key), built)
    return {(t.name, t.version): t for t in built.values()}


def latest(name: str) -> Type | None:
    """Pick the highest version of a type; None if there is no such type."""
    versions = [t for t in TYPES.values() if t.name == name]
    return max(versions, key=lambda t: t.version, default=None)


def is_a(name: str, ancestor: str) -> bool:
    """Tell whether a type is another or inherits from it, in its latest version."""
    current = latest(name)
    while current is not None:
        if current.name == ancestor:
            return True
        current = current.parent
    return False


def below(ancestor: str) -> frozenset[str]:
    """Name a type and all that inherit from it; empty if there is no such type."""
    return frozenset(name for name, _ in TYPES if is_a(name, ancestor))


def validate_attributes(
    type_name: str, version: int, attributes: Mapping[str, Any]
) -> list[str]:
    """List what keeps attributes from satisfying a type; empty if they do.

    Args:
        type_name: Name of the type.
        version: Its version.
        attributes: What to check.

    Returns:
        One sentence for each fault, sorted, naming the attribute and its unit.
    """
    found = TYPES.get((type_name, version))
    if found is None:
        return [f"there is no type {type_name}@{version}"]
    validator = Draft202012Validator(dict(found.schema), format_checker=_FORMATS)
    return sorted(
        _say(error, found) for error in validator.iter_errors(dict(attributes))
    )


def _type(document: Mapping[str, Any], built: Mapping[str, Type]) -> Type:
    parent = None if document["parent"] is None else built[document["parent"]]
    schema = merge({} if parent is None else parent.schema, document)
    name, version = document["name"], document["version"]
    head = {
        "$schema": DIALECT,
        "$id": f"urn:hutch:type:{name}@{version}",
        "title": document["title"],
    }
    return Type(
        name, version, document["title"], parent, MappingProxyType(head | schema)
    )


def _say(error: ValidationError, of: Type) -> str:
    if error.validator == "required":
        missing = error.message.split("'")[1]
        unit = of.schema["properties"].get(missing, {}).get("unit")
        return f"{missing}: is missing{f' (in {unit})' if unit else ''}"
    place = ".".join(str(step) for step in error.absolute_path)
    unit = error.schema.get("unit") if isinstance(error.schema, Mapping) else None
    message = error.message
    if len(message) > 2 * _SHOWN:
        message = f"{message[:_SHOWN]} … {message[-_SHOWN:]}"
    return f"{place}: {message}{f' (in {unit})' if unit else ''}"


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())

    @checker.checks("date-time", raises=ValueError)
    def with_zone(value: object) -> bool:
        return not isinstance(value, str) or (
            datetime.fromisoformat(value).tzinfo is not None
        )

    return checker


def _read() -> list[Mapping[str, Any]]:
    return [
        json.loads(entry.read_text(encoding="utf-8"))
        for entry in files(__package__).joinpath("schemas").iterdir()
        if entry.name.endswith(".json")
    ]


_FORMATS: Final = _formats()
TYPES: Final[Mapping[tuple[str, int], Type]] = MappingProxyType(build(_read()))
"""Every type by name and version; they come with the program."""
