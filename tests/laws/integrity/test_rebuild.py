"""An empty database becomes whole again for closed datasets, from the buckets alone."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import inspect
from sqlmodel import SQLModel, col, select

from hutch.contract import records as forms
from hutch.contract.problems import ConflictError, StoreError
from hutch.contract.wire.datasets import DatasetPatch, OwnerIn, State
from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain.layout import record_of
from hutch_api.services import (
    about,
    datasets,
    deletion,
    passwords,
    upkeep,
)
from hutch_api.services.rebuild import UNUSABLE, adopt, rebuild
from hutch_api.services.sweep import sweep
from hutch_api.services.work import Site
from hutch_api.store.tables import Audit, Dataset, File, Input, User
from tests.conftest import Clock
from tests.laws.conftest import Count
from tests.laws.integrity.damage import flipped
from tests.laws.integrity.emptied import emptied, rebuilt
from tests.transfer.conftest import Kind, Real, reach
from tests.transfer.flow import Flow

pytestmark = pytest.mark.foreign

NOT_PROMISED: Final = {
    Dataset: {
        # When the store is looked at next: at once, and then as after a close.
        "sweep_at",
        "sweeps",
        "about_at",
        # The scrub begins anew: what the buckets went through is not known.
        "faults",
        "scrubbed_at",
        "scrub_since",
        "scrub_until",
        "scrub_after",
        # The rules are not in the buckets, nor what they have seen.
        "rules_at",
    },
    File: {"confirmed_at", "fault"},
    Input: set[str](),
}
"""Every other column of these tables comes back; users are compared by name."""
PEOPLE: Final = {"owner_id", "creator_id", "committed_by"}


def promised(site: Site) -> dict[str, list[dict[str, Any]]]:
    """All promised columns of closed datasets and tombstones, of files and edges."""
    keys = ((Dataset, "id"), (File, "dataset_id"), (Input, "child_id"))
    found: dict[str, list[dict[str, Any]]] = {}
    with site.look() as work:
        names = {user.id: user.name for user in work.session.exec(select(User))}
        closed = set(
            work.session.exec(
                select(Dataset.id).where(col(Dataset.digest).is_not(None))
            ).all()
        )
        for table, key in keys:
            order = [str(column.name) for column in inspect(table).primary_key]
            found[table.__name__] = sorted(
                (
                    _row(row, NOT_PROMISED[table], names)
                    for row in work.session.exec(select(table))
                    if getattr(row, key) in closed
                ),
                key=lambda values: [str(values[name]) for name in order],
            )
    return found


def _row(row: SQLModel, without: set[str], names: Mapping[UUID, str]) -> dict[str, Any]:
    values = {n: v for n, v in row.model_dump().items() if n not in without}
    return {n: names[v] if n in PEOPLE else v for n, v in sorted(values.items())}


@dataclass(frozen=True, slots=True)
class Story:
    """What was made, by id."""

    scan: UUID
    volume: UUID
    corrected: UUID
    gone: UUID
    child_of_gone: UUID
    open: UUID


@pytest.fixture
def real(kind: Kind, request: pytest.FixtureRequest) -> Real | None:
    """Buckets of its own: a rebuild brings back whatever is in them."""
    return None if kind == "memory" else reach(request.getfixturevalue(kind))


@pytest.fixture
def story(flow: Flow, clock: Clock) -> Story:
    """All that may happen to datasets that are closed one day."""
    ada, ben = flow.user("ada"), flow.user("ben")

    def made(name: str, files: dict[str, bytes], **more: object) -> UUID:
        clock.move(timedelta(minutes=5))
        dataset = flow.dataset(ada, name, **more).id
        if files:
            flow.push(ada, dataset, files)
        clock.move(timedelta(minutes=5))
        flow.close(ada, dataset, empty=True)
        return dataset

    attributes = {"sample": "tooth", "energy": 1e22, "ünï": [1, None, {"a": 0.1}]}
    scan = made(
        "scan",
        {"a": b"1", "sub/ä b": b"22", "empty": b""},
        attributes=attributes,
        description="Enamel.\nOf a premolar.",
        keywords=("enamel", "tomo"),
    )
    gone = made("gone", {"x": b"3"})
    volume = made("volume", {"v": b"4"}, inputs=(gone, scan))
    corrected = made("better", {"a": b"5"}, inputs=(scan,), correction=True)
    child_of_gone = made("nothing", {}, inputs=(gone,))
    unfinished = flow.dataset(ada, "unfinished").id
    flow.push(ada, unfinished, {"u": b"6"})
    clock.move(timedelta(minutes=5))
    with flow.site.begin() as work:  # what may change after a close
        patch = DatasetPatch(name="premolar", keywords=("new",))
        datasets.patch_dataset(work, ada, scan, patch)
        datasets.give_dataset(work, ada, volume, OwnerIn(owner=ben.name))
    deletion.delete(flow.site, ada, gone)
    made("gone", {"y": b"7"})  # the name is free again
    settle(flow)
    return Story(scan, volume, corrected, gone, child_of_gone, unfinished)


def settle(flow: Flow) -> None:
    while about.write_changed(flow.site):
        pass


def test_a_lost_database_is_rebuilt(
    flow: Flow, story: Story, tmp_path: Path, count: Count
) -> None:
    before = promised(flow.site)
    with emptied(flow.site, tmp_path) as site:
        report = rebuilt(site)
        assert promised(site) == before
        for name, rows in before.items():
            count(f"rebuilt rows of {name.lower()}", len(rows))
        assert (report.closed, report.deleted, report.failed) == (5, 1, {})
        assert report.left == [story.open]
        assert report.users == ["ada", "ben"]
        _all_work_goes_on(replace_site(flow, site), story)


def replace_site(flow: Flow, site: Site) -> Flow:
    return Flow(site, flow.send)


def _all_work_goes_on(flow: Flow, story: Story) -> None:
    """Sweep, read and derive, as if nothing had happened."""
    with flow.site.look() as work:
        people = {u.name: u for u in work.session.exec(select(User))}
        closed = work.session.exec(
            select(Dataset.id).where(Dataset.state == State.CLOSED)
        ).all()
    assert all(u.disabled_at and u.password == UNUSABLE for u in people.values())
    assert not passwords.fits(UNUSABLE, UNUSABLE)
    for dataset in (*closed, story.gone):
        assert sweep(flow.site, dataset).missing == 0
    ada = flow.user("someone")
    with flow.site.begin() as work:
        work.session.get_one(Dataset, story.scan).owner_id = ada.user
    child = flow.dataset(ada, "later", inputs=(story.scan,)).id
    flow.push(ada, child, {"r": b"8"})
    flow.close(ada, child)
    with flow.site.look() as work:
        assert work.session.get_one(Dataset, child).state is State.CLOSED


@pytest.mark.rules
@pytest.mark.usefixtures("story")
def test_a_database_with_data_is_refused(flow: Flow) -> None:
    before = promised(flow.site)
    with pytest.raises(ConflictError, match="holds data"):
        adopt(flow.site)
    assert promised(flow.site) == before


@pytest.mark.rules
@pytest.mark.usefixtures("story")
def test_a_whole_rebuild_cannot_be_begun_again(flow: Flow, tmp_path: Path) -> None:
    with emptied(flow.site, tmp_path) as site:
        rebuilt(site)
        with pytest.raises(ConflictError, match="holds data"):
            adopt(site)


class KilledError(BaseException):
    """As if the process were gone."""


@pytest.mark.rules
@pytest.mark.usefixtures("story")
def test_a_rebuild_that_is_killed_anywhere_goes_on(
    flow: Flow, tmp_path: Path, count: Count
) -> None:
    before = promised(flow.site)
    store = flow.site.objects
    assert isinstance(store, MemoryStore)
    kills = 0
    with emptied(flow.site, tmp_path) as site:
        while True:
            calls = iter(range(kills + 3))  # each time it comes a little further

            def counted(_: str, calls: Iterator[int] = calls) -> None:
                if next(calls, None) is None:
                    raise KilledError

            store.before = counted
            try:
                adopt(site)
                rebuild(site)
                break
            except KilledError:
                kills += 1
        store.before = lambda _: None
        assert promised(site) == before
        with site.look() as work:
            rows = work.session.exec(select(Audit).where(Audit.action == "rebuild"))
            assert len(rows.all()) == len(before["Dataset"])
    assert kills > 5
    count("rebuild: kills gone on after", kills)


def _seal(flow: Flow, story: Story) -> None:
    _flip(flow, story.scan, forms.SEAL)


def _about(flow: Flow, story: Story) -> None:
    _flip(flow, story.scan, forms.ABOUT)


def _described(flow: Flow, story: Story) -> None:
    """One value that still fits: only the record's own sum can tell."""
    place = record_of(story.scan, forms.ABOUT)
    data = flow.site.objects.get_record(place) or b""
    flow.site.objects.put_record(place, data.replace(b"a premolar", b"an incisor"))


def _piece(flow: Flow, story: Story) -> None:
    store = flow.site.objects
    piece = next(n for n in store.records(record_of(story.scan, "")) if "json" not in n)
    _flip(flow, story.scan, piece.rpartition("/")[2])


def _flip(flow: Flow, dataset: UUID, name: str) -> None:
    place = record_of(dataset, name)
    data = flow.site.objects.get_record(place) or b""
    flow.site.objects.put_record(place, flipped(data))


@pytest.mark.rules
@pytest.mark.parametrize("damage", [_seal, _about, _described, _piece])
def test_what_cannot_be_proven_is_told_and_can_be_mended(
    flow: Flow, story: Story, tmp_path: Path, damage: Callable[[Flow, Story], None]
) -> None:
    before = promised(flow.site)
    store = flow.site.objects
    kept = {n: store.get_record(n) or b"" for n in store.records("datasets/")}
    damage(flow, story)
    with emptied(flow.site, tmp_path) as site:
        report = rebuilt(site)
        assert set(report.failed) == {story.scan, story.volume, story.corrected}
        assert "damaged" in report.failed[story.scan] or (
            "cannot be used" in report.failed[story.scan]
        )
        assert report.failed[story.volume] == f"its parent {story.scan} is not back"
        with site.look() as work:
            assert work.session.get(Dataset, story.scan) is None
        for name, data in kept.items():
            store.put_record(name, data)
        assert rebuilt(site).failed == {}
        assert promised(site) == before


@pytest.mark.rules
def test_a_deletion_that_was_under_way_is_not_taken_back(
    flow: Flow, story: Story, tmp_path: Path
) -> None:
    ada = flow.user("ada")
    store = flow.site.objects
    assert isinstance(store, MemoryStore)

    def before(call: str) -> None:
        if call == "delete":
            raise KilledError

    store.before = before
    with suppress(KilledError):
        deletion.delete(flow.site, ada, story.corrected)
    store.before = lambda _: None
    with emptied(flow.site, tmp_path) as site:
        rebuilt(site)
        with site.look() as work:
            row = work.session.get_one(Dataset, story.corrected)
            assert (row.state, row.deleted_at) == (State.DELETED, row.updated_at)
        sweep(site, story.corrected)
        assert list(store.versions(f"d/{story.corrected}/")) == []


@pytest.mark.rules
def test_the_worker_lets_the_records_follow_each_change(
    flow: Flow, story: Story
) -> None:
    ada = flow.user("ada")
    with flow.site.begin() as work:
        patch = DatasetPatch(description="Another.")
        datasets.patch_dataset(work, ada, story.scan, patch)
    assert about.read(flow.site, story.scan).description != "Another."
    upkeep.run_once(flow.site)
    assert about.read(flow.site, story.scan).description == "Another."


@pytest.mark.rules
def test_who_was_slow_does_not_keep_an_old_record(flow: Flow, story: Story) -> None:
    ada = flow.user("ada")
    store = flow.site.objects
    assert isinstance(store, MemoryStore)

    def patched(text: str) -> None:
        with flow.site.begin() as work:
            patch = DatasetPatch(description=text)
            datasets.patch_dataset(work, ada, story.scan, patch)

    def before(call: str) -> None:
        if call == "put_record":
            store.before = lambda _: None
            patched("second")
            settle(flow)

    patched("first")
    store.before = before
    about.write_changed(flow.site)
    settle(flow)
    assert about.read(flow.site, story.scan).description == "second"


@pytest.mark.rules
def test_a_name_that_is_taken_does_not_lose_a_dataset(
    flow: Flow, story: Story, tmp_path: Path
) -> None:
    ada = flow.user("ada")
    with flow.site.begin() as work:  # the database is lost before the record follows
        datasets.patch_dataset(work, ada, story.corrected, DatasetPatch(name="fresh"))
    other = flow.closed(ada, {"z": b"9"}, "better")
    with emptied(flow.site, tmp_path) as site:
        report = rebuilt(site)
        assert len(report.renamed) == 1
        with site.look() as work:
            names = {
                work.session.get_one(Dataset, d).name for d in (other, story.corrected)
            }
        assert names == {"better", *report.renamed.values()}


@pytest.mark.rules
@pytest.mark.usefixtures("story")
def test_buckets_of_nobody_are_refused(flow: Flow, tmp_path: Path) -> None:
    flow.site.objects.delete_records("instance.json")
    with (
        emptied(flow.site, tmp_path) as site,
        pytest.raises(StoreError, match="no install"),
    ):
        adopt(site)
