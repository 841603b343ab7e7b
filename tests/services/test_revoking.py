"""Whatever takes a right to write away ends the store account of the dataset."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from hutch.contract.wire.accounts import GroupIn
from hutch.contract.wire.datasets import OwnerIn, PrincipalKind, Right
from hutch_api.domain.access import Actor
from hutch_api.domain.accounts import Access
from hutch_api.services import datasets, groups, sharing, tokens, users
from hutch_api.services.work import Work
from hutch_api.store.tables import Account, AccountState, Push
from tests.services.world import World

Act = Callable[[Work, Actor, Actor, UUID], object]
ACTS: dict[str, Act] = {
    "unshare": lambda work, anna, _, made: sharing.unshare(
        work, anna, made, kind=PrincipalKind.GROUP, name="team"
    ),
    "remove member": lambda work, anna, *_: groups.remove_member(
        work, anna, "team", "ben"
    ),
    "delete group": lambda work, anna, *_: groups.delete_group(work, anna, "team"),
    "give": lambda work, anna, _, made: datasets.give_dataset(
        work, anna, made, OwnerIn(owner="ben")
    ),
    "revoke token": lambda work, _, ben, __: tokens.revoke_token(
        work, ben, ben.token or uuid4()
    ),
    "log out": lambda work, _, ben, __: tokens.log_out(work, ben),
    "disable user": lambda work, *_: users.disable_user(work, "ben"),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_who_may_write_no_more_leaves_no_store_account(
    world: World, anna: Actor, ben: Actor, act: Act
) -> None:
    made = world.create(anna, "scan").id
    with world.site.begin() as work:
        groups.create_group(work, anna, GroupIn(name="team"))
        groups.add_member(work, anna, "team", "ben")
    world.share(anna, made, "group:team", Right.WRITE)
    with world.site.begin() as work:
        now = work.now
        work.session.add(
            Push(
                id=uuid4(),
                dataset_id=made,
                actor_id=ben.user,
                token_id=ben.token,
                created_at=now,
                used_at=now,
            )
        )
        work.session.add(
            Account(
                generation="g",
                access=Access.PUT,
                dataset_id=made,
                key_id="K" * 20,
                server_key=1,
                state=AccountState.LIVE,
                created_at=now,
                used_at=now,
                expires_at=now + timedelta(hours=1),
            )
        )
    with world.site.begin() as work:
        act(work, anna, ben, made)
    with world.site.look() as work:
        state = work.session.get_one(Account, "g").state
    assert state is AccountState.DELETING
