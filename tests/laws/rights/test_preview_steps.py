"""The step that sends previews can do that and nothing else; nobody else can."""

from typing import Final
from uuid import UUID, uuid4

import pytest

from hutch.contract.wire.runs import ClaimIn, RunIn, StepKind
from hutch_api.domain.system import EXECUTOR, PREVIEW
from hutch_api.services import attempts, claims, outputs, previews, runs, system
from hutch_api.services.attempts import Assignment, Runner
from tests.laws.conftest import Count
from tests.laws.rights.calls import outcome, request_for
from tests.laws.rights.conftest import Backdrop
from tests.laws.rights.table import HIDDEN, ROUTES, UNSCOPED
from tests.laws.rights.test_steps import ENDED
from tests.laws.rights.world import Cast, note_use
from tests.services.world import World

SENDS: Final = ROUTES["PUT /v1/previews/{preview}"]
READS: Final = ROUTES["GET /v1/datasets/{dataset}/previews"]


def begin(cast: Cast) -> Assignment:
    """Begin a run of the owner's that makes previews; its steps become callers."""
    system.ensure(cast.site)
    owner = World(cast.site).actor(cast.tokens["owner"])
    scan = cast.datasets["closed"]
    with cast.site.begin() as work:
        wanted = RunIn(definition=PREVIEW.name, inputs={"dataset": scan})
        runs.start_run(work, owner, wanted)
    runner = Runner(name="near", holder=uuid4(), executor=EXECUTOR)
    taken = attempts.take(cast.site, runner)
    assert taken is not None
    for step in StepKind:
        code = claims.make_claim(cast.site, taken.lease, step)
        job = claims.redeem(cast.site, ClaimIn(code=code), request_id="r")
        cast.tokens[f"preview-{step}"] = job.token
    note_use(cast.site)
    return taken


@pytest.fixture
def taken(cast: Cast) -> Assignment:
    return begin(cast)


def test_the_step_that_sends_previews_can_do_nothing_else(
    cast: Cast, backdrop: Backdrop, taken: Assignment, count: Count
) -> None:
    assert taken.image == "system"
    held, wrong = backdrop.look(), {}
    for route in ROUTES.values():
        if route.needs == "public":
            continue
        request = request_for(route, cast, "owner")
        got = outcome(request.sent_by("preview-out", cast))
        if route is SENDS:
            assert got == "204"
            assert backdrop.look() != held
            backdrop.put_back(held)
            held = backdrop.look()
        elif got[:3] not in {UNSCOPED[:3], HIDDEN[:3]} or backdrop.look() != held:
            wrong[route.name] = got
        count("calls of a step that sends previews", 1)
    assert wrong == {}


@pytest.mark.parametrize("step", ["preview-in", "preview-main"])
def test_the_steps_before_it_send_none(
    cast: Cast, backdrop: Backdrop, taken: Assignment, step: str
) -> None:
    assert taken.number == 1
    held = backdrop.look()
    assert outcome(request_for(SENDS, cast, step).sent_by(step, cast)) == UNSCOPED
    assert backdrop.look() == held


def test_what_it_sends_is_there_for_those_who_may_read_when_it_has_succeeded(
    cast: Cast, taken: Assignment
) -> None:
    sent = request_for(SENDS, cast, "owner").sent_by("preview-out", cast)
    assert outcome(sent) == "204"
    assert items(cast, "reader") == []
    outputs.accept(cast.site, taken.lease)
    again = request_for(SENDS, cast, "owner").sent_by("preview-out", cast)
    assert outcome(again) == ENDED
    assert outputs.finish(cast.site, taken.lease)
    for caller in ("owner", "writer", "member", "reader"):
        assert items(cast, caller) == ["0001.png"]
    for caller in ("stranger", "admin", "beamline", "former", "elsewhere"):
        answer = request_for(READS, cast, caller).sent_by(caller, cast)
        assert outcome(answer) == HIDDEN


def items(cast: Cast, caller: str) -> list[str]:
    answer = request_for(READS, cast, caller).sent_by(caller, cast)
    return [one["name"] for one in answer.json()["items"]]


def test_it_ends_with_its_run(cast: Cast, taken: Assignment) -> None:
    owner = World(cast.site).actor(cast.tokens["owner"])
    with cast.site.begin() as work:
        runs.cancel_run(work, owner, taken.lease.run)
    request = request_for(SENDS, cast, "owner")
    assert outcome(request.sent_by("preview-out", cast)) == ENDED
    with cast.site.look() as work:
        assert previews.count(work, taken.lease.attempt) == 0


def test_the_previews_of_nothing_are_not_there(cast: Cast) -> None:
    for dataset in (uuid4(), UUID(int=0)):
        request = request_for(READS, cast, "owner", dataset=dataset)
        assert outcome(request.sent_by("owner", cast)) == HIDDEN
