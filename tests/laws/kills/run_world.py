"""A whole hutch that executes runs: runners and engine may be killed as well."""

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from docker.errors import APIError, NotFound
from sqlmodel import col, select

from hutch.contract.wire.accounts import Role
from hutch.contract.wire.definitions import DefinitionIn, ImageIn, InputType, Resources
from hutch.contract.wire.runs import ENDED, Reason, RunIn, RunState
from hutch_api.adapters.containment import name_of
from hutch_api.domain.access import Actor
from hutch_api.services import images, runs
from hutch_api.services.leases import LEASE
from hutch_api.services.work import Site
from hutch_api.store.run_tables import Attempt, Run
from tests.derivations.real.stage import Containers
from tests.laws.kills.outcome import require_one_outcome
from tests.laws.kills.runs import LINES
from tests.laws.kills.world import World
from tests.servers import tied, wait_until
from tests.services.world import World as People
from tests.steps import Hold
from tests.zygote import Process

PATIENCE_S: Final = 120.0
"""For one attempt; the machine may be busy with others."""
_COPY: Final = (
    "import json, shutil; job = json.load(open('/run/hutch/job.json')); "
    "scan, out = job['inputs']['scan']['path'], job['output']['path']; "
    "shutil.copytree(scan, out, dirs_exist_ok=True); print('copied')"
)
COPY: Final = ("python3", "-c", _COPY)
TALK: Final = ("python3", "-c", f"print(*range({LINES}), sep='\\n'); {_COPY}")
FAIL: Final = ("python3", "-c", "print('it fails'); raise SystemExit(7)")
_LITTLE: Final = Resources(cpu=1, memory_mib=128, scratch_mib=16, walltime_s=600)
MOMENT: Final = timedelta(seconds=30)
"""Beyond a limit, so that the clock is surely past it."""
_OTHER_IMAGE: Final = f"sha256:{'2' * 64}"
"""An image whose approval comes and goes."""


@dataclass(slots=True)
class Engine:
    """Podman's service, which may be killed: containers go on without it."""

    directory: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"unix://{self.directory / 'podman.sock'}"

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers."""
        if self._process is not None:
            return
        with (self.directory / "podman.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- a program of this machine
                tied(["podman", "system", "service", "--time=0", self.url]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._answers, seconds=PATIENCE_S, what="Podman's service")

    def kill(self) -> None:
        """Kill it; it is gone when this returns."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.url.removeprefix("unix://")) == 0


@dataclass
class RunWorld:
    """An installation with runners and an engine.

    Attributes:
        world: Client, API, worker and store.
        engine: What runs the containers.
        images: Ids by name: ``step`` and ``probe``.
        scan: A closed dataset, the input of all runs.
        name: Of the runner that executes the runs.
        left_by: Of the one whose place it has taken.
        runners: Those that run, by name.
    """

    world: World
    engine: Engine
    images: Mapping[str, str]
    name: str = "r0"
    left_by: str = ""
    runners: dict[str, Process] = field(default_factory=dict)
    scan: UUID = field(init=False)
    keeper: Actor = field(init=False)
    user: Actor = field(init=False)
    containers: Containers = field(init=False)

    def __post_init__(self) -> None:
        world = self.world
        people = People(world.site)
        self.keeper = people.user("keeper", Role.APPROVER)
        self.user = people.actor(world.log_in())
        self.containers = Containers(self.engine.url, world.site.instance)
        root = world.pushed(files=2)
        world.must("close", where=root)
        self.scan = world.id_of(root)
        self._define("copy", self.images["probe"], COPY)
        self._define("talk", self.images["probe"], TALK)
        self._define("fail", self.images["probe"], FAIL)
        self._define("other", _OTHER_IMAGE, COPY)

    @property
    def site(self) -> Site:
        """The installation, opened in the test's process."""
        return self.world.site

    # Processes -----------------------------------------------------------------

    def start(self, name: str = "") -> None:
        """Start a runner, and wait until it does its work."""
        name = name or self.name
        begun = _begun(self.log_of(name))
        process = self.spawn(name)
        self.runners[name] = process
        self.world.until(
            lambda: process.has_ended() or _begun(self.log_of(name)) > begun,
            f"runner {name}",
        )
        assert not process.has_ended(), process.text()

    def spawn(self, name: str, *words: str) -> Process:
        """Start a runner."""
        return self.world.zygote.start(
            "hutch-api",
            "runner",
            *words,
            environ={
                **self.world.environ,
                "HUTCH_RUNNER_ENGINE": self.engine.url,
                "HUTCH_RUNNER_NAME": name,
                "HUTCH_RUNNER_PAUSE_S": "0.1",
                "HUTCH_RUNNER_SLOTS": "1",
                "HUTCH_RUNNER_STEP_IMAGE": self.images["step"],
            },
            where=self.world.home,
            log=self.log_of(name),
            role="runner",
            steps=self.world.steps.path,
            clock=self.world.clock,
        )

    def kill(self) -> None:
        """Kill the runner."""
        self.runners.pop(self.name).kill()

    def hand_over(self, run: UUID) -> None:
        """Have another runner go on, which waits until the lease has run out."""
        before = self.row(run)
        self.left_by, self.name = self.name, f"r{int(self.name[1:]) + 1}"
        self.start()
        self.let_look()
        now = self.row(run)
        if before.holder is not None:
            assert (now.holder, now.leased_until) == (
                before.holder,
                before.leased_until,
            )
        self.world.clock.move(LEASE + MOMENT)

    def clear_after_other(self) -> None:
        """Have the runner back whose place was taken: it only removes its things."""
        back = self.spawn(self.left_by, "--once")
        assert back.wait() == 0, back.text()
        assert self.containers.left(runner=self.left_by) == []

    def abandon(self) -> None:
        """After a failure: end what goes on, so that other tests begin anew."""
        self.world.steps.release_all()
        for process in self.runners.values():
            process.kill()
        self.runners.clear()
        left = self.live()
        with self.site.begin() as work:
            for run in left:
                work.session.get_one(Run, run).cancelled_at = work.now
        self.world.clock.move(LEASE + MOMENT)
        self.engine.start()
        self.world.start_missing()
        self.start()
        self.world.until(lambda: not self.live(), "the end of all runs")
        self.world.until(self._is_tidy, "tidiness")

    def stop(self, name: str) -> None:
        """Ask a runner to end, as a machine does that goes down."""
        process = self.runners.pop(name)
        process.send(signal.SIGTERM)
        assert process.wait() == 0, process.text()

    def log_of(self, name: str) -> Path:
        """Tell where a runner writes what it does."""
        return self.world.home / f"runner-{name}.log"

    # Runs ----------------------------------------------------------------------

    def begin(self, definition: str = "copy") -> UUID:
        """Queue a run."""
        name = f"r-{uuid4().hex[:8]}"
        return self.world.library.run(
            definition, name=name, inputs={"scan": self.scan}
        ).id

    def row(self, run: UUID) -> Run:
        """Read the row of a run."""
        with self.site.look() as work:
            return work.session.get_one(Run, run)

    def live(self) -> list[UUID]:
        """List the runs that have not ended."""
        with self.site.look() as work:
            query = select(Run.id).where(col(Run.state).not_in(ENDED))
            return list(work.session.exec(query).all())

    def _is_tidy(self) -> bool:
        with self.site.look() as work:
            query = select(Attempt.id).where(col(Attempt.cleared).is_(other=False))
            return work.session.exec(query).first() is None

    def attempts(self, run: UUID) -> list[Attempt]:
        """Read the attempts at a run, the first one first."""
        with self.site.look() as work:
            query = select(Attempt).where(Attempt.run_id == run)
            return list(work.session.exec(query.order_by(col(Attempt.number))).all())

    def stand(self, hold: Hold, run: UUID) -> None:
        """Wait until somebody stands at a step of a run."""
        self._until(hold.came.is_set, run, f"a runner at {hold.step}")

    def end(self, run: UUID) -> Run:
        """Wait until a run has ended."""
        self._until(lambda: self.row(run).state in ENDED, run, f"the end of {run}")
        return self.row(run)

    def tidy(self, run: UUID) -> None:
        """Wait until nothing is left of all attempts at a run."""
        self.world.until(
            lambda: (
                all(attempt.cleared for attempt in self.attempts(run))
                and not self.left(run)
            ),
            f"tidiness after {run}",
        )

    def left(self, run: UUID) -> list[str]:
        """Name the containers and volumes of all attempts at a run."""
        return [
            name
            for attempt in self.attempts(run)
            for name in self.containers.left(attempt=str(attempt.id))
        ]

    def remove(self, run: UUID, step: str) -> None:
        """Take a container of the attempt that a run is in away."""
        name = name_of(self.attempts(run)[-1].id, step)

        def is_gone() -> bool:
            try:
                self.containers.api.remove_container(name, force=True)
            except NotFound:
                return True
            except APIError:  # it ends by itself at this moment
                return False
            return True

        self.world.until(is_gone, f"the end of {name}")

    def require_one_outcome(self, run: UUID, *, ends: Reason | None = None) -> None:
        """See that a run has ended as it has to, and left nothing else."""
        require_one_outcome(self, run, ends=ends)

    def let_look(self) -> None:
        """Wait until an idle runner has looked for something to do.

        It finds a run whose image is not approved any more, and ends it. Runs that
        were abandoned it would have taken before that.
        """
        wanted = RunIn(
            definition="other", name=f"o-{uuid4().hex[:8]}", inputs={"scan": self.scan}
        )
        approval = self._approve(_OTHER_IMAGE)
        with self.site.begin() as work:
            run = runs.start_run(work, self.user, wanted).id
            images.revoke_image(work, self.keeper, approval)
        self._until(
            lambda: self.row(run).state is RunState.FAILED, run, "a look for runs"
        )

    def _approve(self, image: str) -> UUID:
        with self.site.begin() as work:
            return images.approve_image(work, self.keeper, ImageIn(image=image)).id

    def _define(self, name: str, image: str, argv: tuple[str, ...]) -> None:
        self._approve(image)
        self.world.library.definitions.add(
            DefinitionIn(
                name=name,
                image=image,
                argv=argv,
                inputs={"scan": InputType()},
                resources=_LITTLE,
            )
        )

    def _until(self, condition: Callable[[], bool], run: UUID, what: str) -> None:
        """Wait for something of a run; what waits for its next try waits no longer."""

        def holds() -> bool:
            row, now = self.row(run), self.world.clock()
            pause = (row.not_before or now) - now
            if row.state is RunState.QUEUED and pause > timedelta():
                self.world.clock.move(pause)
            return condition()

        try:
            wait_until(holds, seconds=PATIENCE_S, what=what)
        except TimeoutError as error:
            error.add_note(self.log_of(self.name).read_text()[-4_000:])
            raise


def _begun(log: Path) -> int:
    return log.read_text().count(" at work (") if log.exists() else 0


@contextmanager
def executing(world: World, images: Mapping[str, str]) -> Iterator[RunWorld]:
    """Let runs be executed; in the end runner and engine go, and leave nothing."""
    engine = Engine(world.home)
    engine.start()
    try:
        made = RunWorld(world, engine, images)
        made.start()
        try:
            yield made
            for name in list(made.runners):
                made.stop(name)
            assert made.containers.left() == []
        finally:
            for process in made.runners.values():
                process.kill()
            made.containers.api.close()
    finally:
        engine.kill()
