"""What is handed to a job: a script that is always the same, and files that it reads.

Nothing of an attempt is written into the script or quoted for a shell. The arguments of
Podman lie in files, with a NUL behind each, which no argument can hold; claim codes
lie in files that only the user of the jobs can read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict
from uuid import UUID

from hutch.contract.wire.definitions import Mode
from hutch.contract.wire.runs import StepKind
from hutch_api.adapters import containment
from hutch_api.adapters.containment import (
    ATTEMPT,
    CLAIM,
    GATE,
    PROGRAM_CLAIM,
    SECCOMP,
    STEP,
    Container,
    name_of,
)
from hutch_api.adapters.slurm.options import container_options, label_options
from hutch_api.ports.executor import Claim, Job

SCRIPT: Final = Path(__file__).with_name("batch.sh").read_bytes()
KEPT: Final = containment.LOG_MIB * containment.MIB
"""Bytes that are kept of what a program writes."""
_DOOR: Final = "door"
_OWN: Final = (StepKind.IN, StepKind.OUT)
"""Steps that are hutch's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is the same for all jobs of a runner.

    Attributes:
        labels: Borne by all that is made.
        step_image: hutch's client image.
        addresses: The arguments that name API and store, as the nodes reach them.
    """

    labels: Mapping[str, str]
    step_image: str
    addresses: list[str]


def files_of(
    job: Job, claim: Claim, around: Surroundings, directory: Path
) -> dict[str, bytes]:
    """Write the files that a job begins with, by their names.

    Args:
        job: What is to be executed.
        claim: Makes the claim codes.
        around: What is the same for all jobs.
        directory: Where the files will lie.
    """
    files = {"script": SCRIPT, SECCOMP.name: SECCOMP.read_bytes()}
    for part, container in _containers(job, around).items():
        labels = _labels(job.attempt, around) | {STEP: part}
        name = name_of(job.attempt, part)
        files[f"args-{part}"] = _ended_by_nul(
            container_options(name, labels, container, seccomp=directory / SECCOMP.name)
        )
    labels = _labels(job.attempt, around)
    files["args-volume"] = _ended_by_nul(label_options(labels))
    for step in _OWN:
        codes = {CLAIM: claim(step).encode()}
        if step is StepKind.IN and job.mode is Mode.STREAMING:
            codes[PROGRAM_CLAIM] = claim(StepKind.MAIN).encode()
        files[f"claim-{step}"] = containment.archive(codes)
    return files


def _containers(job: Job, around: Surroundings) -> dict[str, Container]:
    ways = _Ways(
        image=around.step_image,
        door=name_of(job.attempt, _DOOR),
        addresses=around.addresses,
    )
    made = {
        step.value: containment.for_step(job.attempt, step, **ways) for step in _OWN
    }
    made[_DOOR] = containment.for_door(**ways)
    gate = ""
    if job.mode is Mode.STREAMING:
        gate = name_of(job.attempt, GATE)
        made[GATE] = containment.for_gate(**ways)
    made[StepKind.MAIN.value] = containment.for_program(job, gate=gate)
    return made


class _Ways(TypedDict):
    """By what the containers of hutch reach API and store."""

    image: str
    door: str
    addresses: list[str]


def _labels(attempt: UUID, around: Surroundings) -> dict[str, str]:
    return {**around.labels, ATTEMPT: str(attempt)}


def _ended_by_nul(arguments: list[str]) -> bytes:
    return b"".join(argument.encode() + b"\0" for argument in arguments)
