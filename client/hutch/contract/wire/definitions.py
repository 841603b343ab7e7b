"""Definitions: programs in containers that make datasets from datasets, on the wire."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from hutch.contract.wire.checks import (
    MAX_LABEL,
    require_name,
    require_range,
    require_text,
)

IMAGE: Final = re.compile(
    r"(?:[a-z0-9][a-z0-9._:/-]{0,253}@)?sha256:[0-9a-f]{64}", re.ASCII
)
"""By digest, ``registry/name@sha256:…``, or by id, ``sha256:…``: never by a tag, under
which other bytes may lie tomorrow."""
RESERVED: Final = frozenset({"show", "logs", "cancel"})
"""Words of ``hutch run`` that no definition can be called."""
SYSTEM: Final = "hutch-"
"""How the names of hutch's own definitions begin, and no others."""
MAX_ARGUMENTS: Final = 100
MAX_ARGUMENT: Final = 4_000
MAX_INPUTS: Final = 20
MAX_RETRIES: Final = 10
MAX_VERSION: Final = 2**31 - 1
_INPUT: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_MIB: Final = 1024 * 1024
_HOUR: Final = 3_600


class Mode(StrEnum):
    """How a program comes to its input."""

    STAGED = "staged"
    """The files lie below ``/in`` when it starts; it has no network."""
    STREAMING = "streaming"
    """It fetches what it needs itself, by a token; it reaches API and store only."""


class Target(StrEnum):
    """What a run makes."""

    DATASET = "dataset"
    """A dataset derived from its inputs."""
    PREVIEWS = "previews"
    """Small pictures of its one input; only definitions of hutch itself do that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a run may use at most.

    Attributes:
        cpu: Cores.
        memory_mib: Memory in MiB; what goes beyond is ended.
        gpu: Number of GPUs.
        scratch_mib: MiB below ``/work``, and as many below ``/out``.
        walltime_s: Seconds for the program itself.
        files: Files that it may leave below ``/out``.
    """

    cpu: float = 1.0
    memory_mib: int = 1_024
    gpu: int = 0
    scratch_mib: int = 10_240
    walltime_s: int = _HOUR
    files: int = 10_000

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0.1 <= self.cpu <= 1_024:  # noqa: PLR2004 - as the text says
            raise ValueError(f"cpu: {self.cpu} is not within 0.1 to 1024 cores")
        require_range("memory_mib", self.memory_mib, 16, 16 * _MIB)
        require_range("gpu", self.gpu, 0, 64)
        require_range("scratch_mib", self.scratch_mib, 1, 1_024 * _MIB)
        require_range("walltime_s", self.walltime_s, 1, 30 * 24 * _HOUR)
        require_range("files", self.files, 1, 10_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputType:
    """An input of a definition.

    Attributes:
        type: Datasets of this type, or of one that inherits from it, fit.
    """

    type: str = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputType:
    """What a run makes.

    Attributes:
        type: Type of the dataset that it makes.
    """

    type: str = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionIn:
    """A program in a container: what it is, what it needs and what it makes.

    Attributes:
        name: What people run it by.
        title: What it does, in a few words.
        image: The container image, by digest or id.
        argv: The command and its arguments; no shell reads them.
        mode: How it comes to its input.
        inputs: By the name under which the program finds them.
        output: What it makes.
        parameters: JSON Schema (2020-12) of an object.
        resources: What a run may use at most.
        retries: How often a run is tried again after a failure of the system; one of
            the program itself is never.
    """

    name: str
    image: str
    argv: tuple[str, ...]
    inputs: Mapping[str, InputType]
    title: str = ""
    mode: Mode = Mode.STAGED
    output: OutputType = field(default_factory=OutputType)
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    resources: Resources = field(default_factory=Resources)
    retries: int = 2

    def __post_init__(self) -> None:
        """Check the values."""
        require_name("name", self.name)
        if self.name in RESERVED:
            raise ValueError(f"name: {self.name!r} is a word of 'hutch run' itself")
        if self.name.startswith(SYSTEM):
            raise ValueError(
                f"name: {self.name!r} begins with {SYSTEM!r}, as only the definitions "
                "of hutch itself do; choose another name"
            )
        require_text("title", self.title, most=MAX_LABEL)
        require_image(self.image)
        _require_argv(self.argv)
        if not 1 <= len(self.inputs) <= MAX_INPUTS:
            raise ValueError(f"inputs: name 1 to {MAX_INPUTS}")
        for name in self.inputs:
            if not _INPUT.fullmatch(name):
                raise ValueError(
                    f"inputs: {name[:MAX_LABEL]!r} is not the name of an input; "
                    "allowed are 1 to 32 lower-case letters, digits and '_', a letter "
                    "first"
                )
        require_range("retries", self.retries, 0, MAX_RETRIES)


def require_image(text: str) -> None:
    """An image by digest or id."""
    if not IMAGE.fullmatch(text):
        raise ValueError(
            f"image: {text[:MAX_LABEL]!r} does not say which bytes are meant; name it "
            "by digest (registry/name@sha256:…) or by id (sha256:…)"
        )


def _require_argv(argv: tuple[str, ...]) -> None:
    if not 1 <= len(argv) <= MAX_ARGUMENTS:
        raise ValueError(f"argv: give 1 to {MAX_ARGUMENTS} words")
    for number, word in enumerate(argv):
        require_text(f"argv[{number}]", word, most=MAX_ARGUMENT)
    if not argv[0]:
        raise ValueError("argv: the command is empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionOut:
    """A definition in one version, which never changes.

    Attributes:
        version: Counts what was added under this name.
        target: Whether a run makes a dataset, or previews.
        image: ``system``: a program of hutch itself, which needs no container.
        output: The dataset that a run makes; None where it makes previews.
        approved: Whether its image may be run.
        owner: Who added it; ``hutch`` if it came with hutch.
        retired_at: Since when it starts no more runs; None while it does.
    """

    name: str
    version: int
    title: str
    image: str
    argv: tuple[str, ...]
    mode: Mode
    inputs: Mapping[str, InputType]
    output: OutputType | None
    parameters: Mapping[str, Any]
    resources: Resources
    retries: int
    approved: bool
    owner: str
    created_at: datetime
    target: Target = Target.DATASET
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionList:
    """Definitions by name, the newest version of each first."""

    items: tuple[DefinitionOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageIn:
    """Approve an image: whoever may run definitions runs its programs.

    Attributes:
        image: By digest or id.
        note: What it is, for people.
    """

    image: str
    note: str = ""

    def __post_init__(self) -> None:
        """Check the values."""
        require_image(self.image)
        require_text("note", self.note, most=MAX_LABEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOut:
    """An image that was approved.

    Attributes:
        by: Who approved it.
        revoked_at: Since when it is not approved any more; None while it is.
    """

    id: UUID
    image: str
    note: str
    by: str
    approved_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageList:
    """Images, the newest approval first."""

    items: tuple[ImageOut, ...]
