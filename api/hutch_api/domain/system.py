"""System definitions: the programs that come with hutch itself.

They run as processes, by runners that execute nothing else. What they make are
previews: never a dataset, which could only be trusted with an image that is pinned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hutch.contract.wire.definitions import SYSTEM, Mode, Resources

IMAGE: Final = "system"
"""Stands where other definitions name an image; no approval can name it."""

EXECUTOR: Final = "local"
"""Name of what executes them, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemDefinition:
    """A program of hutch itself.

    Attributes:
        module: Is run by ``python -m``.
        input: Name of its one input.
        type: Type of the datasets that it takes.
        parameters: As of every definition.
    """

    name: str
    title: str
    module: str
    input: str = "dataset"
    type: str = "generic"
    mode: Mode = Mode.STREAMING
    parameters: Mapping[str, Any]
    resources: Resources = field(default_factory=Resources)
    retries: int = 2


PREVIEW: Final = SystemDefinition(
    name=f"{SYSTEM}preview",
    title="Small pictures of what a dataset holds",
    module="hutch.previews",
    parameters={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "edge": {
                "type": "integer",
                "minimum": 64,
                "maximum": 2048,
                "default": 512,
                "unit": "pixel",
                "description": "Longest edge of a picture",
            },
            "images": {
                "type": "integer",
                "minimum": 1,
                "maximum": 64,
                "default": 16,
                "description": "Pictures at most",
            },
        },
    },
    resources=Resources(
        cpu=1, memory_mib=2_048, scratch_mib=256, walltime_s=1_800, files=200
    ),
)
DEFINITIONS: Final = (PREVIEW,)
MODULES: Final = frozenset(one.module for one in DEFINITIONS)
"""All that is ever run so."""
