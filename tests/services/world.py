"""A site with people on it, for tests of the use cases."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import col, select

from hutch.contract.wire.accounts import LoginIn, Role, Scope, TokenCreated, TokenIn
from hutch.contract.wire.datasets import (
    CloseIn,
    DatasetIn,
    DatasetOut,
    PrincipalKind,
    Right,
    ShareIn,
)
from hutch_api.adapters.memory import MemoryStore
from hutch_api.adapters.memory_accounts import MemoryAccounts
from hutch_api.domain.access import Actor
from hutch_api.services import datasets, login, passwords, sharing, tokens
from hutch_api.services.closing import close
from hutch_api.services.deletion import delete
from hutch_api.services.work import Site
from hutch_api.store.tables import Audit, User

PASSWORD = "correct horse"


@cache
def _hashed() -> str:
    # Hashing is slow on purpose; one hash serves all people of all tests.
    return passwords.hash_password(PASSWORD)


@dataclass
class World:
    """Short ways to what a test needs before it begins."""

    site: Site

    def user(self, name: str, role: Role = Role.USER) -> Actor:
        """Add a user and give them a token with every scope."""
        with self.site.begin() as work:
            row = User(
                id=uuid4(),
                name=name,
                password=_hashed(),
                role=role,
                created_at=work.now,
            )
            work.session.add(row)
            work.session.flush()
            made = tokens.issue(
                work,
                self.site.keys,
                user=row.id,
                name="all",
                scopes=tuple(Scope),
                datasets=None,
                expires_at=work.now + timedelta(days=365),
            )
        return self.actor(made.token)

    def login(self, name: str, password: str = PASSWORD) -> TokenCreated:
        wanted = LoginIn(user=name, password=password)
        return login.log_in(self.site, wanted, request_id="login")

    def actor(self, text: str) -> Actor:
        return tokens.authenticate(self.site, text, request_id="test")

    def token(
        self,
        actor: Actor,
        *scopes: Scope,
        of: Collection[UUID] | None = None,
        life: timedelta = timedelta(days=1),
    ) -> TokenCreated:
        with self.site.begin() as work:
            wanted = TokenIn(
                name="t",
                scopes=scopes,
                expires_at=work.now + life,
                datasets=None if of is None else tuple(of),
            )
            return tokens.create_token(work, self.site.keys, actor, wanted)

    def limited(
        self, actor: Actor, *scopes: Scope, of: Collection[UUID] | None = None
    ) -> Actor:
        """Let a user come by a token that can do less."""
        return self.actor(self.token(actor, *scopes, of=of).token)

    def create(self, actor: Actor, name: str, **more: Any) -> DatasetOut:
        with self.site.begin() as work:
            return datasets.create_dataset(work, actor, DatasetIn(name=name, **more))

    def closed(self, actor: Actor, name: str, **more: Any) -> DatasetOut:
        """Make a dataset and close it."""
        made = self.create(actor, name, **more)
        close(self.site, actor, made.id, CloseIn(empty=True))
        return self.see(actor, made.id)

    def derive(self, actor: Actor, name: str, *parents: UUID) -> DatasetOut:
        return self.create(actor, name, inputs=parents)

    def delete(self, actor: Actor, dataset: UUID) -> None:
        delete(self.site, actor, dataset)

    def see(self, actor: Actor, dataset: UUID) -> DatasetOut:
        with self.site.look() as work:
            return datasets.get_dataset(work, actor, dataset)

    def names(self, actor: Actor, **filters: Any) -> list[str]:
        """List the names of the datasets that an actor gets listed."""
        with self.site.look() as work:
            page = datasets.list_datasets(work, actor, **filters)
            return [item.name for item in page.items]

    def share(
        self, actor: Actor, dataset: UUID, to: str, right: Right = Right.READ
    ) -> None:
        """Share with ``user:NAME`` or ``group:NAME``."""
        kind, _, name = to.partition(":")
        with self.site.begin() as work:
            sharing.share(
                work,
                actor,
                dataset,
                kind=PrincipalKind(kind),
                name=name,
                wanted=ShareIn(right=right),
            )

    def unshare(self, actor: Actor, dataset: UUID, to: str) -> None:
        kind, _, name = to.partition(":")
        with self.site.begin() as work:
            sharing.unshare(work, actor, dataset, kind=PrincipalKind(kind), name=name)

    def audited(self, action: str) -> list[dict[str, Any]]:
        """Fetch the facts of all audit rows of an action, the oldest first."""
        with self.site.look() as work:
            query = (
                select(Audit.facts)
                .where(Audit.action == action)
                .order_by(col(Audit.id))
            )
            return [dict(facts) for facts in work.session.exec(query).all()]


def memory() -> tuple[MemoryStore, MemoryAccounts]:
    """Make a store without a server."""
    store = MemoryStore()
    return store, MemoryAccounts(store)
