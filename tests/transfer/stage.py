"""A site, the ways past it, and what it takes to have one in memory."""

from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Engine
from sqlmodel import SQLModel

from hutch_api.adapters.memory import MemoryStore
from hutch_api.adapters.memory_accounts import MemoryAccounts
from hutch_api.domain import instance
from hutch_api.domain.keys import ServerKeys
from hutch_api.domain.layout import INSTANCE
from hutch_api.services.work import Clock, Site
from hutch_api.store.tables import Instance
from tests.transfer.flow import Send
from tests.transfer.foreign import Foreign


@dataclass(frozen=True, slots=True)
class MemoryTool:
    """The same beside the store in memory."""

    store: MemoryStore

    def put(self, key: str, data: bytes) -> None:
        self.store.write(key, data)

    def delete(self, key: str) -> None:
        self.store.mark_deleted(key)


@dataclass(frozen=True, slots=True)
class Stage:
    """A site, with the ways to its store that go past hutch."""

    site: Site
    send: Send
    foreign: Foreign


def in_memory(engine: Engine, clock: Clock) -> Stage:
    """Make a site over a store in memory."""
    store = MemoryStore(clock)
    site = Site(
        engine=engine,
        objects=store,
        accounts=MemoryAccounts(store),
        keys=ServerKeys({1: b"k" * 32}),
        instance=uuid4(),
        clock=clock,
    )
    store.put_record(INSTANCE, instance.encode(site.instance))
    enter(site)
    return Stage(site, lambda r, body: store.send(r, body).status, MemoryTool(store))


def emptied(engine: Engine) -> Engine:
    """Delete all rows of all tables."""
    with engine.begin() as connection:
        for table in reversed(SQLModel.metadata.sorted_tables):
            connection.execute(table.delete())
    return engine


def enter(site: Site) -> None:
    """Note in the database whose it is."""
    with site.begin() as work:
        work.session.add(Instance(id=site.instance, created_at=work.now))
