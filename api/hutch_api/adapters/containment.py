"""What the containers of an attempt are made of: rights, limits and mounts.

A program is hostile until it has ended: it has no network, no capability, a root that
it cannot write, and nothing of the machine but volumes of its attempt. What is said
here holds whoever makes the containers, an engine's API or its command line.
"""

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from hutch.contract.wire.definitions import Resources
from hutch.contract.wire.runs import StepKind
from hutch_api.ports.executor import Job

USER: Final = "1000:1000"
MIB: Final = 1024 * 1024
LOG_MIB: Final = 32
"""More than is kept of a log; what goes beyond must not fill the disk."""
PROCESSES: Final = 512
KILLED: Final = 137
"""128 and SIGKILL. Nobody of hutch kills what is still looked at: it was the kernel.
The engine's own ``OOMKilled`` is always false with version 2 of control groups."""
INSTANCE, RUNNER = "hutch.instance", "hutch.runner"
ATTEMPT, STEP = "hutch.attempt", "hutch.step"
"""Labels of all that is made for an attempt."""
SECCOMP: Final = Path(__file__).with_name("seccomp.json")
"""What the kernel may be asked for: what those compute with need who have no rights.
What engines allow by themselves differs: new user namespaces, in which somebody has
all rights again, the keys of the user, sockets to the host of a virtual machine."""
_ULIMITS: Final = {"nofile": 4_096, "nproc": 4_096, "core": 0}
"""Named in full: with one of its own, a container gets none of the engine's settings,
and of what an engine takes by itself some kernels refuse so much."""
OF_STEP: Final = Resources(cpu=2, memory_mib=2_048)
"""What fetching and sending may use: buffers for a few parts at a time."""
CLAIM: Final = "claim"
PROGRAM_CLAIM: Final = "program"
GATE: Final = "gate"
_END: Final = 2 * tarfile.BLOCKSIZE
"""Bytes by which an archive ends, all zero; Python adds more, as tapes want it."""
VOLUMES: Final = {
    "in": "/in",
    "out": "/out",
    "work": "/work",
    "run": "/run/hutch",
    CLAIM: "/run/claim",
}
"""Volumes of an attempt by name, and where they are mounted."""
_OF_PROGRAM: Final = {"in": "ro", "out": "rw", "work": "rw", "run": "ro"}
"""Those that a program has, and how."""
_HOME: Final = {"HOME": VOLUMES["work"], "TMPDIR": VOLUMES["work"]}
_OF_STEP: Final = {StepKind.IN: tuple(VOLUMES), StepKind.OUT: ("out", CLAIM)}
"""The first step has all of them: they belong to its user from then on. The last one
has nothing that the program wrote but the output."""
_HOME_OF_STEP: Final = {
    "HOME": VOLUMES[CLAIM],
    "TMPDIR": VOLUMES[CLAIM],
    "PYTHONNOUSERSITE": "1",
}
"""Where no program ever was: Python takes code from its home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume where a container has it; ``mode`` is ``ro`` or ``rw``."""

    volume: str
    place: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """How a container is made, beside what holds for all of them.

    Attributes:
        most: What it may use.
        entrypoint: What it runs; empty means what the image says.
        command: The arguments of that.
        network: ``none``, ``host`` or ``container:`` and another's name.
        directory: Where it starts; empty means where the image says.
    """

    image: str
    most: Resources
    mounts: tuple[Mount, ...]
    command: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    network: str = "none"
    directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    ulimits: Mapping[str, int] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)


def name_of(attempt: UUID, part: str) -> str:
    """Name a container or volume of an attempt."""
    return f"hutch-{attempt}-{part}"


def for_program(job: Job, *, gate: str = "") -> Container:
    """Say how the container of the program is made.

    Args:
        job: What is to be executed.
        gate: Container whose loopback it shares, if it fetches its input itself.
    """
    return Container(
        image=job.image,
        most=job.resources,
        mounts=tuple(
            Mount(volume=name_of(job.attempt, name), place=VOLUMES[name], mode=mode)
            for name, mode in _OF_PROGRAM.items()
        ),
        entrypoint=job.argv[:1],
        command=job.argv[1:],
        directory=VOLUMES["work"],
        network=f"container:{gate}" if gate else "none",
        environment=_HOME,
        ulimits={**_ULIMITS, "fsize": job.resources.scratch_mib * MIB},
    )


def for_gate(*, image: str, door: str, addresses: list[str]) -> Container:
    """Say how the container is made whose loopback a streaming program shares."""
    return Container(
        image=image,
        most=OF_STEP,
        mounts=(Mount(volume=door, place="/run/door", mode="ro"),),
        command=("gate", *addresses),
        environment=_HOME_OF_STEP,
        sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
    )


def for_step(
    attempt: UUID, step: StepKind, *, image: str, door: str, addresses: list[str]
) -> Container:
    """Say how the container of one of hutch's own steps is made.

    Args:
        attempt: Whose step it is.
        step: ``in`` or ``out``.
        image: hutch's client image.
        door: Volume with the sockets that lead to API and store.
        addresses: The arguments that name both.
    """
    own = [
        Mount(volume=name_of(attempt, name), place=VOLUMES[name], mode="rw")
        for name in _OF_STEP[step]
    ]
    return Container(
        image=image,
        most=OF_STEP,
        mounts=(*own, Mount(volume=door, place="/run/door", mode="ro")),
        command=(step.value, *addresses),
        environment=_HOME_OF_STEP,
        sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
    )


def for_door(*, image: str, door: str, addresses: list[str]) -> Container:
    """Say how the one container is made that has the machine's network."""
    return Container(
        image=image,
        most=OF_STEP,
        mounts=(Mount(volume=door, place="/run/door", mode="rw"),),
        command=("door", *addresses),
        network="host",
    )


def archive(files: Mapping[str, bytes]) -> bytes:
    """Pack small files that only the user of the containers can read.

    Nothing follows the end of the archive: Podman stops reading there, and refuses the
    whole of it if it was still sending when it did.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o400
            entry.uid = entry.gid = int(USER.partition(":")[0])
            tar.addfile(entry, io.BytesIO(content))
        end = packed.tell() + _END
    return packed.getvalue()[:end]
