"""What one may not read is answered as what there is not: in everything that shows.

Compared are status, headers and body, and, in place of a clock, the statements sent
to the database and the calls of the store.
"""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from hutch.contract.wire.datasets import State
from hutch_api.store.tables import Dataset
from tests.laws.conftest import Count
from tests.laws.rights.calls import Request, outcome, request_for
from tests.laws.rights.conftest import Backdrop
from tests.laws.rights.table import CALLERS, HIDDEN, ROUTES, Route
from tests.laws.rights.world import Cast

WITH_A_DATASET: Final = [r for r in ROUTES.values() if "{dataset}" in r.path]
STATES: Final = ("open", "closed", "closing", "deleting", "deleted")
NOBODYS_NAME: Final = "maet"
"""No group; as long as the name of the one there is."""


def told(backdrop: Backdrop, request: Request, caller: str, *names: object) -> Any:
    """Everything that a caller can tell of an answer, with these names blotted out."""
    backdrop.asked()
    answer = request.sent_by(caller, backdrop.cast)
    statements, calls = backdrop.asked()
    text = answer.text
    for name in names:
        text = text.replace(str(name), "X")
    headers = {n: v for n, v in answer.headers.items() if n != "x-request-id"}
    return outcome(answer), headers, text, statements, calls


def nothing_like(route: Route) -> dict[str, object]:
    """Names of the same form as those on a route, of things that are not there."""
    return {
        name: value
        for name, value in {
            "dataset": uuid4(),
            "push": uuid4(),
            "operation": uuid4(),
            "token": uuid4(),
            "account": uuid4(),
            "run": uuid4(),
            "rule": uuid4(),
            "group": NOBODYS_NAME,
        }.items()
        if f"{{{name}}}" in route.path
    }


def names_of(route: Route, cast: Cast, caller: str) -> dict[str, object]:
    """The names that a route's request holds."""
    return {
        "dataset": cast.datasets[route.on],
        "push": cast.push_of(caller).id,
        "operation": cast.operation,
        "token": cast.token,
        "account": cast.account,
        "run": cast.run,
        "rule": cast.rule,
        "group": "team",
    }


@pytest.mark.parametrize(
    "route",
    [r for r in ROUTES.values() if HIDDEN in map(r.expects, CALLERS)],
    ids=lambda r: r.name,
)
def test_what_is_hidden_and_what_is_not_there_are_answered_alike(
    backdrop: Backdrop, route: Route, count: Count
) -> None:
    cast, different, pairs = backdrop.cast, {}, 0
    for caller in CALLERS:
        if route.expects(caller) != HIDDEN:
            continue
        instead = nothing_like(route)
        real = request_for(route, cast, caller)
        unreal = request_for(route, cast, caller, **instead)
        known = [names_of(route, cast, caller)[name] for name in instead]
        first = told(backdrop, real, caller, *known)
        second = told(backdrop, unreal, caller, *instead.values())
        pairs += 1
        if first != second:
            different[caller] = [
                p for p in zip(first, second, strict=True) if p[0] != p[1]
            ]
    assert different == {}
    count("pairs: hidden and not there", pairs)


def put_into(cast: Cast, dataset: UUID, state: str) -> None:
    with cast.site.begin() as work:
        work.session.get_one(Dataset, dataset).state = State(state)


@pytest.mark.parametrize("state", STATES)
def test_whatever_state_it_is_in(
    cast: Cast, backdrop: Backdrop, state: str, count: Count
) -> None:
    hidden = cast.datasets["closed"]
    put_into(cast, hidden, state)
    for route in WITH_A_DATASET:
        for caller in ("stranger", "elsewhere"):
            wanted, missing = (
                request_for(route, cast, caller, dataset=d) for d in (hidden, uuid4())
            )
            unreal = missing.path.split("/")[3]
            first = told(backdrop, wanted, caller, hidden)
            assert first == told(backdrop, missing, caller, unreal), route.name
            count("pairs: hidden and not there", 1)


@pytest.mark.parametrize("caller", ["stranger", "reader", "member", "admin"])
def test_a_push_of_somebody_else_is_not_there(backdrop: Backdrop, caller: str) -> None:
    cast = backdrop.cast
    theirs = cast.pushes["writer"].id
    for route in (r for r in ROUTES.values() if r.needs == "push"):
        instead = uuid4()
        first = request_for(route, cast, "writer", push=theirs)
        second = request_for(route, cast, "writer", push=instead)
        seen = told(backdrop, first, caller, theirs)
        assert seen == told(backdrop, second, caller, instead)
        assert seen[0] == HIDDEN


def test_a_token_that_does_not_reach_the_dataset_of_a_push_is_not_told_which_it_is(
    backdrop: Backdrop,
) -> None:
    cast = backdrop.cast
    for route in (r for r in ROUTES.values() if r.needs == "push"):
        answer = request_for(route, cast, "elsewhere").sent_by("elsewhere", cast)
        assert str(cast.datasets["open"]) not in answer.text


def inputs(*parents: UUID) -> dict[str, Any]:
    return {"name": "child", "inputs": [str(p) for p in parents]}


@pytest.mark.parametrize("caller", ["stranger", "former", "admin", "beamline"])
def test_deriving_from_what_is_hidden(backdrop: Backdrop, caller: str) -> None:
    cast, missing = backdrop.cast, uuid4()
    for name in ("closed", "open"):
        hidden = cast.datasets[name]
        first, second = (
            Request("POST", "/v1/datasets", "create", {"json": inputs(d)})
            for d in (hidden, missing)
        )
        seen = told(backdrop, first, caller, hidden)
        assert seen == told(backdrop, second, caller, missing)
        assert seen[0] == HIDDEN


@pytest.mark.parametrize("caller", ["stranger", "former", "admin", "beamline"])
def test_running_on_what_is_hidden(backdrop: Backdrop, caller: str) -> None:
    """Datasets of others, and runs of others that will make one."""
    cast, missing = backdrop.cast, uuid4()
    route = ROUTES["POST /v1/runs"]
    for hidden in (cast.datasets["closed"], cast.datasets["open"], cast.run):
        first, second = (request_for(route, cast, caller) for _ in range(2))
        first.options["json"]["inputs"] = {"scan": str(hidden)}
        second.options["json"]["inputs"] = {"scan": str(missing)}
        seen = told(backdrop, first, caller, hidden)
        assert seen == told(backdrop, second, caller, missing)
        assert seen[0] == HIDDEN


@pytest.mark.parametrize("caller", ["stranger", "former", "admin", "beamline"])
def test_a_token_for_what_is_hidden(backdrop: Backdrop, caller: str) -> None:
    cast, hidden, missing = backdrop.cast, backdrop.cast.datasets["open"], uuid4()
    first, second = (
        Request("POST", "/v1/tokens", "account", {"json": body})
        for body in (_lasting(cast, hidden), _lasting(cast, missing))
    )
    seen = told(backdrop, first, caller, hidden)
    assert seen == told(backdrop, second, caller, missing)
    assert seen[0] == HIDDEN


def _lasting(cast: Cast, dataset: UUID) -> dict[str, Any]:
    return {
        "name": "t",
        "scopes": ["read"],
        "expires_at": (cast.site.clock() + timedelta(days=1)).isoformat(),
        "datasets": [str(dataset)],
    }
