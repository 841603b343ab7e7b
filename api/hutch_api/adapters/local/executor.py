"""The executor of hutch's own programs: processes of this machine, one after the other.

They are no containers: what they read was written by others, and they are trusted
because they came with hutch. What they are bound by keeps accidents small, not a
program that means harm; so nothing else is ever executed here.

How far an attempt is lies in its directory and in the process table. With the runner,
however it ends, its processes end as well.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import UUID

from hutch.contract.wire.definitions import Mode, Resources
from hutch.contract.wire.runs import StepKind
from hutch_api.adapters.containment import KILLED, MIB, OF_STEP
from hutch_api.adapters.directories import listed
from hutch_api.adapters.local.places import Place
from hutch_api.adapters.local.processes import ATTEMPT, Process, end_all
from hutch_api.adapters.usage import size_of
from hutch_api.adapters.words import last_words
from hutch_api.domain import system
from hutch_api.ports.executor import (
    Claim,
    ExecutorUnavailableError,
    Job,
    Phase,
    Sight,
)

_KEEPER: Final = Path(__file__).with_name("keeper.py")
_FILES: Final = 256
_GONE: Final = "its process is gone, most likely with the runner that began it"
_SPARE_S: Final = 60
"""Processor time beyond what the clock allows: the runner ends it before that."""
_INHERITED: Final = ("PYTHONPATH", "SSL_CERT_DIR", "SSL_CERT_FILE")
"""Where code and certificates are; nothing else of the runner's is handed on."""
_FIXED: Final[Mapping[str, str]] = {
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONNOUSERSITE": "1",
    "PYTHONSAFEPATH": "1",  # the directory holds what others wrote
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class LocalExecutor:
    """An ``Executor`` of system definitions, by processes of the runner's user.

    Args:
        directory: Where attempts have their directories; this user's alone.
        instance: Installation that the runner belongs to.
        runner: Name of the runner; what bears it is this one's to remove.
        api_url: The API, as this machine reaches it.
    """

    name = system.EXECUTOR

    def __init__(
        self, directory: Path, *, instance: UUID, runner: str, api_url: str
    ) -> None:
        self._root = directory / f"{instance}-{runner}"
        self._api_url = api_url
        # The kernel ends a process with the thread that began it, so one that stays
        # begins them all.
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local")
        self._own: dict[Path, subprocess.Popen[bytes]] = {}
        """Processes to be reaped, by their notes; nothing else is known by them."""

    def proceed(self, job: Job, claim: Claim) -> Sight:
        """Begin a job, or see how far it is and begin the step that is next."""
        if (why := _refusal(job)) is not None:
            return Sight(step=StepKind.IN, phase=Phase.GONE, detail=why)
        place = self._place(job.attempt)
        with _answering():
            if not place.is_there():
                if job.has_begun:
                    return Sight(step=StepKind.MAIN, phase=Phase.GONE, detail=_GONE)
                place.make()
            for step in StepKind:
                if not place.has_begun(step):
                    if job.has_begun and step is not StepKind.OUT:
                        return Sight(step=step, phase=Phase.GONE, detail=_GONE)
                    return self._begin(job, step, place, claim)
                sight = self._see(place, step)
                if sight.phase is not Phase.ENDED or sight.exit_code != 0:
                    break
            if sight.phase is not Phase.RUNNING:
                place.take_back()
            return sight

    def log(self, job: Job, *, after: int, most: int) -> bytes:
        """Read what the program has written, from a byte on."""
        with _answering():
            return self._place(job.attempt).read_log(after=after, most=most)

    def used(self, job: Job) -> int:
        """Count what lies in the directories that the program writes."""
        path = self._place(job.attempt).path
        return sum(size_of(str(path / name)) for name in ("out", "work"))

    def end(self, job: UUID) -> None:
        """Kill all processes of an attempt, then remove its directory."""
        place = self._place(job)
        with _answering():
            end_all(job)
            for note in [n for n in list(self._own) if n.parent == place.path]:
                self._own.pop(note).wait()
            place.remove()

    def held(self) -> set[UUID]:
        """List the attempts of this runner that have a directory."""
        with _answering():
            return set(listed(self._root))

    def close(self) -> None:
        """Remove the directory of this runner, when no attempt has one."""
        self._spawner.shutdown()
        with suppress(OSError):
            self._root.rmdir()

    def _place(self, attempt: UUID) -> Place:
        return Place(self._root / str(attempt))

    def _begin(self, job: Job, step: StepKind, place: Place, claim: Claim) -> Sight:
        place.take_back()
        if step is not StepKind.MAIN:
            place.hand(step, claim(step))
            if step is StepKind.IN and job.mode is Mode.STREAMING:
                place.hand(StepKind.MAIN, claim(StepKind.MAIN))
        place.note_begun(step, None)
        command = self._command(job, step, place)
        began = self._spawner.submit(_spawn, job, step, place, command).result()
        self._own[place.path / f"exit-{step}"] = began
        keeper = Process.of(began.pid)
        if keeper is not None:
            place.note_begun(step, keeper)
        return Sight(step=step, phase=Phase.RUNNING, node=os.uname().nodename)

    def _command(self, job: Job, step: StepKind, place: Place) -> list[str]:
        if step is StepKind.MAIN:
            return [sys.executable, "-m", *job.argv]
        way = ["--api", self._api_url, "--store", self._api_url]
        return [
            *(sys.executable, "-m", "hutch.step", step),
            *(*way, "--root", str(place.path)),
        ]

    def _see(self, place: Place, step: StepKind) -> Sight:
        node = os.uname().nodename
        kept = self._own.get(place.path / f"exit-{step}")
        keeper = place.keeper(step)
        # In this order: it notes the end before it ends itself.
        runs = kept.poll() is None if kept else keeper and keeper.is_alive()
        code = place.exit_code(step)
        if code is None:
            if runs:
                return Sight(step=step, phase=Phase.RUNNING, node=node)
            return Sight(step=step, phase=Phase.GONE, detail=_GONE, node=node)
        said = place.end_of_log(step) if code else ""
        return Sight(
            step=step,
            phase=Phase.ENDED,
            exit_code=code,
            is_oom=code == KILLED,
            detail=last_words(said, plain=step is not StepKind.MAIN),
            node=node,
        )


def _refusal(job: Job) -> str | None:
    """Tell why a job is none for this executor; None if it is."""
    if job.image == system.IMAGE and len(job.argv) == 1:
        (module,) = job.argv
        if module in system.MODULES:
            return None
    return (
        "this runner executes nothing but hutch's own programs, as this version of "
        "hutch has them"
    )


def _spawn(
    job: Job, step: StepKind, place: Place, command: Sequence[str]
) -> subprocess.Popen[bytes]:
    """Begin a step; to be called by the thread that its processes end with."""
    note = place.path / f"exit-{step}"
    keeper = [sys.executable, "-I", "-S", str(_KEEPER), str(os.getpid()), str(note)]
    with place.log_of(step).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 -- our own programs, no shell
            [*keeper, json.dumps(limits_of(job, step)), *command],
            env=environ_of(job.attempt, step, place.path),
            cwd=place.path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # signals of a terminal are the runner's
        )


def environ_of(attempt: UUID, step: StepKind, root: Path) -> dict[str, str]:
    """Build the environment of a step from nothing."""
    home = root / ("work" if step is StepKind.MAIN else "claim")
    given = {name: os.environ[name] for name in _INHERITED if os.environ.get(name)}
    return {
        **_FIXED,
        **given,
        ATTEMPT: str(attempt),
        "HOME": str(home),
        "TMPDIR": str(home),
        "HUTCH_JOB": str(root / "run" / "job.json"),
        "HUTCH_OUT": str(root / "out"),
    }


def limits_of(job: Job, step: StepKind) -> dict[str, int]:
    """Say what the kernel holds a step to, by the names of the limits."""
    most: Resources = job.resources if step is StepKind.MAIN else OF_STEP
    limits = {
        # Not the address space: libraries reserve much more of it than they use.
        "RLIMIT_DATA": most.memory_mib * MIB,
        "RLIMIT_FSIZE": job.resources.scratch_mib * MIB,
        "RLIMIT_NOFILE": _FILES,
        "RLIMIT_CORE": 0,
    }
    if step is StepKind.MAIN:
        cores = max(1, math.ceil(most.cpu))
        limits["RLIMIT_CPU"] = most.walltime_s * cores + _SPARE_S
    return limits


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExecutorUnavailableError(
            f"the directory of the runner failed: {error}"
        ) from error
