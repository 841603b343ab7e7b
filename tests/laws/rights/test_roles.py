"""What a role may: admins see and close nobody's data, beamlines make for others."""

from typing import Any, Final

import pytest
from sqlmodel import select

from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import State
from hutch_api.store.tables import Audit, Dataset, User
from tests.http.people import issue_token
from tests.laws.conftest import Count
from tests.laws.rights.calls import Request, outcome, request_for
from tests.laws.rights.conftest import Backdrop
from tests.laws.rights.table import FORBIDDEN, HIDDEN, ROUTES, UNSCOPED
from tests.laws.rights.test_hidden import told
from tests.laws.rights.world import Cast, note_use

GIVE: Final = ROUTES["PUT /v1/datasets/{dataset}/owner"]
UNSHARE: Final = ROUTES["DELETE /v1/datasets/{dataset}/shares/{kind}/{name}"]


def orphan(cast: Cast) -> None:
    """Disable the owner of everything."""
    with cast.site.begin() as work:
        row = work.session.exec(select(User).where(User.name == "owner")).one()
        row.disabled_at = work.now


def admin_with(cast: Cast, **limits: Any) -> None:
    with cast.site.look() as work:
        query = select(User.id).where(User.name == "admin")
        admin = work.session.exec(query).one()
    cast.tokens["weak"] = issue_token(cast.site, admin, **limits)
    note_use(cast.site)


def give(cast: Cast, caller: str, to: str = "stranger") -> Any:
    request = request_for(GIVE, cast, caller)
    request.options["json"] = {"owner": to}
    return request.sent_by(caller, cast)


def create(cast: Cast, caller: str, name: str, **more: Any) -> Any:
    body = {"json": {"name": name, **more}}
    return Request("POST", "/v1/datasets", "create", body).sent_by(caller, cast)


def read(cast: Cast, caller: str, dataset: object) -> str:
    path = f"/v1/datasets/{dataset}"
    return outcome(Request("GET", path, "read").sent_by(caller, cast))


def test_an_admin_gives_what_an_owner_left_and_sees_nothing_of_it(
    cast: Cast, count: Count
) -> None:
    orphan(cast)
    answer = give(cast, "admin")
    assert (answer.status_code, answer.content) == (204, b"")
    for route in ROUTES.values():
        if route.needs in {"read", "write", "own"} and route is not GIVE:
            got = request_for(route, cast, "admin").sent_by("admin", cast)
            assert got.status_code == 404, route.name
            count("calls of an admin on what they gave away", 1)
    assert read(cast, "stranger", cast.datasets["open"]) == "200"
    with cast.site.look() as work:
        query = select(Audit.facts).where(Audit.action == "give")
        assert work.session.exec(query).all() == [{"old": "owner", "new": "stranger"}]


def test_an_admin_does_nothing_else_with_what_an_owner_left(
    backdrop: Backdrop, cast: Cast
) -> None:
    orphan(cast)
    held = backdrop.look()
    for route in ROUTES.values():
        if route.needs in {"read", "write", "own", "push"} and route is not GIVE:
            got = request_for(route, cast, "admin").sent_by("admin", cast)
            assert got.status_code == 404, route.name
    assert backdrop.look() == held


def test_an_admins_token_only_takes_away(backdrop: Backdrop, cast: Cast) -> None:
    orphan(cast)
    admin_with(cast, scopes=[s for s in Scope if s is not Scope.SHARE])
    held = backdrop.look()
    assert outcome(give(cast, "weak")) == UNSCOPED
    assert backdrop.look() == held
    admin_with(cast, datasets=[cast.datasets["other"]])
    held = backdrop.look()
    assert outcome(give(cast, "weak")) == HIDDEN
    assert backdrop.look() == held


@pytest.mark.parametrize(
    ("state", "status"), [("closing", 409), ("deleting", 410), ("deleted", 410)]
)
def test_a_refusal_does_not_tell_an_admin_what_an_orphan_is_called(
    cast: Cast, state: str, status: int
) -> None:
    orphan(cast)
    with cast.site.begin() as work:
        row = work.session.get_one(Dataset, cast.datasets["open"])
        row.name, row.state = "gallstones", State(state)
    answer = give(cast, "admin")
    assert answer.status_code == status
    assert "gallstones" not in answer.text


def test_an_admin_is_not_told_of_names_when_giving_an_orphan(cast: Cast) -> None:
    assert create(cast, "stranger", "open").status_code == 201
    orphan(cast)
    answer = give(cast, "admin")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("caller", "expected"),
    [("stranger", HIDDEN), ("beamline", HIDDEN), ("reader", FORBIDDEN)],
)
def test_nobody_else_gives_an_orphan(cast: Cast, caller: str, expected: str) -> None:
    orphan(cast)
    assert outcome(give(cast, caller)) == expected


def test_an_admin_does_not_give_what_has_an_owner(cast: Cast) -> None:
    assert outcome(give(cast, "admin")) == HIDDEN


def test_a_beamline_makes_for_others_and_keeps_write_as_long_as_they_like(
    cast: Cast,
) -> None:
    made = create(cast, "beamline", "scan", owner="stranger").json()
    assert (made["owner"], made["creator"], made["right"]) == (
        "stranger",
        "beamline",
        "write",
    )
    close = Request("POST", f"/v1/datasets/{made['id']}/close", "close", {"json": {}})
    assert outcome(close.sent_by("beamline", cast)) == FORBIDDEN
    unshare = request_for(
        UNSHARE, cast, "stranger", dataset=made["id"], name="beamline"
    )
    assert outcome(unshare.sent_by("stranger", cast)) == "204"
    assert read(cast, "beamline", made["id"]) == HIDDEN


@pytest.mark.parametrize("caller", ["stranger", "admin", "writer"])
def test_nobody_else_makes_for_others(cast: Cast, caller: str) -> None:
    for owner in ("owner", "nobody"):
        assert outcome(create(cast, caller, "scan", owner=owner)) == FORBIDDEN


def test_a_beamline_does_not_learn_which_names_an_owner_has(
    backdrop: Backdrop, cast: Cast
) -> None:
    assert create(cast, "beamline", "open", owner="owner").status_code == 201
    again = create(cast, "beamline", "open", owner="owner")
    assert outcome(again) == "409 name-taken"  # by the one that it made and sees


def test_giving_does_not_tell_which_names_somebody_has(
    backdrop: Backdrop, cast: Cast
) -> None:
    assert create(cast, "owner", "enamel").status_code == 201
    seen = []
    for name in ("enamel", "dentin"):
        made = create(cast, "stranger", name).json()["id"]
        body = {"json": {"owner": "owner"}}
        request = Request("PUT", f"/v1/datasets/{made}/owner", "share", body)
        seen.append(told(backdrop, request, "stranger", made, name))
    assert seen[0][0] == "200"
    assert seen[0] == seen[1]


@pytest.mark.parametrize("field", ["name", "description", "keywords"])
def test_who_may_write_does_not_rename(cast: Cast, field: str) -> None:
    value = ["x"] if field == "keywords" else "x"
    for caller, expected in (
        ("owner", "200"),
        ("writer", FORBIDDEN),
        ("member", FORBIDDEN),
        ("reader", FORBIDDEN),
        ("stranger", HIDDEN),
    ):
        path = f"/v1/datasets/{cast.datasets['open']}"
        request = Request("PATCH", path, "write", {"json": {field: value}})
        assert outcome(request.sent_by(caller, cast)) == expected
