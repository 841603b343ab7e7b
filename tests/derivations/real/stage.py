"""A whole hutch whose runs are executed in real containers.

The API, its worker and SeaweedFS are those of ``hutch-api up``; the runner is the
process that a facility starts, and Podman's own service drives the containers.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import docker
from sqlmodel import col, select

from hutch import Client, connect, make_workdir
from hutch.contract.wire.accounts import Role, Scope
from hutch.contract.wire.datasets import DatasetIn, State
from hutch.contract.wire.definitions import DefinitionIn, InputType, Mode, Resources
from hutch.contract.wire.runs import ENDED, RunOut, RunState
from hutch.sync.pushing import push
from hutch_api.domain.access import Actor
from hutch_api.embedded.directory import environ_of
from hutch_api.services.leases import Lease
from hutch_api.services.work import Site
from hutch_api.store.run_tables import Attempt, Run
from hutch_api.store.tables import Dataset
from tests.e2e.stage import Server, write
from tests.facility.installation import plain_environ, running
from tests.servers import wait_until
from tests.services.world import World

PATIENCE_S: Final = 500
"""For one run; the machine may be busy with others."""
GONE_S: Final = 60
"""Until nothing is left of a run that has ended."""
SMALL: Final = Resources(cpu=1, memory_mib=128, scratch_mib=16, walltime_s=120)
RUNNER: Final = "bench"
SLOTS: Final = 4


@dataclass
class Containers:
    """What Podman shows of the containers of an installation."""

    url: str
    instance: UUID

    @cached_property
    def api(self) -> docker.APIClient:
        """A connection of the test's own."""
        return docker.APIClient(self.url, version="auto", timeout=120)

    def listed(self, **labels: str) -> list[dict[str, Any]]:
        """List the containers with these labels of the installation."""
        found: list[dict[str, Any]] = self.api.containers(
            all=True, filters={"label": self._labels(labels)}
        )
        return found

    def left(self, **labels: str) -> list[str]:
        """Name the containers, volumes and networks with these labels."""
        found = [one["Names"][0].removeprefix("/") for one in self.listed(**labels)]
        return sorted(found + [one["Name"] for one in self._others(labels)])

    def attempts(self) -> set[str]:
        """Name the attempts that something is left of."""
        labels = [one["Labels"] for one in (*self.listed(), *self._others({}))]
        return {one["hutch.attempt"] for one in labels if "hutch.attempt" in one}

    def _others(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        wanted = self._labels(labels)
        volumes = self.api.volumes(filters={"label": wanted})["Volumes"] or []
        networks = self.api.networks(filters={"label": wanted})
        # Podman gives volumes with any of the labels.
        pairs = [tuple(text.split("=")) for text in wanted]
        return [
            one
            for one in (*volumes, *networks)
            if all((one["Labels"] or {}).get(name) == text for name, text in pairs)
        ]

    def state(self, attempt: UUID, step: str) -> str | None:
        """Tell how far a step is; None if it has no container."""
        found = self.listed(attempt=str(attempt), step=step)
        return found[0]["State"] if found else None

    def _labels(self, labels: Mapping[str, str]) -> list[str]:
        wanted = {"instance": str(self.instance), **labels}
        return [f"hutch.{name}={value}" for name, value in wanted.items()]


@dataclass
class Person:
    """Somebody who runs definitions, with a token of their own for it."""

    actor: Actor
    client: Client
    token: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended, and what its program wrote."""

    run: RunOut
    log: bytes

    @property
    def end(self) -> tuple[str, str | None]:
        """State and reason."""
        reason = self.run.reason
        return self.run.state.value, None if reason is None else reason.value

    @property
    def report(self) -> dict[str, Any]:
        """What the program found."""
        return reported(self.log)


def reported(log: bytes) -> dict[str, Any]:
    """Find the one line of JSON that a program of the tests reports with."""
    lines = [line for line in log.splitlines() if line.startswith(b"report ")]
    assert lines, log[-2_000:]
    found: dict[str, Any] = json.loads(lines[-1].removeprefix(b"report "))
    return found


@dataclass
class Stage:
    """A running hutch with a runner, and short ways to what tests do on it.

    Attributes:
        server: API, worker and store.
        engine: Address of Podman's service.
        images: Ids by name: ``step`` and ``probe``.
        log: What the runner says.
    """

    server: Server
    engine: str
    images: Mapping[str, str]
    log: Path
    world: World = field(init=False)
    containers: Containers = field(init=False)
    definitions: dict[tuple[Any, ...], str] = field(default_factory=dict)
    clients: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.world = World(self.server.site)
        self.containers = Containers(self.engine, self.site.instance)
        self.clients.callback(self.containers.api.close)
        self.keeper = self.person("keeper", role=Role.APPROVER)
        self.keeper.client.images.approve(self.images["probe"])

    @property
    def site(self) -> Site:
        """The same installation, opened in the test's process."""
        return self.server.site

    def person(self, name: str = "p", *, role: Role = Role.USER) -> Person:
        """Add somebody, logged in."""
        actor = self.world.user(f"{name}-{uuid4().hex[:8]}", role)
        made = self.world.token(actor, *Scope)
        client = self.clients.enter_context(connect(self.server.url, token=made.token))
        return Person(actor, client, made.info.id)

    def program(
        self,
        *argv: str,
        resources: Resources = SMALL,
        retries: int = 2,
        mode: Mode = Mode.STAGED,
    ) -> str:
        """Define a program of the probe image; give the definition's name."""
        key = (argv, resources, retries, mode)
        if key not in self.definitions:
            name = f"{argv[0]}-{uuid4().hex[:8]}"
            script, *words = argv
            self.keeper.client.definitions.add(
                DefinitionIn(
                    name=name,
                    image=self.images["probe"],
                    argv=("python3", f"/opt/probe/{script}.py", *words),
                    inputs={"scan": InputType()},
                    resources=resources,
                    retries=retries,
                    mode=mode,
                )
            )
            self.definitions[key] = name
        return self.definitions[key]

    def closed(
        self,
        person: Person,
        directory: Path,
        files: Mapping[str, bytes | str],
        **about: Any,
    ) -> UUID:
        """Make a closed dataset that holds these files."""
        root = directory / uuid4().hex[:8]
        root.mkdir()
        write(root, files)
        wanted = DatasetIn(**{"name": f"d-{root.name}", **about})
        made = person.client.datasets.create(wanted)
        report = push(
            make_workdir(root, dataset=made.id, server=person.client.url), person.client
        )
        assert not report.problems
        person.client.datasets.close(made.id)
        return made.id

    def start(self, person: Person, scan: UUID, *argv: str, **how: Any) -> RunOut:
        """Run a program of the probe image."""
        definition = self.program(*argv, **how)
        name = f"r-{uuid4().hex[:8]}"
        return person.client.run(definition, name=name, inputs={"scan": scan})

    def wait(self, person: Person, run: RunOut) -> Ended:
        """Wait until a run has ended, and read what its program wrote."""
        ended = person.client.runs.wait(run.id, timeout_s=PATIENCE_S)
        return Ended(run=ended, log=b"".join(person.client.runs.read_log(run.id)))

    def run(self, person: Person, scan: UUID, *argv: str, **how: Any) -> Ended:
        """Run a program of the probe image to its end."""
        return self.wait(person, self.start(person, scan, *argv, **how))

    def row(self, run: UUID) -> Run:
        """Read a run as it is recorded, whoever may see it."""
        with self.site.look() as work:
            return work.session.get_one(Run, run)

    def until_ended(self, run: UUID) -> Run:
        """Wait until a run has ended, whoever may see it."""
        wait_until(
            lambda: self.row(run).state in ENDED,
            seconds=PATIENCE_S,
            what=f"the end of run {run}",
        )
        return self.row(run)

    def require_no_output(self, run: UUID) -> None:
        """See that what a run has left became no dataset, and is removed."""
        with self.site.look() as work:
            query = select(Attempt.id, Attempt.dataset_id).where(Attempt.run_id == run)
            made = dict(work.session.exec(query).all())
        assert self.row(run).dataset_id is None
        assert made
        for attempt, child in made.items():
            wait_until(
                partial(self._is_cleared, attempt, child),
                seconds=GONE_S,
                what=f"the deletion of what run {run} has left",
            )
            assert not list(self.site.objects.versions(f"d/{child}/"))

    def _is_cleared(self, attempt: UUID, child: UUID | None) -> bool:
        with self.site.look() as work:
            if not work.session.get_one(Attempt, attempt).cleared:
                return False
            return work.session.get_one(Dataset, child).state is State.DELETED

    def attempt(self, run: UUID) -> UUID:
        """Give the attempt that a run is in, or was in last."""
        with self.site.look() as work:
            return work.session.exec(
                select(Attempt.id)
                .where(Attempt.run_id == run)
                .order_by(col(Attempt.number).desc())
            ).first() or UUID(int=0)

    def lease(self, run: UUID) -> Lease:
        """Take the lease of a run, as its runner has it."""
        row = self.row(run)
        assert row.attempt_id is not None
        assert row.holder is not None
        return Lease(run=run, attempt=row.attempt_id, holder=row.holder)

    def until_running(self, run: UUID) -> UUID:
        """Wait until the program of a run runs; give its attempt."""
        wait_until(
            lambda: self.containers.state(self.attempt(run), "main") == "running",
            seconds=PATIENCE_S,
            what=f"the program of run {run}",
        )
        return self.attempt(run)

    def until_said(self, person: Person, run: UUID, word: bytes) -> None:
        """Wait until the program of a run has written something."""
        wait_until(
            lambda: word in b"".join(person.client.runs.read_log(run)),
            seconds=PATIENCE_S,
            what=f"{word!r} in the log of run {run}",
        )

    def gone_after(self, attempt: UUID, *, step: str | None = None) -> float:
        """Wait until nothing is left of an attempt; tell how long that took."""
        began = time.monotonic()
        labels = {"attempt": str(attempt)} | ({"step": step} if step else {})
        wait_until(
            lambda: not self.containers.left(**labels),
            seconds=GONE_S,
            what=f"the end of all that attempt {attempt} has",
        )
        return time.monotonic() - began

    def live(self) -> set[str]:
        """Name the attempts that go on."""
        with self.site.look() as work:
            rows = work.session.exec(
                select(Run.attempt_id).where(
                    col(Run.state).in_([s for s in RunState if s not in ENDED])
                )
            ).all()
        return {str(row) for row in rows if row is not None}

    def require_tidy(self) -> None:
        """See that nothing is left but of runs that go on, and the door."""

        def is_tidy() -> bool:
            left = self.containers.attempts()  # first: one may begin just now
            return not left - self.live()

        wait_until(is_tidy, seconds=GONE_S, what="tidiness")


def processes_with(word: str) -> list[str]:
    """List the processes of this machine that have a word in their command line."""
    found = []
    for place in Path("/proc").iterdir():
        try:
            if (
                place.name.isdecimal()
                and word.encode() in (place / "cmdline").read_bytes()
            ):
                found.append(place.name)
        except OSError:
            continue  # it has just ended
    return found


@contextmanager
def runner(server: Server, engine: str, step: str, log: Path) -> Iterator[None]:
    """Run ``hutch-api runner`` for a server until the end of the block."""
    environ = environ_of(server.directory, plain_environ(server.directory)) | {
        "HUTCH_RUNNER_ENGINE": engine,
        "HUTCH_RUNNER_NAME": RUNNER,
        "HUTCH_RUNNER_SLOTS": str(SLOTS),
        "HUTCH_RUNNER_PAUSE_S": "0.2",
        "HUTCH_RUNNER_STEP_IMAGE": step,
    }
    with running("runner", environ, log):
        wait_until(lambda: b"at work" in log.read_bytes(), what="the runner")
        yield
