"""What executes the steps of an attempt at a run."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from hutch.contract.wire.definitions import Mode, Resources
from hutch.contract.wire.runs import StepKind

Claim = Callable[[StepKind], str]
"""Makes the claim code of a step, which works once."""


class ExecutorUnavailableError(Exception):
    """The executor cannot be asked at present; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be executed.

    Attributes:
        attempt: Everything that the executor makes is named by it.
        image: Image of the program, by digest or id.
        argv: The program and its arguments.
        has_begun: The program has: if it is not there any more it is gone. Its output
            may be there in part, and another start would find it.
    """

    attempt: UUID
    image: str
    argv: tuple[str, ...]
    mode: Mode
    resources: Resources
    has_begun: bool = False


class Phase(StrEnum):
    """How far a step is."""

    WAITING = "waiting"
    """The executor has it in a queue of its own."""
    RUNNING = "running"
    ENDED = "ended"
    GONE = "gone"
    """It was there and is not any more, or ended without anybody seeing how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was seen of a job.

    Attributes:
        step: The step that it is in, or that failed; ``out`` if all are done.
        exit_code: How the step ended; None if it did not.
        is_oom: The kernel ended it for the memory that it wanted.
        detail: What the step said of its failure, or the executor of it.
        node: Where it runs.
    """

    step: StepKind
    phase: Phase
    exit_code: int | None = None
    is_oom: bool = False
    detail: str = ""
    node: str = ""


class Executor(Protocol):
    """Executes attempts: fetch, the program, send. Every method may be repeated.

    May raise ``ExecutorUnavailableError``.
    """

    @property
    def name(self) -> str:
        """What it is called in the records of runs."""
        ...

    def proceed(self, job: Job, claim: Claim) -> Sight:
        """Begin a job, or see how far it is and begin the step that is next.

        Args:
            job: What is to be executed.
            claim: Asked for a code whenever a step needs one.
        """
        ...

    def log(self, job: Job, *, after: int, most: int) -> bytes:
        """Read what the program has written to stdout and stderr.

        Args:
            job: Which job.
            after: Bytes that are known already.
            most: Bytes to read at most.
        """
        ...

    def used(self, job: Job) -> int:
        """Count the bytes that the program has below ``/out`` and ``/work``."""
        ...

    def end(self, job: UUID) -> None:
        """End the job of an attempt, and remove everything of it."""
        ...

    def held(self) -> set[UUID]:
        """List the attempts that something of this runner is left of."""
        ...

    def close(self) -> None:
        """Give back what the executor holds for all attempts; none is left."""
        ...
