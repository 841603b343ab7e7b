"""The executor that drives a container engine."""

import json
import os
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from hutch.contract.steps import Step, reached
from hutch.contract.wire.definitions import Mode
from hutch.contract.wire.runs import StepKind
from hutch_api.adapters import containment
from hutch_api.adapters.containment import (
    ATTEMPT,
    CLAIM,
    GATE,
    INSTANCE,
    KILLED,
    PROGRAM_CLAIM,
    RUNNER,
    SECCOMP,
    STEP,
    VOLUMES,
    Container,
    name_of,
)
from hutch_api.adapters.engine import containers
from hutch_api.adapters.engine.reading import Reading
from hutch_api.adapters.usage import size_of
from hutch_api.ports.executor import (
    Claim,
    ExecutorUnavailableError,
    Job,
    Phase,
    Sight,
)

TIMEOUT_S: Final = 60
_UNBEGUN: Final = frozenset({"created", "configured", "initialized"})
_DOOR_S: Final = 30
_OPEN: Final = b': "open"'
"""What a door or gate says when it listens."""
_FAILURES: Final = (
    DockerException,
    RequestException,
    HTTPError,
    OSError,
    struct.error,
)
"""The last one is how docker's library takes an answer that breaks off."""
_NEVER: Final = "0001-"
"""How the engine writes a time that has not come."""


class ContainerEngine:
    """An ``Executor`` on one machine, by Docker or Podman.

    Args:
        url: Socket of the engine.
        instance: Installation that the runner belongs to.
        runner: Name of the runner; what bears it is this one's to remove.
        step_image: hutch's client image.
        api_url: The API, as this machine reaches it.
        store_url: The store, likewise, as URLs are signed for containers.
    """

    name = "engine"

    def __init__(
        self,
        url: str,
        *,
        instance: UUID,
        runner: str,
        step_image: str,
        api_url: str,
        store_url: str,
    ) -> None:
        self._url = url
        self._local = threading.local()
        self._version, self._profile = "auto", ""
        self._door_lock = threading.Lock()
        self._labels = {INSTANCE: str(instance), RUNNER: runner}
        self._image = step_image
        self._door = f"hutch-door-{str(instance)[:8]}-{runner}"
        self._addresses = ["--api", api_url, "--store", store_url]

    def proceed(self, job: Job, claim: Claim) -> Sight:
        """Begin a job, or see how far it is and begin the step that is next."""
        with _answering():
            steps = list(StepKind)
            seen = {step: self._inspect(name_of(job.attempt, step)) for step in steps}
            for step in steps:
                state = seen[step]
                if state is None or state["Status"] in _UNBEGUN:
                    later = any(seen[one] for one in steps[steps.index(step) + 1 :])
                    if later or (job.has_begun and step is not StepKind.OUT):
                        return Sight(step=step, phase=Phase.GONE)
                    return self._begin(job, step, claim)
                sight = self._see(job.attempt, step, state)
                if sight.phase is not Phase.ENDED or sight.exit_code != 0:
                    return sight
            return sight

    def log(self, job: Job, *, after: int, most: int) -> bytes:
        """Read what the program has written, from a byte on."""
        name = name_of(job.attempt, StepKind.MAIN)
        # Of this thread, as the connection is that it comes over.
        reading: Reading | None = self._local.__dict__.pop("reading", None)
        with _answering():
            if reading is None or not reading.reaches(name, after):
                try:
                    pieces = self._api.logs(name, stream=True, follow=False)
                except NotFound:
                    return b""
                reading = Reading(name, iter(pieces))
            found = reading.take(after, most)
            if len(found) < most:
                # What an engine sent that died looks like the end of the log.
                self._api.ping()
                return found
        self._local.reading = reading
        return found

    def used(self, job: Job) -> int:
        """Count what lies in the volumes, if this process may look there."""
        with _answering():
            places = [
                self._api.inspect_volume(name_of(job.attempt, volume))["Mountpoint"]
                for volume in ("out", "work")
            ]
        return sum(map(size_of, places))

    def end(self, job: UUID) -> None:
        """Kill and remove all containers of an attempt, then its volumes."""
        of_it = {"label": f"{ATTEMPT}={job}"}
        with _answering():
            found = self._api.containers(all=True, filters=of_it)
            # A gate goes last: others share its loopback.
            for one in sorted(found, key=lambda c: c["Labels"].get(STEP) == GATE):
                self._remove(one["Id"])
            for volume in self._api.volumes(filters=of_it)["Volumes"] or ():
                with _absent_is_fine():
                    self._api.remove_volume(volume["Name"], force=True)
        reached(Step.JOB_REMOVED)

    def held(self) -> set[UUID]:
        """List the attempts of this runner that have containers or volumes."""
        mine = {"label": f"{INSTANCE}={self._labels[INSTANCE]}"}
        with _answering():
            held = self._api.containers(all=True, filters=mine)
            held += self._api.volumes(filters=mine)["Volumes"] or ()
        # Podman gives volumes with any of several labels: all are looked at here.
        labels = [one["Labels"] or {} for one in held]
        own = [found for found in labels if self._labels.items() <= found.items()]
        return {UUID(found[ATTEMPT]) for found in own if ATTEMPT in found}

    def close(self) -> None:
        """Shut the door, when no attempt is left that needs it."""
        with _answering():
            self._remove(self._door)
            with _absent_is_fine():
                self._api.remove_volume(self._door, force=True)

    @property
    def _client(self) -> docker.DockerClient:
        """A client of this thread: they keep connections that no two may use."""
        if not hasattr(self._local, "client"):
            self._local.client = docker.DockerClient(
                self._url, version=self._version, timeout=TIMEOUT_S
            )
            # Podman takes long to tell it: it is asked once.
            self._version = self._local.client.api.api_version
        client: docker.DockerClient = self._local.client
        return client

    @property
    def _api(self) -> docker.APIClient:
        return self._client.api

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = self._api.inspect_container(name)["State"]
        except NotFound:
            return None
        return state

    def _begin(self, job: Job, step: StepKind, claim: Claim) -> Sight:
        """Make the container of a step and start it.

        One that was made and not started is made anew: its claim code may be lost.
        """
        name, streams = name_of(job.attempt, step), job.mode is Mode.STREAMING
        self._remove(name)
        labels = {**self._labels, ATTEMPT: str(job.attempt), STEP: step.value}
        if step is StepKind.IN:
            for volume in VOLUMES:
                self._client.volumes.create(name_of(job.attempt, volume), labels=labels)
        try:
            if step is StepKind.MAIN:
                gate = self._open_gate(job, labels) if streams else ""
                how = containment.for_program(job, gate=gate)
            else:
                self._open_door()
                how = containment.for_step(job.attempt, step, **self._ways())
            container = self._create(name, labels, how)
            if step is not StepKind.MAIN:
                codes = {CLAIM: claim(step).encode()}
                if streams and step is StepKind.IN:
                    codes[PROGRAM_CLAIM] = claim(StepKind.MAIN).encode()
                container.put_archive(VOLUMES[CLAIM], containment.archive(codes))
            reached(Step.STEP_MADE)
            container.start()
        except APIError as error:  # the engine answers, and will not
            return Sight(step=step, phase=Phase.GONE, detail=_said(error))
        reached(Step.STEP_BEGUN)
        return Sight(step=step, phase=Phase.RUNNING, node=os.uname().nodename)

    def _create(self, name: str, labels: Mapping[str, str], how: Container) -> Any:
        """Make a container; its image is fetched if it is not here."""
        made = containers.options(how, seccomp=self._seccomp())
        told = {"name": name, "labels": labels, **made}
        try:
            return self._client.containers.create(**told)
        except ImageNotFound:
            if "@" not in how.image:
                raise
            self._client.images.pull(how.image)
            return self._client.containers.create(**told)

    def _seccomp(self) -> str:
        """Give the profile of system calls: Podman wants its path, Docker its text."""
        if not self._profile:
            parts = self._api.version().get("Components") or ()
            is_podman = any(part["Name"] == "Podman Engine" for part in parts)
            text = SECCOMP.read_text(encoding="utf-8")
            self._profile = str(SECCOMP) if is_podman else text
        return self._profile

    def _see(self, attempt: UUID, step: StepKind, state: dict[str, Any]) -> Sight:
        node = os.uname().nodename
        if state["Running"] or state["Status"] == "running":
            return Sight(step=step, phase=Phase.RUNNING, node=node)
        # A machine that went down leaves containers that have no end, and code 0.
        if str(state.get("FinishedAt", "")).startswith(_NEVER):
            return Sight(step=step, phase=Phase.GONE, node=node)
        code = int(state["ExitCode"])
        return Sight(
            step=step,
            phase=Phase.ENDED,
            exit_code=code,
            is_oom=bool(state.get("OOMKilled")) or code == KILLED,
            detail="" if code == 0 else self._last_words(attempt, step),
            node=node,
        )

    def _last_words(self, attempt: UUID, step: StepKind) -> str:
        """Read what one of hutch's own steps said of its failure."""
        if step is StepKind.MAIN:
            return ""
        lines = self._api.logs(name_of(attempt, step), tail=1).splitlines()
        try:
            return str(json.loads(lines[-1])["detail"])
        except (IndexError, KeyError, TypeError, ValueError):
            return b"".join(lines).decode(errors="replace")[:500]

    def _ways(self) -> dict[str, Any]:
        """Say by what the containers of hutch reach API and store."""
        return {
            "image": self._image,
            "door": self._door,
            "addresses": self._addresses,
        }

    def _open_gate(self, job: Job, labels: Mapping[str, str]) -> str:
        """Make the container whose loopback a program shares; gives its name."""
        self._open_door()
        name = name_of(job.attempt, GATE)
        self._remove(name)
        how = containment.for_gate(**self._ways())
        self._create(name, {**labels, STEP: GATE}, how).start()
        self._wait_open(name)
        return name

    def _open_door(self) -> None:
        """See that the door is there, and open."""
        with self._door_lock:
            state = self._inspect(self._door)
            if state is not None and state["Running"]:
                return
            self._remove(self._door)
            self._client.volumes.create(self._door, labels=self._labels)
            how = containment.for_door(**self._ways())
            self._create(self._door, self._labels, how).start()
            self._wait_open(self._door)

    def _wait_open(self, name: str) -> None:
        """Wait until a door or gate says that it listens.

        Raises:
            ExecutorUnavailableError: It ended, or takes too long.
        """
        deadline = time.monotonic() + _DOOR_S
        while _OPEN not in self._api.logs(name, tail=1):
            state = self._inspect(name)
            if state is None or not state["Running"]:
                raise ExecutorUnavailableError(f"the container {name} ended")
            if time.monotonic() > deadline:
                raise ExecutorUnavailableError(f"the container {name} does not listen")
            time.sleep(0.05)

    def _remove(self, container: str) -> None:
        with _absent_is_fine():
            self._api.remove_container(container, force=True, v=True)


def open_engine(url: str, **more: Any) -> ContainerEngine:
    """Open an engine, and see that it answers.

    Raises:
        ExecutorUnavailableError: It does not.
    """
    engine = ContainerEngine(url, **more)
    engine.held()
    return engine


@contextmanager
def _answering() -> Iterator[None]:
    """Turn the failures of engine and connection into one."""
    try:
        yield
    except _FAILURES as error:
        raise ExecutorUnavailableError(
            f"the container engine failed: {_said(error)}"
        ) from error


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    try:
        yield
    except NotFound:
        pass
    except APIError as error:
        # Podman: somebody removes it at this moment, or it is still being stopped.
        if "removal" not in str(error).lower() and "no such" not in str(error).lower():
            raise


def _said(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)[:500]
