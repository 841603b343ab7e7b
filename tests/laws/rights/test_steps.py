"""Tokens of the steps of runs: their datasets, the routes for steps, and no more.

What a run fills is there for its step alone until it is closed.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from hutch.contract.wire.runs import RunState
from hutch_api.services import attempts, outputs, runs, tokens, users
from hutch_api.services.attempts import Runner
from hutch_api.services.leases import LEASE
from hutch_api.store.run_tables import Run
from hutch_api.store.tables import Token, User
from tests.laws.conftest import Count
from tests.laws.rights.calls import Request, outcome, request_for
from tests.laws.rights.conftest import Backdrop
from tests.laws.rights.table import (
    CALLERS,
    HIDDEN,
    NOBODY,
    ROUTES,
    STEPS,
    UNAUTHENTICATED,
    UNSCOPED,
    Route,
)
from tests.laws.rights.test_hidden import WITH_A_DATASET, told
from tests.laws.rights.world import Cast
from tests.services.world import World

FOR_STEPS: Final = [r for r in ROUTES.values() if r.steps]
ENDED: Final = "409 attempt-ended"
BUT: Final = {
    "GET /v1/datasets/{dataset}/manifest": "409 dataset-open",
    "PATCH /v1/datasets/{dataset}": "200",
    "PUT /v1/previews/{preview}": UNSCOPED,
}
"""What is answered about an output, which is open and no previews."""


def of_step(route: Route, cast: Cast, step: str) -> Request:
    """Write the request of a step about its own dataset, or in its own push."""
    names = {} if "{push}" in route.path else {"dataset": cast.datasets[STEPS[step][0]]}
    return request_for(route, cast, step, **names)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_uses_its_own_dataset(
    backdrop: Backdrop, step: str, count: Count
) -> None:
    cast, wrong = backdrop.cast, {}
    held = backdrop.look()
    for route in FOR_STEPS:
        expected = str(route.ok)
        if route.scope not in STEPS[step][1]:
            expected = UNSCOPED
        elif step == "step-out":
            expected = BUT.get(route.name, expected)
        got = outcome(of_step(route, cast, step).sent_by(step, cast))
        if got != expected:
            wrong[route.name] = (got, expected)
        backdrop.put_back(held)
    assert wrong == {}
    count("cells: route by step, on its dataset", len(FOR_STEPS))


@pytest.mark.parametrize("step", STEPS)
def test_every_other_dataset_is_not_there_for_a_step(
    backdrop: Backdrop, step: str, count: Count
) -> None:
    cast = backdrop.cast
    for route in FOR_STEPS:
        for name, dataset in cast.datasets.items():
            if "{push}" in route.path or name == STEPS[step][0]:
                continue
            missing = uuid4()
            wanted, unreal = (
                request_for(route, cast, step, dataset=d) for d in (dataset, missing)
            )
            seen = told(backdrop, wanted, step, dataset)
            assert seen == told(backdrop, unreal, step, missing), (route.name, name)
            assert seen[0] in {HIDDEN, UNSCOPED}
            count("pairs: hidden and not there", 1)


def test_what_a_run_fills_is_there_for_nobody_but_its_step(
    backdrop: Backdrop, count: Count
) -> None:
    cast, missing = backdrop.cast, uuid4()
    output = cast.datasets["output"]
    for route in WITH_A_DATASET:
        for caller in sorted(set(CALLERS) - NOBODY - {"step-out"}):
            wanted, unreal = (
                request_for(route, cast, caller, dataset=d) for d in (output, missing)
            )
            seen = told(backdrop, wanted, caller, output)
            assert seen == told(backdrop, unreal, caller, missing), (route.name, caller)
            assert seen[0] in {HIDDEN, HIDDEN[:3], UNSCOPED, UNSCOPED[:3]}
            count("pairs: hidden and not there", 1)


def test_the_push_of_a_step_is_not_its_owners(backdrop: Backdrop) -> None:
    cast = backdrop.cast
    theirs, missing = cast.pushes["step-out"].id, uuid4()
    for route in (r for r in ROUTES.values() if r.needs == "push"):
        for caller in ("owner", "writer", "elsewhere", "admin"):
            first, second = (
                request_for(route, cast, "step-out", push=p) for p in (theirs, missing)
            )
            seen = told(backdrop, first, caller, theirs)
            assert seen == told(backdrop, second, caller, missing)
            assert seen[0] == HIDDEN


def test_nobody_derives_from_or_makes_a_token_for_what_a_run_fills(cast: Cast) -> None:
    for path, scope, body in (
        ("/v1/datasets", "create", {"name": "child", "inputs": "here"}),
        ("/v1/tokens", "account", {"name": "t", "datasets": "here"}),
    ):
        whole: dict[str, Any] = {
            name: [str(cast.datasets["output"])] if value == "here" else value
            for name, value in body.items()
        }
        if scope == "account":
            soon = cast.site.clock() + timedelta(days=1)
            whole |= {"scopes": ["read"], "expires_at": soon.isoformat()}
        request = Request("POST", path, scope, {"json": whole})
        assert outcome(request.sent_by("owner", cast)) == HIDDEN


def test_an_admin_does_not_give_what_a_run_of_a_disabled_user_fills(
    backdrop: Backdrop, cast: Cast
) -> None:
    with cast.site.begin() as work:
        owner = work.session.exec(select(User).where(User.name == "owner")).one()
        owner.disabled_at = work.now
    held = backdrop.look()
    give = ROUTES["PUT /v1/datasets/{dataset}/owner"]
    request = request_for(give, cast, "admin", dataset=cast.datasets["output"])
    assert outcome(request.sent_by("admin", cast)) == HIDDEN
    assert backdrop.look() == held


def test_what_a_run_has_filled_is_there_when_it_is_closed(cast: Cast) -> None:
    site, output = cast.site, cast.datasets["output"]
    for act in ("finish", "aborts"):
        route = ROUTES[f"POST /v1/pushes/{{push}}/{act}"]
        assert request_for(route, cast, "step-out").sent_by("step-out", cast).is_success
    runner = Runner(name="bench", holder=uuid4(), executor="engine")
    [taken] = attempts.take_over(site, runner)
    outputs.accept(site, taken.lease)
    assert read(cast, "owner", output) == HIDDEN
    assert read(cast, "step-out", output) == ENDED
    assert outputs.finish(site, taken.lease)
    assert read(cast, "owner", output) == "200"
    assert read(cast, "step-out", output) == ENDED
    assert read(cast, "reader", output) == HIDDEN


def read(cast: Cast, caller: str, dataset: UUID) -> str:
    path = f"/v1/datasets/{dataset}"
    return outcome(Request("GET", path, "read").sent_by(caller, cast))


def live(cast: Cast) -> UUID:
    with cast.site.look() as work:
        return work.session.exec(select(Run.id).where(Run.name == "live")).one()


def cancel(cast: Cast) -> None:
    with cast.site.begin() as work:
        owner = World(cast.site).actor(cast.tokens["owner"])
        runs.cancel_run(work, owner, live(cast))


def let_the_lease_end(cast: Cast) -> None:
    with cast.site.begin() as work:
        row = work.session.get_one(Run, live(cast))
        assert row.leased_until is not None
        row.leased_until -= LEASE


def revoke_the_token(cast: Cast) -> None:
    with cast.site.begin() as work:
        begun_by = work.session.get_one(Run, live(cast)).token_id
        work.session.get_one(Token, begun_by).revoked_at = work.now


def log_the_owner_out(cast: Cast) -> None:
    with cast.site.begin() as work:
        begun_by = work.session.get_one(Run, live(cast)).token_id
        owner = World(cast.site).actor(cast.tokens["owner"])
        assert begun_by is not None
        tokens.revoke_token(work, owner, begun_by)


def disable_the_owner(cast: Cast) -> None:
    with cast.site.begin() as work:
        users.disable_user(work, "owner")


def try_again(cast: Cast) -> None:
    """Give the run to another attempt."""
    with cast.site.begin() as work:
        row = work.session.get_one(Run, live(cast))
        row.attempt_id = uuid4()


def close_the_output(cast: Cast) -> None:
    with cast.site.begin() as work:
        work.session.get_one(Run, live(cast)).state = RunState.CLOSING


ENDS: Final[dict[str, tuple[Callable[[Cast], None], str]]] = {
    "it is cancelled": (cancel, ENDED),
    "its lease ends": (let_the_lease_end, ENDED),
    "another attempt goes on": (try_again, ENDED),
    "its output is closed": (close_the_output, ENDED),
    "the token that began it is revoked": (revoke_the_token, UNAUTHENTICATED),
    "the session that began it ends": (log_the_owner_out, UNAUTHENTICATED),
    "its owner is disabled": (disable_the_owner, UNAUTHENTICATED),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_ends_with_its_run_on_the_next_request(
    cast: Cast, backdrop: Backdrop, end: str, step: str, count: Count
) -> None:
    act, expected = ENDS[end]
    act(cast)
    held = backdrop.look()
    for route in ROUTES.values():
        if route.needs != "public":
            got = outcome(of_step(route, cast, step).sent_by(step, cast))
            assert got in {expected, expected[:3]}, route.name
            count("calls refused after a run ended", 1)
    claim = request_for(ROUTES["POST /v1/claims"], cast, step)
    assert outcome(claim.sent_by("anonymous", cast)) == expected
    assert backdrop.look() == held
