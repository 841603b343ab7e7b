"""The executor that submits jobs to Slurm.

What it knows lies in the directories of the attempts and in Slurm's queue, so that
a runner that was killed takes up where it was.
"""

import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from hutch.contract.wire.runs import StepKind
from hutch_api.adapters.containment import INSTANCE, KILLED, RUNNER
from hutch_api.adapters.directories import listed
from hutch_api.adapters.slurm.batch import Surroundings, files_of
from hutch_api.adapters.slurm.places import Findings, Place
from hutch_api.adapters.slurm.queue import Queue, QueuedJob, RefusedError
from hutch_api.ports.executor import (
    Claim,
    ExecutorUnavailableError,
    Job,
    Phase,
    Sight,
)

LOOK_S: Final = 2.0
"""How old may be what is known of the queue: results come by the files of the job, so
that only a job which waits or is lost is seen later by it."""
FIND_S: Final = 1.0
"""How old may be what is known of a job's files: a server that has them for hundreds of
jobs is not to be asked as often as this executor is."""
GRACE_S: Final = 10.0
"""How long results may take to be seen after Slurm says that a job has ended."""
_ENDS_BY_ITSELF_S: Final = 15
_ENDS_S: Final = 40
"""Longer than Slurm mostly takes from SIGTERM to SIGKILL, and the epilog after that;
both together are less than a lease, which nobody renews meanwhile."""
_POLL_S: Final = 0.5
_SUBMITTING, _SUBMITTED = "submitting", "submitted"
_COMMANDS: Final = ("sbatch", "squeue", "scancel")
_NEVER: Final = (-math.inf, Sight(step=StepKind.IN, phase=Phase.WAITING), 0)


class SlurmExecutor:
    """An ``Executor`` on a cluster, by Slurm, with Podman on the nodes.

    Args:
        directory: Shared with all nodes under the same path.
        instance: Installation that the runner belongs to.
        runner: Name of the runner; what bears it is this one's to remove.
        step_image: hutch's client image.
        api_url: The API, as the nodes reach it.
        store_url: The store, likewise, as URLs are signed for containers.
        partition: Where jobs go; None leaves that to Slurm.
        options: Further options of sbatch.
    """

    name = "slurm"

    def __init__(
        self,
        directory: Path,
        *,
        instance: UUID,
        runner: str,
        step_image: str,
        api_url: str,
        store_url: str,
        partition: str | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self._shared = directory
        self._root = directory / f"{instance}-{runner}"
        self._owner = f"hutch/{instance}/{runner}"
        self._queue = Queue(self._owner, partition, options)
        self._around = Surroundings(
            labels={INSTANCE: str(instance), RUNNER: runner},
            step_image=step_image,
            addresses=["--api", api_url, "--store", store_url],
        )
        self._ended_since: dict[UUID, float] = {}
        self._last: dict[UUID, tuple[float, Sight, int]] = {}

    def proceed(self, job: Job, claim: Claim) -> Sight:
        """Submit a job, or see how far it is; it goes from step to step by itself."""
        place = self._place(job.attempt)
        seen_at, sight, _ = self._last.get(job.attempt, _NEVER)
        if time.monotonic() - seen_at < FIND_S:
            return sight
        with self._answering():
            if not place.is_there():
                if self._live(job.attempt, age_s=0):
                    return Sight(
                        step=StepKind.IN,
                        phase=Phase.GONE,
                        detail="the directory of its job is gone",
                    )
                place.make(files_of(job, claim, self._around, place.path))
            if not place.has(_SUBMITTED):
                try:
                    self._submit(job, place)
                except RefusedError as refusal:
                    return Sight(
                        step=StepKind.IN,
                        phase=Phase.GONE,
                        detail=f"sbatch: {refusal}",
                    )
            return self._see(job.attempt, place)

    def log(self, job: Job, *, after: int, most: int) -> bytes:
        """Read what the program has written, from a byte on."""
        with self._answering():
            return self._place(job.attempt).log(after=after, most=most)

    def used(self, job: Job) -> int:
        """Tell what the job last counted; it does so every few seconds."""
        return self._last.get(job.attempt, _NEVER)[2]

    def end(self, job: UUID) -> None:
        """Have Slurm end the job of an attempt, and remove its directory.

        The job removes its containers, and so does the epilog of its node. A node that
        does not answer is not waited for: a job that it goes on with finds its
        directory gone, and ends itself.
        """
        place = self._place(job)
        with self._answering():
            if self._live(job, age_s=0):
                if place.find().verdict() is not None:
                    self._wait_for_end(job, _ENDS_BY_ITSELF_S)
                if self._live(job, age_s=_POLL_S):
                    self._queue.cancel(job)
                    self._wait_for_end(job, _ENDS_S)
            place.remove()
        self._ended_since.pop(job, None)
        self._last.pop(job, None)

    def held(self) -> set[UUID]:
        """List the attempts of this runner that have a job or a directory."""
        with self._answering():
            seen = self._queue.look(age_s=LOOK_S)
            mine = {
                attempt
                for attempt, jobs in seen.items()
                if any(job.is_live and job.owner == self._owner for job in jobs)
            }
            return mine | set(listed(self._root))

    def close(self) -> None:
        """Remove the directory of this runner, when no attempt has one."""
        with suppress(OSError):
            self._root.rmdir()

    def _place(self, attempt: UUID) -> Place:
        return Place(self._root / str(attempt))

    def _submit(self, job: Job, place: Place) -> None:
        """Submit a job, once: it is noted before and after.

        Where only the first note is there, a process died in between, or Slurm did not
        answer. Then the queue tells. If a job that it does not show is there after all,
        the one of the two that begins later does nothing.
        """
        if place.has(_SUBMITTING):
            known = self._queue.look(age_s=0).get(job.attempt)
            if known or place.find().has_begun:
                place.note(_SUBMITTED)
                return
        place.note(_SUBMITTING)
        self._queue.submit(job.attempt, place.path, job.resources)
        place.note(_SUBMITTED)

    def _see(self, attempt: UUID, place: Place) -> Sight:
        findings = place.find()
        if (verdict := findings.verdict()) is not None:
            return verdict
        jobs = self._queue.look(age_s=LOOK_S).get(attempt, ())
        if live := [job for job in jobs if job.is_live]:
            self._ended_since.pop(attempt, None)
            sight = _going_on(findings, live)
        else:
            sight = self._see_ended(attempt, findings, jobs)
        self._last[attempt] = time.monotonic(), sight, findings.used
        return sight

    def _see_ended(
        self, attempt: UUID, findings: Findings, jobs: Sequence[QueuedJob]
    ) -> Sight:
        """Wait for results that are on their way; then it ended without any."""
        since = self._ended_since.setdefault(attempt, time.monotonic())
        if time.monotonic() - since < GRACE_S:
            return _going_on(findings, jobs)
        states = ", ".join(sorted({job.state for job in jobs}))
        if "OUT_OF_MEMORY" in states:
            return Sight(
                step=findings.step,
                phase=Phase.ENDED,
                exit_code=KILLED,
                is_oom=True,
                detail="Slurm ended it for its memory",
                node=findings.node,
            )
        said = f"Slurm says {states} of it" if states else "Slurm does not know it"
        return Sight(
            step=findings.step,
            phase=Phase.GONE,
            detail=f"its job ended without a result: {said}",
            node=findings.node,
        )

    def _live(self, attempt: UUID, *, age_s: float) -> bool:
        jobs = self._queue.look(age_s=age_s).get(attempt, ())
        return any(job.is_live for job in jobs)

    def _wait_for_end(self, attempt: UUID, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._live(attempt, age_s=_POLL_S) and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """See that the shared directory is there, and say so if it is not.

        Without it nothing could be told from an attempt that has not begun.
        """
        try:
            if not self._shared.is_dir():
                raise ExecutorUnavailableError(
                    f"the directory that is shared with the nodes is not there: "
                    f"{self._shared}"
                )
            yield
        except OSError as error:
            raise ExecutorUnavailableError(
                f"the directory that is shared with the nodes failed: {error}"
            ) from error


def open_slurm(directory: Path, **more: Any) -> SlurmExecutor:
    """Open the executor, and see that Slurm answers.

    Raises:
        ExecutorUnavailableError: It does not, or is not installed.
    """
    absent = [command for command in _COMMANDS if shutil.which(command) is None]
    if absent:
        raise ExecutorUnavailableError(
            f"{', '.join(absent)}: not found; a runner for Slurm needs its commands "
            "(apt install slurm-client) and the configuration of the cluster"
        )
    executor = SlurmExecutor(directory, **more)
    executor.held()
    return executor


def _going_on(findings: Findings, jobs: Sequence[QueuedJob]) -> Sight:
    if findings.has_begun or any(not job.is_waiting for job in jobs):
        node = findings.node or next((job.node for job in jobs if job.node), "")
        return Sight(step=findings.step, phase=Phase.RUNNING, node=node)
    why = next((job.reason for job in jobs), "submitted")
    return Sight(
        step=StepKind.IN,
        phase=Phase.WAITING,
        detail=f"Slurm has it in its queue: {why}",
    )
