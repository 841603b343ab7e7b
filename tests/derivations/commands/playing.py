"""A whole hutch with a real store, people at their command lines, and a runner played.

The runner is a thread: commands that wait for a run find that it goes on meanwhile.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx

from hutch import credentials
from hutch.contract.wire.accounts import Role, Scope
from hutch.contract.wire.runs import Reason
from hutch.contract.wire.transfer import SignedRequest
from hutch_api.domain.access import Actor
from hutch_api.services import attempts, run_logs
from hutch_api.services.attempts import Assignment
from hutch_api.services.leases import Lease
from hutch_api.services.work import Site
from tests.derivations.board import FILES, IMAGE, Board
from tests.e2e.stage import Person
from tests.servers import wait_until
from tests.services.world import PASSWORD, World
from tests.transfer.flow import Flow

RECIPE = f"""\
name = "copy"
title = "Copies"
image = "{IMAGE}"
argv = ["copy"]
mode = "staged"

[inputs.scan]
type = "generic"

[parameters]
type = "object"
additionalProperties = false

[parameters.properties.centre]
type = "number"
unit = "px"
default = 320.5
description = "Column of the axis"

[resources]
cpu = 0.5
retries = 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """How an attempt goes.

    Attributes:
        reason: Why it fails; None if it succeeds.
    """

    log: tuple[bytes, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=lambda: FILES)
    reason: Reason | None = None
    progress: float | None = None


class LiveBoard(Board):
    """A board whose steps send to a real store."""

    def __init__(self, site: Site, client: httpx.Client) -> None:
        super().__init__(World(site))
        self.client = client

    def __post_init__(self) -> None:
        self.flow = Flow(self.world.site, self._send)
        self.approver = self.world.user("approver", Role.APPROVER)
        self.approve(IMAGE)

    def _send(self, request: SignedRequest, body: bytes) -> int:
        return self.client.request(
            request.method, request.url, headers=dict(request.headers), content=body
        ).status_code

    def take_soon(self) -> Assignment:
        """Take the next run, which a command is about to begin."""
        taken: list[Assignment] = []

        def found() -> bool:
            one = attempts.take(self.world.site, self.runner())
            taken.extend([] if one is None else [one])
            return one is not None

        wait_until(found, what="a run to play")
        return taken[0]

    def play(self, play: Play) -> None:
        """Take the next run and play one attempt at it."""
        lease = self.take_soon().lease
        try:
            self._act(lease, play)
        except Exception:
            # Whoever waits for the run need not wait for ever.
            attempts.end(self.world.site, lease, Reason.ERROR, "the test failed")
            raise

    def _act(self, lease: Lease, play: Play) -> None:
        site = self.world.site
        attempts.note_program(site, lease, node="bench-1")
        for piece in play.log:
            run_logs.write(site, lease, piece)
        if play.progress is not None:
            attempts.note_progress(
                site, lease, progress=play.progress, message="at work"
            )
        attempts.note_exit(site, lease, exit_code=int(play.reason is not None))
        if play.reason is not None:
            attempts.end(site, lease, play.reason, "the program ended with exit code 1")
            return
        self.fill(lease, play.files)
        self.finish(lease)

    @contextmanager
    def playing(self, *plays: Play) -> Iterator[None]:
        """Play attempts one after the other while the block lasts."""
        failures: list[Exception] = []

        def act() -> None:
            try:
                for play in plays:
                    self.play(play)
            except Exception as error:  # noqa: BLE001 - raised again below
                failures.append(error)

        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join(timeout=60)
        assert failures == []
        assert not thread.is_alive()


@dataclass(frozen=True)
class Hall:
    """A running hutch on which definitions are run."""

    board: LiveBoard
    url: str
    homes: Path

    def person(self, role: Role = Role.USER) -> Person:
        """Add somebody and log them in, without the time that a password takes."""
        name = f"p-{uuid4().hex[:8]}"
        world = self.board.world
        made = world.token(world.user(name, role), *Scope)
        person = Person(name, PASSWORD, self.homes / name, self.url)
        person.home.mkdir()
        held = credentials.Credential(url=self.url, token=made.token, user=name)
        credentials.keep(held, environ=person.environ())
        return person

    def actor(self, person: Person) -> Actor:
        """Be a person on the server's side."""
        held = credentials.find(self.url, environ=person.environ())
        return self.board.world.actor(held.token)
