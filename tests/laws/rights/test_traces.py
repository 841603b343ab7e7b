"""Nothing that one may not read leaves a trace in what one may.

Everybody is asked everything twice: before the hidden things are there, and after.
The answers are the same to the byte, and so are the statements behind them.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from statistics import median
from time import perf_counter_ns
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from hutch.contract.wire.accounts import GroupIn
from hutch.contract.wire.datasets import Right
from hutch_api.domain.access import Actor
from hutch_api.services import groups
from hutch_api.services.work import Site
from hutch_api.store.run_tables import Run
from tests.http.people import issue_token
from tests.laws.conftest import Count
from tests.laws.rights import derived
from tests.laws.rights.calls import Request
from tests.laws.rights.conftest import Backdrop
from tests.laws.rights.test_hidden import told
from tests.laws.rights.world import Cast, note_use
from tests.services.world import World

VIEWERS: Final = (
    *("reader", "writer", "member", "stranger", "admin", "beamline", "former"),
    "elsewhere",
)
SECRET: Final = "gallstones"
LISTS: Final = (
    "/v1/datasets",
    "/v1/datasets?limit=1",
    "/v1/datasets?owner=owner",
    f"/v1/datasets?name={SECRET}",
    "/v1/datasets?owner=owner&name=open",
    "/v1/datasets?state=open",
    "/v1/datasets?state=closed",
    "/v1/datasets?state=deleted",
    "/v1/datasets?type=generic",
    f"/v1/datasets?query={SECRET}",
    "/v1/datasets?query=about",
    "/v1/groups",
    "/v1/groups/cabal",
    "/v1/whoami",
    "/v1/tokens",
    "/v1/types",
    "/v1/definitions",
    "/v1/images",
    "/v1/runs",
    "/v1/runs?limit=1",
    "/v1/runs?definition=copy",
    "/v1/rules",
)
ABOUT: Final = (
    "",
    "/lineage?depth=1",
    "/lineage?depth=50",
    "/audit",
    "/shares",
    "/files",
)
ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def hide(site: Site, cast: Cast) -> UUID:
    """Make what nobody but the owner may know of; give the id of the first."""
    world = World(site)
    owner = world.actor(cast.tokens["owner"])
    parent = cast.datasets["closed"]
    child = world.closed(
        owner,
        SECRET,
        inputs=(parent,),
        description=f"about {SECRET}",
        keywords=(SECRET,),
    )
    world.derive(owner, f"{SECRET}-2", child.id)
    gone = world.closed(owner, "gone", inputs=(parent,))
    world.delete(owner, gone.id)
    world.share(owner, child.id, "group:cabal", Right.WRITE)
    issue_token(site, owner.user, datasets=[child.id])
    derived.add_rule(site, owner, SECRET)
    run_one(site, owner, f"{SECRET}-3", parent)
    derived.start(site, owner, f"{SECRET}-4", child.id)
    note_use(site)
    return child.id


def run_one(site: Site, owner: Actor, name: str, scan: UUID) -> derived.Steps:
    """Let a run go on: its output is there, and its steps have their tokens."""
    run = derived.start(site, owner, name, scan)
    with site.begin() as work:
        work.session.get_one(Run, run).created_at -= timedelta(days=1)
    return derived.steps_of_next(site)


def make_group(cast: Cast) -> None:
    """Make a group of the owner, which a token for certain datasets sees too."""
    with cast.site.begin() as work:
        owner = World(cast.site).actor(cast.tokens["owner"])
        groups.create_group(work, owner, GroupIn(name="cabal"))


def pages(cast: Cast, hidden: UUID) -> Iterator[Request]:
    """Everything that can be read about what there is."""
    for path in LISTS:
        yield Request("GET", path, "read")
    yield Request("GET", f"/v1/datasets?prefix={str(hidden)[:8]}", "read")
    for name in ("open", "closed", "other"):
        for part in ABOUT:
            yield Request("GET", f"/v1/datasets/{cast.datasets[name]}{part}", "read")
    yield Request("GET", f"/v1/operations/{cast.operation}", "read")


def answers(backdrop: Backdrop, hidden: UUID, caller: str) -> dict[str, Any]:
    """What a caller is told on all pages, to the end of each list."""
    found = {}
    for request in pages(backdrop.cast, hidden):
        ahead: Request | None = request
        while ahead is not None:
            found[ahead.path] = seen = told(backdrop, ahead, caller)
            following = re.search(r'"next":"([^"]+)"', seen[2])
            ahead = (
                Request("GET", f"{request.path}&after={following[1]}", "read")
                if following and "limit=1" in request.path
                else None
            )
    return found


def changes(backdrop: Backdrop, caller: str) -> dict[str, Any]:
    """What a caller is told who wants names and parents, but for what is new in it."""
    cast = backdrop.cast
    found = {}
    for name, body in {
        "the name": {"name": SECRET},
        "a child": {"name": "child", "inputs": [str(cast.datasets["closed"])]},
    }.items():
        held = backdrop.look()
        request = Request("POST", "/v1/datasets", "create", {"json": body})
        seen = told(backdrop, request, caller)
        found[name] = (seen[0], ID.sub("X", seen[2]), seen[3:])
        backdrop.put_back(held)
    return found


@pytest.mark.parametrize("viewer", VIEWERS)
def test_what_is_hidden_leaves_no_trace(
    backdrop: Backdrop, cast: Cast, viewer: str, count: Count
) -> None:
    if viewer == "elsewhere":
        make_group(cast)
    empty = backdrop.look()
    if viewer != "elsewhere":
        make_group(cast)
    hidden = hide(cast.site, cast)
    full = backdrop.look()
    after = answers(backdrop, hidden, viewer) | changes(backdrop, viewer)
    owners = answers(backdrop, hidden, "owner")
    backdrop.put_back(empty)
    before = answers(backdrop, hidden, viewer) | changes(backdrop, viewer)
    assert {p: (before.get(p), a) for p, a in after.items() if before.get(p) != a} == {}
    assert before.keys() == after.keys()
    seen = str(after)
    assert str(hidden) not in seen.replace(f"prefix={str(hidden)[:8]}", "")
    # The same questions do find it, if it is the owner who asks.
    backdrop.put_back(full)
    for path in (
        *("/v1/datasets", f"/v1/datasets?query={SECRET}", "/v1/tokens"),
        "/v1/runs",
    ):
        assert str(hidden) in owners[path][2]
    assert SECRET in owners["/v1/rules"][2]
    lineage = f"/v1/datasets/{cast.datasets['closed']}/lineage?depth=1"
    assert str(hidden) in owners[lineage][2]
    count("pages: with and without what is hidden", len(after))


def test_what_a_run_fills_leaves_no_trace_for_its_owner_either(
    backdrop: Backdrop, cast: Cast, count: Count
) -> None:
    owner = World(cast.site).actor(cast.tokens["owner"])
    scan, empty = cast.datasets["closed"], backdrop.look()
    filled = run_one(cast.site, owner, SECRET, scan).output
    note_use(cast.site)
    after = answers(backdrop, filled, "owner")
    backdrop.put_back(empty)
    before = answers(backdrop, filled, "owner")
    # Not the statements: they may say how many datasets somebody has, to their owner.
    told_of_it = {
        path
        for path, answer in after.items()
        if path not in before or before[path][:3] != answer[:3]
    }
    assert {path.partition("?")[0] for path in told_of_it} == {"/v1/runs"}
    assert str(filled) not in str(after).replace(f"prefix={str(filled)[:8]}", "")
    count("pages: with and without what is hidden", len(after))


def test_how_long_an_answer_takes(
    backdrop: Backdrop, count: Count, scaled: Any
) -> None:
    """Noted, not judged: clocks are noisy, statements are compared elsewhere."""
    cast, hidden = backdrop.cast, backdrop.cast.datasets["open"]
    times: dict[str, list[int]] = {"hidden": [], "not there": []}
    for _ in range(scaled(100, 3_000)):
        for kind, dataset in (("hidden", hidden), ("not there", uuid4())):
            request = Request("GET", f"/v1/datasets/{dataset}", "read")
            began = perf_counter_ns()
            answer = request.sent_by("stranger", cast)
            times[kind].append(perf_counter_ns() - began)
            assert answer.status_code == 404
    middle = {kind: median(taken) / 1_000 for kind, taken in times.items()}
    for kind, taken in middle.items():
        count(f"median of an answer: {kind}", round(taken), "µs")
