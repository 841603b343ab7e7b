"""Requests that began before a close and end after it: half sent, and held."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.wire.transfer import SignedRequest
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import prefix_of
from hutch_api.services import deletion
from hutch_api.services.sweep import AFTER
from hutch_api.store.tables import Audit
from tests.laws.attack.firing import holding
from tests.laws.attack.world import World, neighbours, watch
from tests.laws.conftest import Count

FILES = {"a": b"first file", "dir/b": b"second file"}
NEW = {f"late/{n:02}": b"late " * (20 + n) for n in range(12)}
REPLACED = {"a": b"other bytes", "dir/b": b"more other bytes"}
Signed = list[tuple[SignedRequest, bytes]]


def begun(world: World) -> tuple[Actor, UUID, Signed, Signed]:
    """Push files, announce others, and give the signed PUTs and parts of these."""
    ada = world.person("ada")
    dataset = world.flow.dataset(ada, "held").id
    world.flow.push(ada, dataset, FILES)
    push = world.flow.start(ada, dataset)
    puts: Signed = []
    parts: Signed = []
    wanted = NEW | REPLACED
    for upload in world.flow.announce(ada, push, wanted, base=world.pins(dataset)):
        body = wanted[upload.path]
        of_its_kind = puts if upload.request is not None else parts
        of_its_kind.append((world.flow.signed(ada, push, upload, body), body))
    assert (len(puts), len(parts)) == (len(NEW), len(REPLACED))
    return ada, dataset, puts, parts


def sweeps(world: World, dataset: UUID) -> list[Audit]:
    with world.site.look() as work:
        rows = work.session.exec(
            select(Audit)
            .where(Audit.dataset_id == dataset, Audit.action == "sweep")
            .order_by(col(Audit.id))
        )
        return list(rows.all())


def test_what_ends_after_the_close_is_never_read_and_is_swept(
    world: World, count: Count
) -> None:
    neighbours(world)
    ada, dataset, puts, parts = begun(world)
    canaries = watch(world, dataset)
    used = [(r, b) for r, b in world.sent if prefix_of(dataset) in r.url]
    with holding(puts) as late, holding(parts) as later, holding(used) as again:
        assert all(held.let_in for held in [*late, *later])
        world.flow.close(ada, dataset, abandon=True)
        world.require_exact(ada, dataset, FILES)
        assert {held.finish() for held in late} == {200}
        assert {held.finish() for held in later} == {404}
        assert {held.finish() for held in again} == {412}
    world.require_readable(ada, dataset, FILES)
    assert {path for path, _ in world.foreign(dataset)} == set(NEW)
    world.pass_time(AFTER[0])
    world.require_exact(ada, dataset, FILES)
    [row] = sweeps(world, dataset)
    assert row.facts["removed"] == len(NEW)
    assert set(row.facts["removed_paths"]) == set(NEW)
    canaries.require_untouched()
    count("PUTs held across a close: landed and swept", len(late), "requests")
    count("parts held across a close: refused", len(later), "requests")
    count("used URLs held across a close: refused", len(again), "requests")


def test_a_slow_put_that_outlives_the_first_sweep_meets_the_next(
    world: World, count: Count
) -> None:
    ada, dataset, puts, _ = begun(world)
    with holding(puts[:1]) as [slow]:
        world.flow.close(ada, dataset, abandon=True)
        world.pass_time(AFTER[0] + timedelta(seconds=1))
        assert sweeps(world, dataset) == []
        assert slow.finish() == 200
    world.require_readable(ada, dataset, FILES)
    assert len(world.foreign(dataset)) == 1
    world.pass_time(AFTER[1])
    world.require_exact(ada, dataset, FILES)
    assert [row.facts["removed"] for row in sweeps(world, dataset)] == [1]
    count("slow PUTs that outlived a sweep: landed and swept", 1, "requests")


def test_what_ends_after_a_deletion_is_swept(world: World, count: Count) -> None:
    ada, dataset, puts, parts = begun(world)
    with holding(puts) as late, holding(parts) as later:
        deletion.delete(world.site, ada, dataset)
        assert {held.finish() for held in late} == {200}
        assert {held.finish() for held in later} == {404}
    assert len(world.foreign(dataset)) == len(NEW)
    world.pass_time(AFTER[0])
    assert world.listed(prefix_of(dataset)) == {}
    count("PUTs held across a deletion: landed and swept", len(late), "requests")


def test_a_close_waits_for_nobody_who_holds_a_request(world: World) -> None:
    """On MinIO a conditional PUT locks its key while its body streams."""
    ada, dataset, puts, _ = begun(world)
    with holding(puts[:3]) as held:
        world.flow.close(ada, dataset, abandon=True)
        world.pass_time(AFTER[0])
        world.require_exact(ada, dataset, FILES)
        assert {one.finish() for one in held} == {200}
    world.pass_time(AFTER[1])
    world.require_exact(ada, dataset, FILES)
