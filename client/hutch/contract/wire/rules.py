"""Rules: when a dataset closes, run a definition on it; on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from hutch.contract.wire.checks import MAX_LABEL, require_name, require_text

MAX_MATCHING: Final = 20
PLACEHOLDER: Final = "{name}"
"""What stands in ``output_name`` for the name of the dataset that closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleIn:
    """When a dataset of a type closes, run a definition on it, as the caller.

    Attributes:
        name: What it is called in lists.
        type: Datasets of this type, or of one that inherits from it.
        matching: Attributes that the dataset must have, with these values.
        definition: What to run; the newest version there is now.
        input: Name of the input that the dataset becomes; None where there is one.
        parameters: Parameters that are always the same.
        from_attributes: Attributes of the dataset by the parameter that they give.
        output_name: Name of the dataset that is made; ``{name}`` stands for that of
            the dataset that closed.
    """

    name: str
    type: str
    definition: str
    matching: Mapping[str, Any] = field(default_factory=dict)
    input: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    from_attributes: Mapping[str, str] = field(default_factory=dict)
    output_name: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        require_name("name", self.name)
        require_name("definition", self.definition)
        if len(self.matching) > MAX_MATCHING:
            raise ValueError(f"matching: {len(self.matching)}, {MAX_MATCHING} allowed")
        if self.output_name is not None:
            require_text("output_name", self.output_name, most=MAX_LABEL)
            if PLACEHOLDER not in self.output_name:
                raise ValueError("output_name: has to hold {name}, or all are the same")
            require_name("output_name", self.output_name.replace(PLACEHOLDER, "x"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOut:
    """A rule as its owner sees it.

    Attributes:
        definition: ``name@version``.
        output_name: Empty where it makes previews.
        fired: How many datasets it has seen.
    """

    id: UUID
    name: str
    type: str
    matching: Mapping[str, Any]
    definition: str
    input: str
    parameters: Mapping[str, Any]
    from_attributes: Mapping[str, str]
    output_name: str
    created_at: datetime
    fired: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleList:
    """The caller's rules, by name."""

    items: tuple[RuleOut, ...]
