"""The commands of Slurm: sbatch, squeue and scancel.

Jobs are known by their names, which hold the ids of attempts: a number may be given
away twice, when a controller dies before it has written down the first.
"""

import math
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from hutch.contract.wire.definitions import Resources
from hutch_api.adapters.containment import OF_STEP
from hutch_api.adapters.slurm.batch import KEPT
from hutch_api.ports.executor import ExecutorUnavailableError

ALLOWANCE_S: Final = 3_600
"""Beside the program's own time: for fetching, sending and cleaning up."""
_OVERHEAD_MIB: Final = 256
"""Of the door, of Podman's own processes and of the script."""
_PREFIX: Final = "hutch-"
_TIMEOUT_S: Final = 60
_KEPT_VARIABLES: Final = ("PATH", "HOME", "USER", "LOGNAME", "SLURM_CONF")
_FORMAT: Final = "%j|%T|%N|%k|%r"
_ENDED: Final = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)
_WAITING: Final = frozenset(
    {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD"}
)
_AWAY: Final = (
    "unable to contact",
    "timed out",
    "connect",
    "zero bytes",
    "standby mode",
    "temporarily",
    "authentication",
    "munge",
)
"""What Slurm says when it cannot be asked, rather than no."""


class RefusedError(Exception):
    """Slurm will not have a job; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """A job as squeue shows it; ended ones stay for a while.

    Attributes:
        state: Slurm's word for it.
        owner: Whose job it is, as its comment says.
        reason: Why it waits, or how it ended.
    """

    attempt: UUID
    state: str
    node: str = ""
    owner: str = ""
    reason: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun."""
        return self.state in _WAITING

    @property
    def is_live(self) -> bool:
        """Whether anything of it may still happen."""
        return self.state not in _ENDED


@dataclass(slots=True)
class Queue:
    """Jobs of one runner.

    Args:
        owner: Instance and runner, in a word.
        partition: Where jobs go; None leaves that to Slurm.
        options: Further options of sbatch.
    """

    owner: str
    partition: str | None = None
    options: Sequence[str] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _looked: float = -math.inf
    _seen: dict[UUID, list[QueuedJob]] = field(default_factory=dict)
    _failure: ExecutorUnavailableError | None = None

    def submit(self, attempt: UUID, directory: Path, most: Resources) -> None:
        """Submit the script of an attempt.

        Raises:
            RefusedError: Slurm will not have it.
            ExecutorUnavailableError: Nobody knows whether Slurm has it.
        """
        script = [str(directory / "script"), str(directory), str(KEPT)]
        _run("sbatch", *self._wishes(attempt, directory, most), *script)

    def look(self, *, age_s: float) -> Mapping[UUID, Sequence[QueuedJob]]:
        """List the jobs of this user; all threads share what one has seen.

        They share a failure as well: a controller that is away costs each question
        many seconds, which should not add up.

        Args:
            age_s: How old the list may be.
        """
        wanted = time.monotonic() - age_s
        with self._lock:
            if self._looked < wanted:
                self._looked, self._failure = time.monotonic(), None
                try:
                    self._seen = _listed()
                except ExecutorUnavailableError as error:
                    self._failure = error
            if self._failure is not None:
                raise ExecutorUnavailableError(str(self._failure))
            return self._seen

    def cancel(self, attempt: UUID) -> None:
        """Cancel all jobs of an attempt; none is fine."""
        try:
            _run("scancel", f"--name={_PREFIX}{attempt}", f"--user={os.geteuid()}")
        except RefusedError as error:
            raise ExecutorUnavailableError(f"scancel failed: {error}") from error

    def _wishes(self, attempt: UUID, directory: Path, most: Resources) -> list[str]:
        seconds = most.walltime_s + ALLOWANCE_S
        memory = max(most.memory_mib, OF_STEP.memory_mib) + _OVERHEAD_MIB
        wishes = [
            *self.options,
            "--parsable",
            f"--job-name={_PREFIX}{attempt}",
            f"--comment={self.owner}",
            "--nodes=1",
            "--ntasks=1",
            f"--cpus-per-task={math.ceil(most.cpu)}",
            f"--mem={memory}M",
            f"--time={math.ceil(seconds / 60)}",
            "--no-requeue",
            # All of nearly nothing, see _environ; NONE would log the user in on the
            # node for an environment that nobody needs.
            "--export=ALL",
            "--chdir=/",
            f"--output={directory / 'slurm.log'}",
            f"--error={directory / 'slurm.log'}",
        ]
        wishes += [f"--partition={self.partition}"] if self.partition else []
        return wishes + ([f"--gres=gpu:{most.gpu}"] if most.gpu else [])


def _listed() -> dict[UUID, list[QueuedJob]]:
    words = ("--noheader", "--states=all", f"--user={os.geteuid()}")
    try:
        text = _run("squeue", *words, f"--format={_FORMAT}")
    except RefusedError as error:
        raise ExecutorUnavailableError(f"squeue failed: {error}") from error
    found: dict[UUID, list[QueuedJob]] = {}
    for line in text.splitlines():
        name, _, rest = line.partition("|")
        parts = rest.split("|", 3)
        if not name.startswith(_PREFIX) or len(parts) != 4:  # noqa: PLR2004 - _FORMAT
            continue
        try:
            attempt = UUID(name.removeprefix(_PREFIX))
        except ValueError:
            continue  # somebody else's, of a similar name
        state, node, owner, reason = parts
        found.setdefault(attempt, []).append(
            QueuedJob(
                attempt=attempt, state=state, node=node, owner=owner, reason=reason
            )
        )
    return found


def _run(*command: str) -> str:
    """Run a command of Slurm.

    Raises:
        RefusedError: It says no.
        ExecutorUnavailableError: Slurm cannot be asked.
    """
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and arguments of our own
            command,
            env=_environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExecutorUnavailableError(f"{command[0]}: {error}") from error
    if done.returncode == 0:
        return done.stdout.decode(errors="replace")
    said = done.stderr.decode(errors="replace").strip()[-500:]
    if any(words in said.lower() for words in _AWAY):
        raise ExecutorUnavailableError(f"Slurm does not answer: {said}")
    raise RefusedError(said)


def _environ() -> dict[str, str]:
    """Give what the commands need, and nothing secret: jobs inherit it."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "LC_ALL": "C"}
