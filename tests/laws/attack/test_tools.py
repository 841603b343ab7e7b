"""A tool with its own keys: one open dataset is within reach, later nothing is."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID

import pytest
from sqlmodel import col, select

from hutch.contract.wire.datasets import State
from hutch.contract.wire.tools import StoreAccess, StoreAccountIn
from hutch_api.adapters.s3.signing import Signer
from hutch_api.ports.accounts import AccountsApi
from hutch_api.ports.objects import Credentials
from hutch_api.services import tool_accounts
from hutch_api.services.sweep import AFTER
from hutch_api.site import utc_now
from hutch_api.store.tables import Dataset, Intent
from tests.laws.attack.arsenal import EVIL, KINDS, Loot, Shot
from tests.laws.attack.firing import THREADS, Hit, fire, holding
from tests.laws.attack.loot import Pushed, positions, pushed
from tests.laws.attack.tools import LATE, Tool
from tests.laws.attack.world import SECRET, World, neighbours, watch
from tests.laws.conftest import Count
from tests.servers import REGION

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(7_200)]
SEED = 20_261_129


def tool_of(world: World, made: Pushed, loot: Loot, access: StoreAccess) -> Tool:
    """Ask for an account as anybody may who works on the dataset."""
    got = tool_accounts.create_account(
        world.site, made.owner, made.dataset, StoreAccountIn(access=access)
    )
    signer = Signer(loot.origin, region=REGION, clock=utc_now)
    keys = Credentials(got.key_id, got.secret)
    seen = replace(loot, key_ids=[*loot.key_ids, *[got.key_id] * len(loot.key_ids)])
    return Tool(signer, keys, seen, _uploads(world, made.dataset))


def _uploads(world: World, dataset: UUID) -> Mapping[str, str]:
    """Uploads that hutch has open: their ids stand in the addresses of parts."""
    with world.site.look() as work:
        rows = work.session.exec(
            select(Intent.path, Intent.upload).where(
                Intent.dataset_id == dataset, col(Intent.upload).is_not(None)
            )
        )
        return {path: upload for path, upload in rows if upload is not None}


def plan(tool: Tool, shots: int, *, seed: int) -> list[Shot]:
    """Sign as many requests: all kinds in turn, some of them without the secret."""
    rng = random.Random(seed)  # noqa: S311 -- the same attack every time
    makers = [lambda r, make=make: make(r, tool) for make in LATE]
    makers += [lambda r, make=make: make(r, tool.loot) for make in KINDS]
    made = [makers[number % len(makers)](rng) for number in range(shots)]
    rng.shuffle(made)
    return made


def volley(origin: str, shots: Iterable[Shot]) -> list[Hit]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda shot: fire(origin, shot), shots))


def judge(hits: Sequence[Hit], own: Sequence[bytes]) -> Counter[str]:
    """Count by kind and outcome; nothing may give what the neighbour has."""
    outcomes: Counter[str] = Counter()
    for hit in hits:
        assert SECRET not in hit.body, f"{hit.shot.kind} {hit.shot.target}"
        outcome = "refused" if hit.refused else "done"
        if not hit.refused and hit.shot.method == "GET" and hit.body in own:
            outcome = "read its own file"
        outcomes[f"{hit.shot.kind}: {outcome}"] += 1
    return outcomes


def tell(count: Count, when: str, outcomes: Counter[str]) -> None:
    for what, figure in sorted(outcomes.items()):
        count(f"{when}, {what}", figure, "requests")


def digest(world: World, dataset: UUID) -> str | None:
    with world.site.look() as work:
        row = work.session.get_one(Dataset, dataset)
    assert row.state is State.CLOSED
    return row.digest


def require_closed(world: World, made: Pushed) -> None:
    """Readers get what was pushed; after the sweeps plain listing shows only that."""
    world.require_readable(made.reader, made.dataset, made.files)
    for span in AFTER[:3]:
        world.pass_time(span)
    world.require_exact(made.reader, made.dataset, made.files)


def test_of_an_open_dataset_a_tool_reaches_this_one_only(
    world: World, count: Count, scaled: Callable[[int, int], int]
) -> None:
    others = neighbours(world)
    made = pushed(world, seed=SEED)
    canaries = watch(world, made.dataset)
    loot = positions(world, made, others)["writer"]
    tool = tool_of(world, made, loot, StoreAccess.WRITE)
    pins = world.pins(made.dataset)
    shots = plan(tool, scaled(300, 3_000), seed=SEED)
    outcomes = judge(volley(loot.origin, shots), list(made.files.values()))
    tell(count, "while open", outcomes)
    canaries.require_untouched()
    assert world.pins(made.dataset) == pins
    world.require_readable(made.reader, made.dataset, made.files)
    never = ["delete a version", "look around"]
    if world.ready.made.api is AccountsApi.MINIO:  # to SeaweedFS they are plain PUTs
        never += ["name a version", "extract"]
    assert [what for what in never if outcomes[f"tool {what}: done"]] == []
    assert outcomes["tool put: done"] > 0
    world.flow.close(made.owner, made.dataset, abandon=True, drop=True)
    require_closed(world, made)


def test_a_tool_that_reads_changes_nothing(
    world: World, count: Count, scaled: Callable[[int, int], int]
) -> None:
    others = neighbours(world)
    made = pushed(world, seed=SEED)
    world.flow.close(made.owner, made.dataset, abandon=True)
    canaries = watch(world, made.dataset)
    loot = positions(world, made, others)["reader"]
    tool = tool_of(world, made, loot, StoreAccess.READ)
    shots = plan(tool, scaled(150, 1_500), seed=SEED)
    hits = volley(loot.origin, shots)
    tell(count, "by one that reads", judge(hits, list(made.files.values())))
    changed = [h.shot for h in hits if not h.refused and h.shot.method != "GET"]
    assert [s.kind for s in changed if s.method != "HEAD"] == []
    canaries.require_untouched()
    world.require_exact(made.reader, made.dataset, made.files)


def test_late_writes_of_every_kind_change_nothing(
    world: World, count: Count, scaled: Callable[[int, int], int]
) -> None:
    """A part is sent while the dataset closes, the rest when it is closed."""
    others = neighbours(world)
    made = pushed(world, seed=SEED)
    canaries = watch(world, made.dataset)
    loot = positions(world, made, others)["writer"]
    tool = tool_of(world, made, loot, StoreAccess.WRITE)
    shots = plan(tool, scaled(1_000, 10_000), seed=SEED + 1)
    first, late = shots[: len(shots) // 3], shots[len(shots) // 3 :]
    own = list(made.files.values())
    with ThreadPoolExecutor(1) as pool:
        firing = pool.submit(volley, loot.origin, first)
        world.flow.close(made.owner, made.dataset, abandon=True, drop=True)
        sealed = digest(world, made.dataset)
        tell(count, "while it closes", judge(firing.result(), own))
    outcomes = judge(volley(loot.origin, late), own)
    tell(count, "when it is closed", outcomes)
    assert [what for what in outcomes if what.endswith(": done")] == []
    assert digest(world, made.dataset) == sealed
    require_closed(world, made)
    assert digest(world, made.dataset) == sealed
    canaries.require_untouched()
    count("late requests of tools and pushes", len(shots), "requests")


def test_a_slow_write_of_a_tool_that_outlives_the_close_is_swept(
    world: World, count: Count
) -> None:
    others = neighbours(world)
    made = pushed(world, seed=SEED)
    loot = positions(world, made, others)["writer"]
    tool = tool_of(world, made, loot, StoreAccess.WRITE)
    slow = [
        (
            tool.signer.presign(
                "PUT",
                f"{loot.bucket}/{loot.prefix}{path}",
                credentials=tool.keys,
                expires_in=3_600,
                headers={"content-length": str(len(EVIL))},
            ),
            EVIL,
        )
        for path in ("a", "dir/0", "new", "dir/new")
    ]
    with holding(slow) as held:
        assert all(one.let_in for one in held)
        world.flow.close(made.owner, made.dataset, abandon=True)
        world.require_exact(made.reader, made.dataset, made.files)
        assert {one.finish() for one in held} == {200}
    assert len(world.foreign(made.dataset)) == len(slow)
    require_closed(world, made)
    count("PUTs of a tool held across a close: landed and swept", len(slow), "requests")
