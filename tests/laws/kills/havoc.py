"""Kills at random: any process, at any instant, in any workload."""

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlmodel import select

from hutch.contract.wire.datasets import State
from hutch_api.store.tables import Dataset
from tests.laws.kills.cells import acknowledged, require_there
from tests.laws.kills.world import Role, World, write
from tests.zygote import Process

VICTIMS: Final[tuple[Role, ...]] = ("client", "api", "worker", "store")
_TRIES: Final = 20
"""A command is asked for again until it ends well; each time the clock goes on."""
_BETWEEN: Final = timedelta(minutes=3)
_WORDS: Final = 4_000
"""Characters of a log that a failure shows."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done, and who dies.

    Attributes:
        part: At which part of the command's usual time, of 0 to 1.2.
    """

    workload: str
    victim: Role
    part: float


def draw(seed: int) -> Plan:
    """Choose a workload, a victim and an instant; the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311 -- it has to be the same again
    return Plan(
        dice.choice(sorted(WORKLOADS)), dice.choice(VICTIMS), dice.uniform(0, 1.2)
    )


class Havoc:
    """Runs plans on a world, one after another.

    Attributes:
        usual_s: How long each workload's command took when nobody was killed.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.usual_s: dict[str, float] = {}
        for workload in WORKLOADS:
            self._run(workload, None)

    def run(self, plan: Plan) -> None:
        """Kill somebody, and see that nothing is lost."""
        self._run(plan.workload, plan)

    def _run(self, workload: str, plan: Plan | None) -> None:
        world = self.world
        root = world.workdir() if workload == "push" else world.pushed(files=2)
        if workload == "derive":
            world.must("close", where=root)
        if workload == "push":
            world.push(root)
            write(root / "f0")
            write(root / "new")
        words = {
            "push": ("push",),
            "close": ("close",),
            "rm": ("rm", root.name, "--yes"),
            "derive": ("derive", root.name, "--name", f"{root.name}-child"),
        }[workload]
        began = time.monotonic()
        first = world.hutch(*words, where=world.home if workload == "derive" else root)
        if plan is None:
            assert first.wait() == 0, first.text()
            self.usual_s[workload] = time.monotonic() - began
        else:
            # At random is the point here; how it ends does not depend on it.
            time.sleep(plan.part * self.usual_s[workload])
            self._strike(plan.victim, first)
            world.clock.move(_BETWEEN)  # a command may wait for a lease to run out
        first.wait()
        known = acknowledged(root)
        if workload != "rm":
            require_there(world, root, known)
        WORKLOADS[workload](world, root)

    def _strike(self, victim: Role, client: Process) -> None:
        if victim == "client":
            client.kill()
        else:
            self.world.kill(victim)
            self.world.start(victim)


def wreak(world: World, kills: int) -> None:
    """Kill so often; the seeds begin at ``HUTCH_SEED``, and a failure names its own."""
    havoc = Havoc(world)
    begin = int(os.environ.get("HUTCH_SEED", "0"))
    for seed in range(begin, begin + kills):
        plan = draw(seed)
        try:
            havoc.run(plan)
        except BaseException as error:
            error.add_note(f"HUTCH_SEED={seed}: {plan}")
            error.add_note(_last_words(world))
            raise


def _last_words(world: World) -> str:
    """Give the ends of what the API and the worker wrote."""
    logs = [world.home / f"{role}.log" for role in ("api", "worker")]
    return "\n".join(f"{log.name}: {log.read_text()[-_WORDS:]}" for log in logs)


def _again(world: World, *words: str, where: Path, over: Callable[[], bool]) -> None:
    """Ask again until it is so, as a person would; then it is at once."""
    for _ in range(_TRIES):
        if over():
            return
        world.clock.move(_BETWEEN)
        world.hutch(*words, where=where).wait()
    raise AssertionError(f"{words} did not end well")


def _end_push(world: World, root: Path) -> None:
    def over() -> bool:
        return world.hutch("push", where=root).wait() == 0

    _again(world, "push", where=root, over=over)
    world.require_exact(root)


def _end_close(world: World, root: Path) -> None:
    over = lambda: world.row(root).state is State.CLOSED  # noqa: E731 -- reads best so
    _again(world, "close", where=root, over=over)
    world.require_exact(root)


def _end_rm(world: World, root: Path) -> None:
    over = lambda: world.row(root).state is State.DELETED  # noqa: E731 -- as above
    _again(world, "rm", root.name, "--yes", where=root, over=over)
    world.require_gone(root)


def _end_derive(world: World, root: Path) -> None:
    name = f"{root.name}-child"

    def children() -> list[UUID]:
        with world.site.look() as work:
            query = select(Dataset.id).where(Dataset.name == name)
            return list(work.session.exec(query).all())

    words = ("derive", root.name, "--name", name)
    _again(world, *words, where=world.home, over=lambda: len(children()) == 1)
    world.require_exact(root)


WORKLOADS: Final[dict[str, Callable[[World, Path], None]]] = {
    "push": _end_push,
    "close": _end_close,
    "rm": _end_rm,
    "derive": _end_derive,
}
"""What is done, and how it is brought to its end and looked at."""
