"""A site on which definitions are run, by tests that play the runner."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec

from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import DatasetOut
from hutch.contract.wire.definitions import DefinitionIn, ImageIn
from hutch.contract.wire.runs import ClaimIn, JobOut, RunIn, RunOut, StepKind
from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain.access import Actor
from hutch_api.services import attempts, claims, definitions, images, outputs, runs
from hutch_api.services.attempts import Assignment, Runner
from hutch_api.services.leases import Lease
from tests.services.world import World
from tests.transfer.flow import Flow

FILES = {"out.dat": b"result"}
IMAGE = f"sha256:{'1' * 64}"


@dataclass
class Board:
    """Short ways to definitions, runs and what a runner does with them."""

    world: World

    def __post_init__(self) -> None:
        store = self.world.site.objects
        assert isinstance(store, MemoryStore)
        self.flow = Flow(self.world.site, lambda r, body: store.send(r, body).status)
        self.approver = self.world.user("approver", Role.APPROVER)
        self.approve(IMAGE)

    def approve(self, image: str) -> UUID:
        with self.world.site.begin() as work:
            return images.approve_image(work, self.approver, ImageIn(image=image)).id

    def define(self, actor: Actor, name: str = "copy", **more: Any) -> None:
        wanted = {
            "name": name,
            "image": IMAGE,
            "argv": ("copy",),
            "inputs": {"scan": {"type": "generic"}},
            **more,
        }
        with self.world.site.begin() as work:
            definitions.add_definition(
                work, actor, msgspec.convert(wanted, DefinitionIn)
            )

    def start(
        self,
        actor: Actor,
        name: str | None,
        definition: str = "copy",
        parameters: Mapping[str, Any] | None = None,
        **inputs: UUID,
    ) -> RunOut:
        wanted = RunIn(
            definition=definition,
            name=name,
            inputs=inputs,
            parameters=parameters or {},
        )
        with self.world.site.begin() as work:
            return runs.start_run(work, actor, wanted)

    def see(self, actor: Actor, run: UUID) -> RunOut:
        with self.world.site.look() as work:
            return runs.get_run(work, actor, run)

    def cancel(self, actor: Actor, run: UUID) -> RunOut:
        with self.world.site.begin() as work:
            return runs.cancel_run(work, actor, run)

    def runner(self, name: str = "bench") -> Runner:
        return Runner(name=name, holder=uuid4(), executor="engine")

    def take(self, runner: Runner | None = None) -> Assignment:
        taken = attempts.take(self.world.site, runner or self.runner())
        assert taken is not None
        return taken

    def claim(self, lease: Lease, step: StepKind) -> JobOut:
        code = claims.make_claim(self.world.site, lease, step)
        return claims.redeem(self.world.site, ClaimIn(code=code), request_id="step")

    def enter(self, job: JobOut) -> Actor:
        """Come as the step that has this job."""
        return self.world.actor(job.token)

    def fill(self, lease: Lease, files: Mapping[str, bytes] = FILES) -> None:
        """Send files as the step that does."""
        job = self.claim(lease, StepKind.OUT)
        assert job.dataset is not None
        self.flow.push(self.enter(job), job.dataset, files)

    def succeed(self, taken: Assignment) -> None:
        """Play an attempt to its good end."""
        attempts.note_program(self.world.site, taken.lease, node="here")
        attempts.note_exit(self.world.site, taken.lease, exit_code=0)
        self.fill(taken.lease)
        self.finish(taken.lease)

    def finish(self, lease: Lease) -> None:
        outputs.accept(self.world.site, lease)
        assert outputs.finish(self.world.site, lease)

    def scan(self, actor: Actor, name: str = "scan") -> DatasetOut:
        """A closed dataset."""
        return self.world.closed(actor, name)
