"""A hutch whose store is in memory, for what needs none, and people at it."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import DatasetIn
from hutch_api.adapters.memory import MemoryStore
from hutch_api.adapters.memory_accounts import MemoryAccounts
from hutch_api.domain import instance, layout
from hutch_api.domain.keys import ServerKeys
from hutch_api.services import users
from hutch_api.services.work import Site
from hutch_api.store.tables import Instance
from tests.client.live import serving
from tests.conftest import Clock
from tests.e2e.stage import Person
from tests.relay import Answer, Relay, Request, running

PASSWORD = "correct horse battery"


class Desk(Relay):
    """The way to the API, on which a test counts and holds requests back.

    Attributes:
        made: Requests for store accounts so far.
        before: Is called before such a request is passed on.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.made = 0
        self.before: Callable[[], None] = lambda: None

    def treat(self, request: Request) -> Answer | None:
        """Pass a request on."""
        if request.method == "POST" and request.path.endswith("/store-accounts"):
            self.made += 1
            self.before()
        return self.ask(request)


@dataclass(frozen=True)
class Hutch:
    """A running hutch."""

    site: Site
    clock: Clock
    desk: Desk
    homes: Path

    def person(self) -> Person:
        """Add somebody and log them in."""
        name = f"p-{uuid4().hex[:8]}"
        with self.site.begin() as work:
            users.add_user(work, name=name, password=PASSWORD, role=Role.USER)
        home = self.homes / name
        home.mkdir()
        person = Person(name, PASSWORD, home, self.desk.url)
        cache = str(home / ".cache")
        person.extra = {"XDG_CACHE_HOME": cache, "AWS_CONFIG_FILE": ""}
        person.log_in()
        return person


@pytest.fixture
def hutch(sqlite_engine: Engine, clock: Clock, tmp_path: Path) -> Iterator[Hutch]:
    store = MemoryStore(clock)
    site = Site(
        engine=sqlite_engine,
        objects=store,
        accounts=MemoryAccounts(store),
        keys=ServerKeys({1: bytes(range(32))}),
        instance=uuid4(),
        clock=clock,
    )
    with site.begin() as work:
        work.session.add(Instance(id=site.instance, created_at=work.now))
    store.put_record(layout.INSTANCE, instance.encode(site.instance))
    with serving(site) as url, running(Desk(url)) as desk:
        yield Hutch(site, clock, desk, tmp_path)


@pytest.fixture
def anna(hutch: Hutch) -> Person:
    return hutch.person()


@pytest.fixture
def ben(hutch: Hutch) -> Person:
    return hutch.person()


def waiting(lock: Path) -> int:
    """Count who waits for a lock."""
    number = str(lock.stat().st_ino)
    return sum(
        words[1] == "->" and words[-3].split(":")[-1] == number
        for line in Path("/proc/locks").read_text().splitlines()
        if (words := line.split())
    )


@pytest.fixture
def tooth(anna: Person) -> str:
    """An open dataset of Anna's: its id."""
    return dataset(anna, "tooth")


def dataset(person: Person, name: str) -> str:
    with person.client() as client:
        return str(client.datasets.create(DatasetIn(name=name)).id)


def config(person: Person) -> RawConfigParser:
    read = RawConfigParser()
    read.read_string((person.home / ".aws/config").read_text())
    return read


def asked(person: Person, profile: str) -> dict[str, Any]:
    """Ask for keys as a tool does: by the words that stand in the profile."""
    words = shlex.split(config(person)[f"profile {profile}"]["credential_process"])
    done = subprocess.run(  # noqa: S603 - what the profile says
        words, env=person.environ(), capture_output=True, check=True, text=True
    )
    assert done.stderr == ""
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
