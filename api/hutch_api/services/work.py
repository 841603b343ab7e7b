"""A piece of work is a transaction; a site is what longer work needs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine
from sqlmodel import Session

from hutch_api.domain.access import Actor
from hutch_api.domain.keys import ServerKeys
from hutch_api.ports.accounts import StoreAccounts
from hutch_api.ports.objects import ObjectStore

Clock = Callable[[], datetime]
"""Gives the time as aware UTC."""


@dataclass(frozen=True, slots=True)
class Work:
    """One transaction, at one moment."""

    session: Session
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that a use case may touch outside its arguments.

    Attributes:
        instance: Id of this installation; the bucket holds the same.
        clock: Gives the time; tests give their own.
        portable_paths: New files may only have names that Windows can hold.
        within: The store, signing for the address where containers reach it; None
            means as clients do.
    """

    engine: Engine
    objects: ObjectStore
    accounts: StoreAccounts
    keys: ServerKeys
    instance: UUID
    clock: Clock
    portable_paths: bool = True
    within: ObjectStore | None = None

    def seen_by(self, actor: Actor) -> "Site":
        """Give the site whose signed requests an actor can send."""
        if actor.attempt is None or self.within is None:
            return self
        return replace(self, objects=self.within)

    @contextmanager
    def begin(self) -> Iterator[Work]:
        """Open a transaction: leaving commits it, an exception rolls it back."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield Work(session, self.clock())

    @contextmanager
    def look(self) -> Iterator[Work]:
        """Open a transaction that only reads; on SQLite it waits for nobody."""
        with (
            self.engine.connect().execution_options(hutch_readonly=True) as connection,
            Session(connection, expire_on_commit=False) as session,
        ):
            yield Work(session, self.clock())
