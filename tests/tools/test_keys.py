"""Keys for S3 tools are kept for a while, by their owner alone, and made once."""

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from hutch import Client, StoreKeys, connect, s3_keys
from hutch.contract.problems import (
    DatasetClosedError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
)
from hutch.contract.wire.accounts import Scope, TokenIn
from hutch.contract.wire.datasets import CloseIn, DatasetIn, PrincipalKind, Right
from hutch.contract.wire.tools import StoreAccess
from hutch.errors import ClientError
from hutch.tools import private
from tests.e2e.stage import Person
from tests.servers import wait_until
from tests.tools.conftest import Hutch, waiting


class Holder:
    """Somebody who asks for keys of one dataset of theirs."""

    def __init__(self, person: Person, client: Client) -> None:
        self.person, self.client = person, client
        self.dataset = client.datasets.create(DatasetIn(name="tooth")).id
        self.environ = {"XDG_CACHE_HOME": str(person.home / "cache")}

    @property
    def place(self) -> Path:
        return private.location(self.environ)

    def keys(
        self,
        access: StoreAccess = StoreAccess.READ,
        *,
        client: Client | None = None,
        long: bool = False,
    ) -> StoreKeys:
        client = client or self.client
        return s3_keys(client, self.dataset, access, long=long, environ=self.environ)

    def alive(self) -> set[UUID]:
        return {a.id for a in self.client.store_accounts.list(self.dataset).items}


@pytest.fixture
def holder(anna: Person) -> Iterator[Holder]:
    with anna.client() as client:
        yield Holder(anna, client)


def test_keys_are_given_out_again(holder: Holder, hutch: Hutch) -> None:
    first = holder.keys()
    assert holder.keys() == first
    assert hutch.desk.made == 1
    assert holder.alive() == {first.account}


def test_reading_and_writing_have_keys_of_their_own(holder: Holder) -> None:
    reads, writes = holder.keys(), holder.keys(StoreAccess.WRITE)
    assert (reads.access, writes.access) == (StoreAccess.READ, StoreAccess.WRITE)
    assert reads.key_id != writes.key_id
    assert holder.keys() == reads


def test_nobody_else_may_read_them(holder: Holder) -> None:
    holder.keys()
    [file] = holder.place.glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(holder.place.stat().st_mode) == 0o700


def test_a_directory_that_others_may_read_is_closed_to_them(holder: Holder) -> None:
    holder.place.mkdir(parents=True)
    holder.place.chmod(0o755)
    holder.keys()
    assert stat.S_IMODE(holder.place.stat().st_mode) == 0o700


def test_nothing_is_kept_behind_a_link(holder: Holder, hutch: Hutch) -> None:
    elsewhere = holder.person.home / "elsewhere"
    elsewhere.mkdir()
    holder.place.parent.mkdir(parents=True)
    holder.place.symlink_to(elsewhere)
    with pytest.raises(ClientError, match="XDG_CACHE_HOME"):
        holder.keys()
    assert list(elsewhere.iterdir()) == []
    assert hutch.desk.made == 0


@pytest.mark.parametrize(("minutes", "again"), [(39, True), (41, False)])
def test_they_are_renewed_well_before_their_end(
    holder: Holder, hutch: Hutch, minutes: int, *, again: bool
) -> None:
    """Botocore asks from 15 minutes before the end, which is told 5 too early."""
    hutch.clock.move(-timedelta(minutes=minutes))
    first = holder.keys()
    assert first.good_until == first.expires_at - timedelta(minutes=5)
    assert (holder.keys() == first) is again
    assert hutch.desk.made == (1 if again else 2)
    assert first.account in holder.alive()  # what runs with it goes on


def test_for_tools_that_cannot_ask_again_they_are_good_for_hours(
    holder: Holder,
) -> None:
    made = holder.keys(long=True)
    assert made.good_until > datetime.now(UTC) + timedelta(hours=6)
    assert holder.keys(long=True) == made
    assert holder.keys() != made


def test_what_ends_with_its_token_is_not_renewed_in_vain(
    holder: Holder, hutch: Hutch
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=10)
    with token(holder, soon, Scope.READ) as client:
        first = holder.keys(client=client)
        assert first.good_until == first.expires_at <= soon
        assert holder.keys(client=client) == first
    assert hutch.desk.made == 1


def token(holder: Holder, until: datetime, *scopes: Scope) -> Client:
    wanted = TokenIn(name="t", scopes=scopes, expires_at=until, datasets=None)
    made = holder.client.tokens.create(wanted)
    return connect(holder.client.url, token=made.token)


def test_a_token_gets_no_keys_of_another_one(holder: Holder) -> None:
    """What only reads must not be given what was made for all that its user may."""
    holder.keys(StoreAccess.WRITE)
    later = datetime.now(UTC) + timedelta(days=1)
    with (
        token(holder, later, Scope.READ) as client,
        pytest.raises(ForbiddenError),
    ):
        holder.keys(StoreAccess.WRITE, client=client)


def test_keys_that_were_revoked_are_replaced(holder: Holder) -> None:
    first = holder.keys()
    holder.client.store_accounts.revoke(first.account)
    second = holder.keys()
    assert second.account != first.account
    assert holder.alive() == {second.account}


def test_a_right_that_ended_is_said_and_its_keys_are_gone(
    holder: Holder, ben: Person
) -> None:
    datasets, user = holder.client.datasets, PrincipalKind.USER
    datasets.share(holder.dataset, kind=user, name=ben.name, right=Right.READ)
    with ben.client() as client:
        holder.keys(client=client)
        datasets.unshare(holder.dataset, kind=user, name=ben.name)
        with pytest.raises(NotFoundError):
            holder.keys(client=client)
    assert list(holder.place.glob("*.json")) == []


def test_a_token_that_ended_is_said_and_its_keys_are_gone(holder: Holder) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    with token(holder, later, Scope.READ) as client:
        holder.keys(client=client)
        [held] = [t for t in holder.client.tokens.list().items if t.name == "t"]
        holder.client.tokens.revoke(held.id)
        with pytest.raises(UnauthenticatedError):
            holder.keys(client=client)
    assert list(holder.place.glob("*.json")) == []


def test_after_the_close_there_are_none_that_write(holder: Holder) -> None:
    holder.keys(StoreAccess.WRITE)
    close = holder.client.datasets.close(holder.dataset, CloseIn(empty=True))
    holder.client.datasets.wait(close)
    with pytest.raises(DatasetClosedError, match="stays as it is"):
        holder.keys(StoreAccess.WRITE)
    assert holder.keys().access is StoreAccess.READ


def test_without_the_server_those_that_are_kept_do(
    holder: Holder, hutch: Hutch
) -> None:
    first = holder.keys()
    hutch.desk.stop()
    with holder.person.client() as client:
        client.hurry()
        assert holder.keys(client=client) == first


def test_what_cannot_be_read_is_made_anew(holder: Holder) -> None:
    first = holder.keys()
    [file] = holder.place.glob("*.json")
    file.write_bytes(file.read_bytes()[:40])
    assert holder.keys().account != first.account


def test_what_has_ended_is_cleared_away(holder: Holder, hutch: Hutch) -> None:
    hutch.clock.move(-timedelta(hours=2))
    holder.keys()
    hutch.clock.move(timedelta(hours=2))
    holder.keys(StoreAccess.WRITE)
    assert len(list(holder.place.glob("*.json"))) == 1


def test_keys_are_not_shown_by_accident(holder: Holder) -> None:
    made = holder.keys()
    assert made.secret not in repr(made)
    assert made.key_id not in repr(made)


def test_many_at_once_make_one_account(holder: Holder, hutch: Hutch) -> None:
    many = 6

    def all_are_here() -> bool:
        return hutch.desk.made + waiting(holder.place / "lock") == many

    hutch.desk.before = lambda: wait_until(all_are_here, what="all that ask")
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(many))
        clients = [stack.enter_context(holder.person.client()) for _ in range(many)]
        made = list(pool.map(lambda client: holder.keys(client=client), clients))
    assert {one.account for one in made} == holder.alive()
    assert hutch.desk.made == 1
