"""Store accounts that people ask for end with all that they came from."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from hutch.contract.problems import (
    ConflictError,
    DatasetClosedError,
    DeletedError,
    ForbiddenError,
    HutchError,
    NotFoundError,
    StoreUnavailableError,
    TokenInsufficientError,
    UnauthenticatedError,
)
from hutch.contract.wire.accounts import GroupIn, Scope
from hutch.contract.wire.datasets import CloseIn, Right
from hutch.contract.wire.tools import (
    LONGEST_LIFE_S,
    StoreAccess,
    StoreAccountCreated,
    StoreAccountIn,
    StoreAccountOut,
)
from hutch_api.domain.access import Actor
from hutch_api.services import groups, store_accounts, tool_accounts
from hutch_api.services.closing import close
from hutch_api.services.work import Work
from hutch_api.store.tables import Account, Dataset
from tests.conftest import Clock
from tests.services.races import wait_until_blocked
from tests.services.test_revoking import ACTS
from tests.services.world import World

READ, WRITE = StoreAccess.READ, StoreAccess.WRITE


def ask(
    world: World,
    actor: Actor,
    dataset: UUID,
    access: StoreAccess = READ,
    life_s: int = 3_600,
) -> StoreAccountCreated:
    wanted = StoreAccountIn(access=access, life_s=life_s)
    return tool_accounts.create_account(world.site, actor, dataset, wanted)


def listed(world: World, actor: Actor, dataset: UUID) -> list[StoreAccountOut]:
    with world.site.look() as work:
        return list(tool_accounts.list_accounts(work, actor, dataset).items)


def revoke(world: World, actor: Actor, account: UUID) -> None:
    with world.site.begin() as work:
        tool_accounts.revoke_account(work, actor, account)
    store_accounts.settle(world.site)


def alive(world: World) -> set[str]:
    """Key ids that the store still knows once it was told all there is to tell."""
    store_accounts.settle(world.site)
    return set(world.site.accounts.key_ids())


def test_the_keys_are_in_the_answer_and_nowhere_else(world: World, anna: Actor) -> None:
    made = world.create(anna, "scan").id
    got = ask(world, anna, made)
    assert got.prefix == f"d/{made}/"
    assert alive(world) == {got.key_id}
    assert got.secret not in repr(got)
    assert got.key_id not in repr(got)
    with world.site.look() as work:
        row = work.session.get_one(Account, got.info.id.hex)
    assert got.secret not in str(row.model_dump())
    [facts] = world.audited("create-store-account")
    assert facts["account"] == str(got.info.id)
    assert not {got.secret, got.key_id} & set(map(str, facts.values()))
    again = ask(world, anna, made)
    assert again.key_id != got.key_id
    assert again.secret != got.secret


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_whatever_takes_the_right_ends_the_account(
    world: World,
    anna: Actor,
    ben: Actor,
    act: Callable[[Work, Actor, Actor, UUID], object],
    request: pytest.FixtureRequest,
) -> None:
    made = world.create(anna, "scan").id
    with world.site.begin() as work:
        groups.create_group(work, anna, GroupIn(name="team"))
        groups.add_member(work, anna, "team", "ben")
    world.share(anna, made, "group:team")
    hers, his = ask(world, anna, made, WRITE), ask(world, ben, made)
    with world.site.begin() as work:
        act(work, anna, ben, made)
    given = request.node.callspec.params["act"] is ACTS["give"]
    # Who gives a dataset away may still read it, and no longer write.
    assert alive(world) == ({his.key_id} if given else {hers.key_id})


def test_losing_write_leaves_what_reads(world: World, anna: Actor, ben: Actor) -> None:
    made = world.create(anna, "scan").id
    world.share(anna, made, "user:ben", Right.WRITE)
    reading, _ = ask(world, ben, made), ask(world, ben, made, WRITE)
    world.share(anna, made, "user:ben", Right.READ)
    assert alive(world) == {reading.key_id}


def test_whoever_still_has_a_right_another_way_keeps_the_account(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan").id
    with world.site.begin() as work:
        groups.create_group(work, anna, GroupIn(name="team"))
        groups.add_member(work, anna, "team", "ben")
    world.share(anna, made, "group:team")
    world.share(anna, made, "user:ben")
    his = ask(world, ben, made)
    world.unshare(anna, made, "group:team")
    assert alive(world) == {his.key_id}


def test_a_close_ends_what_writes_and_a_deletion_all(world: World, anna: Actor) -> None:
    made = world.create(anna, "scan").id
    reading, _ = ask(world, anna, made), ask(world, anna, made, WRITE)
    close(world.site, anna, made, CloseIn(empty=True))
    assert set(world.site.accounts.key_ids()) == {reading.key_id}
    world.delete(anna, made)
    assert set(world.site.accounts.key_ids()) == set()


def test_nobody_gets_more_than_their_right(
    world: World, anna: Actor, ben: Actor
) -> None:
    made = world.create(anna, "scan").id
    with pytest.raises(NotFoundError):
        ask(world, ben, made)
    world.share(anna, made, "user:ben")
    with pytest.raises(ForbiddenError):
        ask(world, ben, made, WRITE)
    with pytest.raises(TokenInsufficientError):
        ask(world, world.limited(anna, Scope.READ), made, WRITE)
    with pytest.raises(TokenInsufficientError):
        ask(world, world.limited(anna, Scope.WRITE), made, WRITE)
    other = world.create(anna, "other").id
    with pytest.raises(NotFoundError):
        ask(world, world.limited(anna, *Scope, of=[other]), made)
    closed = world.closed(anna, "closed").id
    with pytest.raises(DatasetClosedError):
        ask(world, anna, closed, WRITE)
    world.delete(anna, closed)
    with pytest.raises(DeletedError):
        ask(world, anna, closed)
    assert alive(world) == set()


def test_it_ends_at_its_time(world: World, anna: Actor, clock: Clock) -> None:
    made = world.create(anna, "scan").id
    got = ask(world, anna, made, life_s=900)

    def alive_after(seconds: int) -> set[str]:
        clock.move(timedelta(seconds=seconds))
        with world.site.begin() as work:
            store_accounts.retire_due(work)
        return alive(world)

    assert alive_after(899) == {got.key_id}
    assert alive_after(1) == set()


def test_it_never_outlives_its_token(world: World, anna: Actor) -> None:
    made = world.create(anna, "scan").id
    token = world.token(anna, Scope.READ, life=timedelta(minutes=5))
    got = ask(world, world.actor(token.token), made, life_s=LONGEST_LIFE_S)
    assert got.info.expires_at == token.info.expires_at


@pytest.mark.parametrize("life_s", [0, 899, LONGEST_LIFE_S + 1, -1])
def test_a_life_has_its_bounds(life_s: int) -> None:
    with pytest.raises(ValueError, match="life_s"):
        StoreAccountIn(life_s=life_s)


def test_a_holder_sees_their_own_and_the_owner_all(
    world: World, anna: Actor, ben: Actor, cara: Actor
) -> None:
    made = world.create(anna, "scan").id
    world.share(anna, made, "user:ben")
    world.share(anna, made, "user:cara")
    hers, his = ask(world, anna, made).info, ask(world, ben, made).info
    assert {a.id for a in listed(world, anna, made)} == {hers.id, his.id}
    assert listed(world, ben, made) == [his]
    assert listed(world, cara, made) == []
    for stranger, account in ((cara, his), (ben, hers)):
        with pytest.raises(NotFoundError):
            revoke(world, stranger, account.id)
    other = world.create(anna, "other").id
    with pytest.raises(NotFoundError):
        revoke(world, world.limited(anna, *Scope, of=[other]), hers.id)
    with pytest.raises(NotFoundError):
        revoke(world, anna, uuid4())
    revoke(world, ben, his.id)
    revoke(world, ben, his.id)
    assert len(world.audited("revoke-store-account")) == 1
    again = ask(world, ben, made).info
    revoke(world, anna, again.id)
    assert [a.id for a in listed(world, anna, made)] == [hers.id]


def test_there_are_so_many_and_no_more(world: World, anna: Actor, ben: Actor) -> None:
    made = world.create(anna, "scan").id
    got = [ask(world, anna, made) for _ in range(tool_accounts.MOST)]
    with pytest.raises(ConflictError, match="hutch s3 revoke"):
        ask(world, anna, made)
    world.share(anna, made, "user:ben")
    ask(world, ben, made)
    revoke(world, anna, got[0].info.id)
    ask(world, anna, made)


def test_a_dataset_notes_since_when_tools_may_write(
    world: World, anna: Actor, clock: Clock
) -> None:
    made = world.create(anna, "scan").id

    def since() -> object:
        with world.site.look() as work:
            return work.session.get_one(Dataset, made).tools_since

    ask(world, anna, made)
    assert since() is None
    first = clock()
    ask(world, anna, made, WRITE)
    clock.move(timedelta(minutes=1))
    ask(world, anna, made, WRITE)
    assert since() == first


ENDS: dict[str, Callable[[World, Actor, UUID], object]] = {
    "closed": lambda world, anna, made: close(
        world.site, anna, made, CloseIn(empty=True)
    ),
    "unshared": lambda world, anna, made: world.unshare(anna, made, "user:ben"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_none_comes_alive_after_its_right_has_gone(
    world: World, anna: Actor, ben: Actor, end: Callable[[World, Actor, UUID], object]
) -> None:
    made = world.create(anna, "scan").id
    world.share(anna, made, "user:ben", Right.WRITE)
    create = world.site.accounts.create

    def overtaken(self: object, *args: object, **kwargs: object) -> None:
        create(*args, **kwargs)  # type: ignore[arg-type]
        end(world, anna, made)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world.site.accounts), "create", overtaken)
        with pytest.raises(HutchError):
            ask(world, ben, made, WRITE)
    assert alive(world) == set()


def test_one_that_was_never_answered_is_nobodys(world: World, anna: Actor) -> None:
    made = world.create(anna, "scan").id
    create = world.site.accounts.create

    def lost(self: object, *args: object, **kwargs: object) -> None:
        create(*args, **kwargs)  # type: ignore[arg-type]
        raise StoreUnavailableError("the answer was lost")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world.site.accounts), "create", lost)
        with pytest.raises(StoreUnavailableError):
            ask(world, anna, made)
    assert listed(world, anna, made) == []
    assert alive(world) == set()


TAKES: dict[str, Callable[[Work, Actor, Actor, UUID], object]] = {
    name: ACTS[name]
    for name in ("remove member", "delete group", "revoke token", "disable user")
}


@pytest.mark.parametrize("take", TAKES.values(), ids=TAKES.keys())
def test_whoever_asks_while_the_right_goes_gets_nothing(
    busy_world: World, take: Callable[[Work, Actor, Actor, UUID], object]
) -> None:
    world = busy_world
    anna, ben = world.user("anna"), world.user("ben")
    made = world.create(anna, "scan").id
    with world.site.begin() as work:
        groups.create_group(work, anna, GroupIn(name="team"))
        groups.add_member(work, anna, "team", "ben")
    world.share(anna, made, "group:team")
    with ThreadPoolExecutor(1) as pool:
        with world.site.begin() as work:
            take(work, anna, ben, made)
            asked = pool.submit(ask, world, ben, made)
            wait_until_blocked(world.site.engine)
        with pytest.raises((NotFoundError, UnauthenticatedError)):
            asked.result()
    assert alive(world) == set()
