"""Orders of creation, revocation, close, retry and restart, with lost answers."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final
from unittest import mock
from uuid import UUID

from sqlmodel import select

from hutch.contract.problems import HutchError, StoreUnavailableError
from hutch.contract.wire.datasets import State
from hutch_api.domain.access import Actor
from hutch_api.domain.accounts import Access
from hutch_api.ports.accounts import StoreAccounts
from hutch_api.ports.objects import Credentials
from hutch_api.services import store_accounts, upkeep
from hutch_api.services.work import Site
from hutch_api.store.tables import Account, AccountState, Dataset
from tests.conftest import Clock
from tests.transfer.flow import Flow


class KilledError(BaseException):
    """The server dies here: nothing after it runs, no handler either."""


@dataclass
class Unreliable:
    """Store accounts whose answers get lost, and whose requests may come late.

    Attributes:
        fate: What happens to the next request: ``done``, ``lost`` (done, without an
            answer), ``never`` (not done), ``late`` (a creation that comes later).
    """

    inner: StoreAccounts
    fate: str = "done"
    asked: list[str] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def create(self, credentials: Credentials, **how: Any) -> None:
        """Make an account, or not."""
        assert credentials.key_id not in self.asked, "a generation was asked for twice"
        self.asked.append(credentials.key_id)
        fate = self._take_fate()
        if fate == "late":
            self.waiting.append(lambda: self.inner.create(credentials, **how))
        if fate in {"done", "lost"}:
            self.inner.create(credentials, **how)
        if fate != "done":
            raise StoreUnavailableError("the answer was lost")

    def delete(self, key_id: str) -> None:
        """End an account, or not."""
        fate = self._take_fate()
        if fate in {"done", "lost"}:
            self.inner.delete(key_id)
        if fate != "done":
            raise StoreUnavailableError("the answer was lost")

    def key_ids(self) -> Iterator[str]:
        """List what there is."""
        return self.inner.key_ids()

    def arrive(self) -> None:
        """Let the creations come that were on their way."""
        for create in self.waiting:
            create()
        self.waiting = []

    def _take_fate(self) -> str:
        fate, self.fate = self.fate, "done"
        return fate


@dataclass
class History:
    """One dataset, and every key that was handed out for it."""

    site: Site
    clock: Clock
    accounts: Unreliable
    flow: Flow
    actor: Actor
    dataset: UUID
    handed: list[Credentials] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)

    def sign(self, fate: str) -> None:
        """Ask for an account that signs, as every batch of a push does."""
        with suppress(HutchError, KilledError):
            push = self.flow.start(self.actor, self.dataset)
            self.accounts.fate = fate
            got = store_accounts.usable_account(self.site, self.actor, push)
            self._require_live(got)
            self.handed.append(got)
        self.accounts.fate = "done"

    def _require_live(self, got: Credentials) -> None:
        with self.site.look() as work:
            rows = work.session.exec(
                select(Account).where(Account.key_id == got.key_id)
            )
            assert rows.one().state is AccountState.LIVE
        assert got.key_id in set(self.accounts.key_ids())

    def die(self) -> None:
        """Have an account made by a server that dies before it hears of it."""

        def made(site: Site, account: Account, _: object) -> Credentials:
            site.accounts.create(
                store_accounts._credentials(site, account),
                access=Access.PUT,
                prefix=f"d/{account.dataset_id}/",
                expires_at=account.expires_at,
            )
            raise KilledError

        with mock.patch.object(store_accounts, "make_account", made):
            self.sign("done")

    def revoke(self, fate: str) -> None:
        """Take the right to write from somebody: all URLs end."""
        with self.site.begin() as work:
            store_accounts.retire(work, self.dataset)
        self.accounts.fate = fate
        with suppress(StoreUnavailableError):
            store_accounts.settle(self.site, self.dataset)
            self.require_dead()
        self.accounts.fate = "done"

    def close(self, fate: str) -> None:
        """Close; a close that the store fails goes on with the worker."""
        self.accounts.fate = fate
        with suppress(HutchError):
            self.flow.close(self.actor, self.dataset, abandon=True, empty=True)
        self.accounts.fate = "done"

    def work(self) -> None:
        """Let a quarter of an hour pass, and the worker do its rounds."""
        self.clock.move(timedelta(minutes=16))
        for chore in (upkeep.go_on, upkeep.end_accounts):
            chore(self.site)

    def restart(self) -> None:
        """Go on with another process: it knows what database and store know."""
        self.site = replace(self.site)
        self.flow = replace(self.flow, site=self.site)

    def require_dead(self) -> None:
        """Every key that was handed out so far has ended."""
        alive = set(self.accounts.key_ids())
        assert [c for c in self.handed if c.key_id in alive] == []

    def check(self) -> None:
        """No key that has ended works again; on closed data none does."""
        alive = set(self.accounts.key_ids())
        assert not self.ended & alive, "an old generation came back to life"
        self.ended |= {c.key_id for c in self.handed} - alive
        with self.site.look() as work:
            state = work.session.get_one(Dataset, self.dataset).state
        if state is State.CLOSED:
            self.require_dead()

    def settle_down(self) -> None:
        """After a while nothing is left but what the table calls live."""
        self.accounts.arrive()
        for _ in range(2):
            self.work()
            self.check()
        assert list(self.accounts.key_ids()) == []


ACTS: Final[dict[str, Callable[[History], None]]] = {
    "sign": lambda h: h.sign("done"),
    "sign, answer lost": lambda h: h.sign("lost"),
    "sign, request lost": lambda h: h.sign("never"),
    "sign, request late": lambda h: h.sign("late"),
    "sign, server killed": lambda h: h.die(),
    "late requests arrive": lambda h: h.accounts.arrive(),
    "revoke": lambda h: h.revoke("done"),
    "revoke, answer lost": lambda h: h.revoke("lost"),
    "revoke, request lost": lambda h: h.revoke("never"),
    "close": lambda h: h.close("done"),
    "close, answer lost": lambda h: h.close("lost"),
    "close, request lost": lambda h: h.close("never"),
    "work": lambda h: h.work(),
    "restart": lambda h: h.restart(),
}
