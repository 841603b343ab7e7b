"""Short ways to runs that make previews, for tests that play their runner."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from hutch.contract.wire.previews import PreviewList
from hutch.contract.wire.runs import RunIn, RunOut, StepKind
from hutch_api.domain.access import Actor
from hutch_api.domain.system import EXECUTOR, PREVIEW
from hutch_api.services import attempts, previews, runs, system
from hutch_api.services.attempts import Assignment, Runner
from hutch_api.services.leases import Lease
from tests.derivations.board import Board

PICTURES = {"0001.png": b"\x89PNG", "index.json": b"{}"}


class PreviewBoard:
    """A board on which hutch's own definitions are run."""

    def __init__(self, board: Board) -> None:
        self.board, self.site = board, board.world.site
        system.ensure(self.site)

    def start(self, actor: Actor, dataset: UUID, **more: Any) -> RunOut:
        wanted = RunIn(definition=PREVIEW.name, inputs={"dataset": dataset}, **more)
        with self.site.begin() as work:
            return runs.start_run(work, actor, wanted)

    def take(self, name: str = "near") -> Assignment:
        runner = Runner(name=name, holder=uuid4(), executor=EXECUTOR)
        taken = attempts.take(self.site, runner)
        assert taken is not None
        return taken

    def sender(self, lease: Lease, step: StepKind = StepKind.OUT) -> Actor:
        return self.board.enter(self.board.claim(lease, step))

    def send(self, lease: Lease, files: Mapping[str, bytes] = PICTURES) -> Actor:
        """Send previews as the step that does."""
        sender = self.sender(lease)
        for name, data in files.items():
            previews.put(self.site, sender, name, data)
        return sender

    def make(
        self, actor: Actor, dataset: UUID, files: Mapping[str, bytes] = PICTURES
    ) -> RunOut:
        """Make previews of a dataset, from the beginning to the end."""
        run = self.start(actor, dataset)
        taken = self.take()
        self.send(taken.lease, files)
        self.board.finish(taken.lease)
        return self.board.see(actor, run.id)

    def listed(self, actor: Actor, dataset: UUID) -> PreviewList:
        return previews.list_previews(self.site, actor, dataset)

    def names(self, actor: Actor, dataset: UUID) -> list[str]:
        return [one.name for one in self.listed(actor, dataset).items]

    def records(self) -> list[str]:
        return list(self.site.objects.records("previews/"))
