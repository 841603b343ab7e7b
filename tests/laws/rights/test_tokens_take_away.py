"""What a token may do: its scopes, its datasets and its user's rights, all now."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlmodel import col, select

from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.transfer import SignedRequest
from hutch_api.adapters.memory import MemoryStore
from hutch_api.services import revocation, users
from hutch_api.store.tables import Member, Token, User
from tests.http.people import issue_token
from tests.laws.conftest import Count
from tests.laws.rights.calls import outcome, request_for
from tests.laws.rights.conftest import Backdrop
from tests.laws.rights.table import (
    FORBIDDEN,
    HIDDEN,
    ROUTES,
    UNAUTHENTICATED,
    UNSCOPED,
    Route,
)
from tests.laws.rights.world import SENT, Cast
from tests.transfer.flow import crc

PROTECTED: Final = [r for r in ROUTES.values() if r.needs != "public"]


def user_id(cast: Cast, name: str) -> Any:
    with cast.site.look() as work:
        return work.session.exec(select(User.id).where(User.name == name)).one()


def by(cast: Cast, name: str, **limits: Any) -> None:
    """Let the caller ``weak`` come with a token of this user."""
    cast.tokens["weak"] = issue_token(cast.site, user_id(cast, name), **limits)


def answered(cast: Cast, caller: str, route: str, **instead: object) -> str:
    return outcome(
        request_for(ROUTES[route], cast, caller, **instead).sent_by(caller, cast)
    )


@pytest.mark.parametrize("scope", list(Scope))
def test_a_token_with_one_scope_is_good_for_that_alone(
    backdrop: Backdrop, scope: Scope, count: Count
) -> None:
    cast, wrong = backdrop.cast, {}
    by(cast, "owner", scopes=[scope])
    held = backdrop.look()
    for route in PROTECTED:
        request = request_for(route, cast, "owner")
        if route.name == "POST /v1/tokens":
            request.options["json"]["scopes"] = [scope]
        got = outcome(request.sent_by("weak", cast))
        enough = route.scope in {scope, None} and route.also is None
        expected = route.expects("owner") if enough else UNSCOPED
        if got != (expected[:3] if route.method == "HEAD" else expected):
            wrong[route.name] = (got, expected)
        backdrop.put_back(held)
    assert wrong == {}
    count("cells: route by scope of the token", len(PROTECTED))


@pytest.mark.parametrize("route", [r for r in ROUTES.values() if r.also])
def test_a_route_that_takes_two_scopes_takes_both(
    backdrop: Backdrop, route: Route
) -> None:
    held = backdrop.look()
    request = replace(request_for(route, backdrop.cast, "owner"), scope=route.also)
    assert outcome(request.sent_by("unscoped", backdrop.cast)) == UNSCOPED
    assert backdrop.look() == held


def test_a_token_with_every_scope_has_no_more_rights_than_its_user(cast: Cast) -> None:
    cast.tokens["weak"] = cast.tokens["reader"]
    patch = "PATCH /v1/datasets/{dataset}"
    assert answered(cast, "weak", patch) == FORBIDDEN
    share = "PUT /v1/datasets/{dataset}/shares/{kind}/{name}"
    request = request_for(ROUTES[share], cast, "owner", name="reader")
    request.options["json"] = {"right": "write"}
    assert outcome(request.sent_by("owner", cast)) == "200"
    assert answered(cast, "weak", patch) == "200"
    request.options["json"] = {"right": "read"}
    request.sent_by("owner", cast)
    assert answered(cast, "weak", patch) == FORBIDDEN
    unshare = "DELETE /v1/datasets/{dataset}/shares/{kind}/{name}"
    assert answered(cast, "owner", unshare, name="reader") == "204"
    assert answered(cast, "weak", patch) == HIDDEN


def test_a_token_for_a_dataset_gives_no_right_on_it(cast: Cast) -> None:
    by(cast, "stranger", datasets=[cast.datasets["open"]])
    assert answered(cast, "weak", "GET /v1/datasets/{dataset}") == HIDDEN
    by(cast, "reader", datasets=[cast.datasets["open"]])
    assert answered(cast, "weak", "GET /v1/datasets/{dataset}") == "200"
    closed = cast.datasets["closed"]
    got = answered(cast, "weak", "GET /v1/datasets/{dataset}", dataset=closed)
    assert got == HIDDEN


KEY: Final = {"Idempotency-Key": "k"}
ONCE: Final = (
    "POST /v1/datasets",
    "POST /v1/tokens",
    "POST /v1/datasets/{dataset}/pushes",
    "POST /v1/runs",
)


@pytest.mark.parametrize("route", ONCE)
def test_a_request_sent_again_needs_what_it_needed_first(
    cast: Cast, route: str
) -> None:
    request = request_for(ROUTES[route], cast, "owner")
    request.options["headers"] = KEY
    assert request.sent_by("owner", cast).is_success
    assert outcome(request.sent_by("unscoped", cast)) == UNSCOPED
    again = request.sent_by("elsewhere", cast)
    assert again.is_error
    assert str(cast.datasets["open"]) not in again.text.replace(request.path, "")


def test_a_request_sent_again_tells_a_limited_token_nothing_of_what_it_made(
    cast: Cast,
) -> None:
    request = request_for(ROUTES["POST /v1/datasets"], cast, "owner")
    request.options["headers"] = KEY
    made = request.sent_by("owner", cast).json()["id"]
    again = request.sent_by("elsewhere", cast)
    assert outcome(again) == UNSCOPED
    assert made not in again.text


def test_a_key_of_somebody_else_is_another_key(cast: Cast) -> None:
    request = request_for(ROUTES["POST /v1/datasets"], cast, "owner")
    request.options["headers"] = KEY
    first, second = (request.sent_by(who, cast).json() for who in ("owner", "stranger"))
    assert first["id"] != second["id"]
    assert (first["owner"], second["owner"]) == ("owner", "stranger")


def disable(cast: Cast) -> None:
    with cast.site.begin() as work:
        users.disable_user(work, "writer")
    revocation.settle(cast.site)


def revoke(cast: Cast) -> None:
    with cast.site.look() as work:
        hashed = cast.site.keys.token_hash(cast.tokens["writer"])
        token = work.session.exec(select(Token.id).where(Token.hash == hashed)).one()
    by(cast, "writer")
    got = answered(cast, "weak", "DELETE /v1/tokens/{token}", token=token)
    assert got == "204"


def into_the_group(cast: Cast) -> None:
    """Let the writer's right be that of the group."""
    answered(cast, "owner", "DELETE /v1/datasets/{dataset}/shares/{kind}/{name}")
    add = "PUT /v1/groups/{group}/members/{user}"
    assert answered(cast, "owner", add, user="writer") == "200"


def nothing(cast: Cast) -> None:
    """Leave the writer's right as it is."""


def out_of_the_group(cast: Cast) -> None:
    remove = "DELETE /v1/groups/{group}/members/{user}"
    assert answered(cast, "owner", remove, user="writer") == "200"


def end_the_group(cast: Cast) -> None:
    assert answered(cast, "owner", "DELETE /v1/groups/{group}") == "204"


def unshare(cast: Cast) -> None:
    take = "DELETE /v1/datasets/{dataset}/shares/{kind}/{name}"
    assert answered(cast, "owner", take) == "204"


def lower(cast: Cast) -> None:
    give = "PUT /v1/datasets/{dataset}/shares/{kind}/{name}"
    assert answered(cast, "owner", give) == "200"


def log_out(cast: Cast) -> None:
    assert answered(cast, "writer", "POST /v1/logout") == "204"


Act = Callable[[Cast], None]
ENDS: Final[dict[str, tuple[Act, Act, str, str]]] = {
    "unshare": (nothing, unshare, HIDDEN, HIDDEN),
    "lower the share": (nothing, lower, "200", FORBIDDEN),
    "remove from the group": (into_the_group, out_of_the_group, HIDDEN, HIDDEN),
    "delete the group": (into_the_group, end_the_group, HIDDEN, HIDDEN),
    "revoke the token": (nothing, revoke, UNAUTHENTICATED, UNAUTHENTICATED),
    "log out": (nothing, log_out, UNAUTHENTICATED, UNAUTHENTICATED),
    "disable the user": (nothing, disable, UNAUTHENTICATED, UNAUTHENTICATED),
}
"""How write ends: how it was given, what ends it, then what reading and writing get."""


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_a_right_acts_on_the_next_request(
    cast: Cast, backdrop: Backdrop, end: str, count: Count
) -> None:
    before, act, reading, writing = ENDS[end]
    before(cast)
    push = request_for(ROUTES["POST /v1/datasets/{dataset}/pushes"], cast, "writer")
    mine = push.sent_by("writer", cast).json()["id"]
    announce = request_for(
        ROUTES["POST /v1/pushes/{push}/uploads"], cast, "writer", push=mine
    )
    [upload] = announce.sent_by("writer", cast).json()["files"]
    act(cast)
    calls = 0
    for route in ROUTES.values():
        if route.needs in {"read", "write", "push"} and route.on == "open":
            names = {"push": mine} if "{push}" in route.path else {}
            got = request_for(route, cast, "writer", **names).sent_by("writer", cast)
            expected = (
                (str(route.ok) if reading == "200" else reading)
                if (route.needs == "read")
                else writing
            )
            shown = expected[:3] if route.method == "HEAD" else expected
            assert outcome(got) == shown, route.name
            calls += 1
    assert isinstance(backdrop.store, MemoryStore)
    late = backdrop.store.send(SignedRequest(**upload["request"]), SENT)
    assert late.status == 403
    assert upload["request"]["headers"]["x-amz-checksum-crc64nvme"] == crc(SENT)
    count("calls refused after a right ended", calls)


def test_a_user_who_is_enabled_again_has_no_token_from_before(cast: Cast) -> None:
    disable(cast)
    with cast.site.begin() as work:
        users.enable_user(work, "writer")
    assert answered(cast, "writer", "GET /v1/whoami") == UNAUTHENTICATED


def test_a_token_ends_at_its_time(cast: Cast) -> None:
    clock: Any = cast.site.clock
    by(cast, "writer", days=1)
    clock.move(timedelta(days=1, seconds=-1))
    try:
        assert answered(cast, "weak", "GET /v1/whoami") == "200"
        clock.move(timedelta(seconds=1))
        assert answered(cast, "weak", "GET /v1/whoami") == UNAUTHENTICATED
    finally:
        clock.move(timedelta(days=-1))


def test_the_group_that_the_former_member_was_in_still_gives_its_right(
    cast: Cast,
) -> None:
    """Or else the former member would be refused for another reason."""
    route = "GET /v1/datasets/{dataset}"
    assert answered(cast, "former", route) == HIDDEN
    with cast.site.begin() as work:
        group = work.session.exec(
            select(Member.group_id).where(
                col(Member.user_id) == user_id(cast, "member")
            )
        ).one()
        work.session.add(Member(group_id=group, user_id=user_id(cast, "former")))
    assert answered(cast, "former", route) == "200"
