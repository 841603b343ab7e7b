"""Somebody with the server's own S3 identity works in a closed dataset."""

from argparse import Namespace
from collections.abc import Mapping
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from hutch.client import Client
from hutch.contract.problems import StoreError
from hutch.contract.wire.datasets import Fault
from hutch.errors import CorruptDataError
from hutch.sync.verifying import verify_dataset
from hutch_api.commands import sweep as command
from hutch_api.commands.exits import Exit
from hutch_api.domain import instance
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import INSTANCE, key_of, prefix_of, record_of, seal_of
from hutch_api.services.records import read_seal
from hutch_api.services.sweep import AFTER, sweep
from hutch_api.store.tables import Audit, File
from tests.laws.attack.world import World
from tests.laws.conftest import Count

pytestmark = pytest.mark.foreign
FILES: Mapping[str, bytes] = {"a": b"1", "dir/b": b"2", "dir/c": b"3", "e": b""}


def closed(world: World) -> tuple[Actor, UUID]:
    ada = world.person("ada")
    return ada, world.flow.closed(ada, FILES)


def put(world: World, dataset: UUID, path: str, data: bytes) -> None:
    world.tool.put_object(Bucket=world.ready.data, Key=key_of(dataset, path), Body=data)


def mark(world: World, dataset: UUID, path: str) -> None:
    world.tool.delete_object(Bucket=world.ready.data, Key=key_of(dataset, path))


def destroy(world: World, dataset: UUID, path: str) -> None:
    world.tool.delete_object(
        Bucket=world.ready.data,
        Key=key_of(dataset, path),
        VersionId=world.pins(dataset)[path],
    )


def told(world: World, dataset: UUID) -> list[Audit]:
    with world.site.look() as work:
        rows = work.session.exec(
            select(Audit)
            .where(
                Audit.dataset_id == dataset,
                col(Audit.action).in_(["sweep", "sweep-stopped"]),
            )
            .order_by(col(Audit.id))
        )
        return list(rows.all())


def test_writes_and_markers_change_no_clone_and_are_swept(
    world: World, count: Count
) -> None:
    ada, dataset = closed(world)
    put(world, dataset, "a", b"overwritten")
    put(world, dataset, "new", b"added")
    mark(world, dataset, "dir/b")
    put(world, dataset, "dir", b"above: MinIO lists nothing below it")
    mark(world, dataset, "e")
    put(world, dataset, "e", b"over its marker")
    world.require_readable(ada, dataset, FILES)
    world.pass_time(AFTER[0])
    world.require_exact(ada, dataset, FILES)
    [row] = told(world, dataset)
    assert row.action == "sweep"
    assert row.facts["removed"] == 6
    assert set(row.facts["removed_paths"]) == {"a", "dir", "dir/b", "e", "new"}
    assert row.facts["missing"] == 0
    count("versions by the server's keys, swept", row.facts["removed"], "versions")


def test_a_deleted_version_is_named_everywhere(world: World) -> None:
    ada, dataset = closed(world)
    destroy(world, dataset, "dir/b")
    put(world, dataset, "dir/b", b"2")  # the same bytes do not make it the version
    swept = sweep(world.site, dataset)
    assert (swept.missing, swept.paths) == (1, ("dir/b",))
    [row] = told(world, dataset)
    assert row.facts["missing_paths"] == ["dir/b"]
    with world.client(ada) as client:
        seen = client.datasets.get(dataset)
        assert seen.faults == 1  # hutch info: ALARM
        faults = {f.path: f.fault for f in client.files.iterate(dataset) if f.fault}
        assert faults == {"dir/b": Fault.MISSING}
        _require_named(client, dataset)


def _require_named(client: Client, dataset: UUID) -> None:
    report = verify_dataset(client, client.datasets.get(dataset))
    [problem] = report.problems
    assert problem.path == "dir/b"
    assert isinstance(problem.error, CorruptDataError)
    assert "missing" in problem.error.detail


def test_the_sweep_of_the_command_line_names_it_and_goes_on(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, dataset = closed(world)
    other = world.flow.closed(ada, {"x": b"1"}, "other")
    stopped = world.flow.closed(ada, {"y": b"1"}, "stopped")
    destroy(world, dataset, "dir/b")
    put(world, other, "new", b"added")
    world.site.objects.put_record(seal_of(stopped), b"{}")
    monkeypatch.setattr(command, "read_settings", lambda *_: None)
    monkeypatch.setattr(command, "open_current", lambda _: world.site)
    assert command.run(Namespace(datasets=[]), {}) is Exit.FAILED
    said = capsys.readouterr().out
    assert f"{dataset}  removed 0, missing 1\n  MISSING dir/b\n" in said
    assert f"{other}  removed 1, missing 0\n" in said
    assert f"{stopped}  STOPPED: the seal record of" in said


def restore_pin(world: World, dataset: UUID, path: str) -> str:
    """Do to the database what a bad restore would: pin another version."""
    put(world, dataset, path, FILES[path])
    rows = world.listed(prefix_of(dataset))
    newest = next(v for (p, v), row in rows.items() if p == path and row[0])
    with world.site.begin() as work:
        file = work.session.get_one(File, (dataset, path))
        before, file.version = file.version, newest
    return before


def test_pins_that_differ_stop_the_sweep_before_it_deletes_the_data(
    world: World,
) -> None:
    ada, dataset = closed(world)
    before = restore_pin(world, dataset, "a")
    for _ in range(3):
        with pytest.raises(StoreError, match="differ"):
            sweep(world.site, dataset)
    [row] = told(world, dataset)  # once, however often it is tried
    assert row.action == "sweep-stopped"
    assert "differ" in row.facts["reason"]
    with world.site.begin() as work:
        work.session.get_one(File, (dataset, "a")).version = before
    assert sweep(world.site, dataset).removed == 1
    world.require_exact(ada, dataset, FILES)


@pytest.mark.parametrize("piece", ["manifest", "pins"])
def test_a_damaged_or_lost_piece_stops_the_sweep(world: World, piece: str) -> None:
    _, dataset = closed(world)
    put(world, dataset, "new", b"evidence")
    document = read_seal(world.site, dataset)
    assert document is not None
    [name] = getattr(document, piece)
    kept = world.site.objects.get_record(record_of(dataset, name))
    assert kept is not None
    world.site.objects.put_record(record_of(dataset, name), kept[:-2] + b"!\n")
    with pytest.raises(StoreError, match="damaged"):
        sweep(world.site, dataset)
    world.site.objects.delete_records(record_of(dataset, name))
    with pytest.raises(StoreError, match="missing"):
        sweep(world.site, dataset)
    assert len(world.foreign(dataset)) == 1
    world.site.objects.put_record(record_of(dataset, name), kept)
    assert sweep(world.site, dataset).removed == 1


def test_a_bucket_of_another_installation_is_left_alone(world: World) -> None:
    _, dataset = closed(world)
    put(world, dataset, "new", b"not ours to judge")
    world.site.objects.put_record(INSTANCE, instance.encode(uuid4()))
    with pytest.raises(StoreError, match="another installation"):
        sweep(world.site, dataset)
    world.site.objects.put_record(INSTANCE, instance.encode(world.site.instance))
    assert [row.action for row in told(world, dataset)] == ["sweep-stopped"]
    assert sweep(world.site, dataset).removed == 1
