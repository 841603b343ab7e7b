"""Runs of definitions, and what their steps are told, on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from hutch.contract.wire.checks import require_name, require_range, require_text
from hutch.contract.wire.definitions import (
    MAX_INPUTS,
    MAX_VERSION,
    Mode,
    Resources,
    Target,
)
from hutch.contract.wire.transfer import SignedRequest

MAX_CLAIM: Final = 200


class RunState(StrEnum):
    """``waiting → queued → running → closing → succeeded | failed | cancelled``."""

    WAITING = "waiting"
    """Another run has to make an input first."""
    QUEUED = "queued"
    RUNNING = "running"
    CLOSING = "closing"
    """The output is there and is being closed; nothing stops it any more."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})
"""States that are never left."""


class Reason(StrEnum):
    """Why a run or an attempt did not succeed."""

    ERROR = "error"
    """The program ended with something else than 0."""
    OOM = "oom"
    """It wanted more memory than the definition allows."""
    TIMEOUT = "timeout"
    """It took longer than the definition allows."""
    OUTPUT_REJECTED = "output-rejected"
    """What it left below ``/out`` cannot be a dataset."""
    LOST = "lost"
    """The system failed: runner, engine, node, API or store."""
    CANCELLED = "cancelled"
    """Somebody ended it, or what it was allowed by: token, right, user."""


class StepKind(StrEnum):
    """The steps of an attempt, in their order."""

    IN = "in"
    """hutch fetches the inputs."""
    MAIN = "main"
    """The program."""
    OUT = "out"
    """hutch sends what the program left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIn:
    """Run a definition.

    Attributes:
        definition: Its name.
        version: None means the newest.
        inputs: Closed datasets by the name of the input, or runs whose output is to
            be the input.
        parameters: What the definition's schema asks for; its defaults fill the rest.
        name: Name of the dataset that is made; None where previews are made, and only
            there.
    """

    definition: str
    inputs: Mapping[str, UUID]
    name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    version: int | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        require_name("definition", self.definition)
        if self.name is not None:
            require_name("name", self.name)
        if len(self.inputs) > MAX_INPUTS:
            raise ValueError(f"inputs: {len(self.inputs)}, {MAX_INPUTS} are allowed")
        if self.version is not None:
            require_range("version", self.version, 1, MAX_VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInputOut:
    """An input of a run.

    Attributes:
        dataset: The dataset; None while the run that makes it goes on.
        run: The run that makes it; None if it was there before.
        digest: Digest of the dataset.
        seal: Seal of the dataset.
    """

    name: str
    dataset: UUID | None
    run: UUID | None = None
    digest: str | None = None
    seal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOut:
    """A try at a run.

    Attributes:
        number: Counts from 1.
        runner: The runner that has it.
        node: Where its program ran, once that is known.
        exit_code: How the program ended; None if it did not.
        reason: Why it did not succeed; None if it did, or goes on.
        detail: The same in words.
    """

    number: int
    runner: str
    started_at: datetime
    node: str | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOut:
    """A run as its owner sees it.

    Attributes:
        definition: ``name@version``.
        name: Name of the dataset that it makes; of one that makes previews, what it
            is found by.
        target: Whether it makes a dataset, or previews of its input.
        owner: As whom it runs.
        rule: Rule that began it; None if a person did.
        parameters: As they are stored: with all defaults.
        dataset: The dataset that it made; None until it is closed, and where it makes
            previews.
        reason: Why it did not succeed.
        detail: The same in words, with what to do now.
        progress: 0 to 1, as the program says; None if it says nothing.
        message: What the program says it is doing.
        attempts: The first one first.
    """

    id: UUID
    definition: str
    image: str
    name: str
    owner: str
    state: RunState
    inputs: tuple[RunInputOut, ...]
    parameters: Mapping[str, Any]
    created_at: datetime
    attempts: tuple[AttemptOut, ...] = ()
    rule: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    dataset: UUID | None = None
    reason: Reason | None = None
    detail: str = ""
    progress: float | None = None
    message: str = ""
    target: Target = Target.DATASET


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """Runs, the newest first; ``next`` is the cursor of the page after it."""

    items: tuple[RunOut, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """A piece of a log, to be fetched from the store.

    Attributes:
        number: Counts from 0; later pieces continue earlier ones.
    """

    attempt: int
    number: int
    request: SignedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """The log of a run: what its program wrote to stdout and stderr.

    Attributes:
        chunks: Those after the ones that were asked for, in order, at most 100.
        complete: There will be no more.
        truncated: The program wrote more than is kept.
    """

    chunks: tuple[LogChunk, ...]
    complete: bool
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimIn:
    """Trade a claim code, which works once, for the token of a step.

    Attributes:
        code: As the step was handed it.
    """

    code: str = field(repr=False)

    def __post_init__(self) -> None:
        """Check the values."""
        require_text("code", self.code, most=MAX_CLAIM)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInput:
    """An input as a step and the program are told of it.

    Attributes:
        digest: What its files must add up to.
    """

    id: UUID
    name: str
    type: str
    digest: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOut:
    """What a step does: the one answer that holds its token.

    Attributes:
        token: Good for this step's datasets and for nothing else, while the attempt
            lives.
        target: Whether the run makes a dataset, or previews of its input.
        dataset: The dataset to be filled; None where the step only reads, and where
            it sends previews.
        output_type: Type of the dataset that the run makes; None where it makes
            previews.
    """

    token: str = field(repr=False)
    run: UUID
    attempt: int
    step: StepKind
    mode: Mode
    inputs: Mapping[str, JobInput]
    parameters: Mapping[str, Any]
    output_type: str | None
    resources: Resources
    dataset: UUID | None = None
    target: Target = Target.DATASET
