"""Kills while what another tool wrote is taken in or undone."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlmodel import select

from hutch.contract.steps import Step
from hutch.contract.wire.datasets import OperationKind, OperationState
from hutch_api.adapters.stores import open_s3
from hutch_api.domain.layout import key_of
from hutch_api.services import operations
from hutch_api.store.tables import Operation
from tests.laws.kills.world import World
from tests.servers import REGION

if TYPE_CHECKING:
    from tests.laws.kills.cells import Cell

_MOMENT: Final = timedelta(seconds=30)


def put_foreign(world: World, root: Path) -> None:
    """Write into a dataset's prefix with the administrator's keys."""
    environ = world.environ
    client = open_s3(environ["HUTCH_S3_URL"], world.store.server.root, region=REGION)
    key = key_of(world.id_of(root), "foreign")
    bucket = environ["HUTCH_S3_DATA_BUCKET"]
    client.put_object(Bucket=bucket, Key=key, Body=b"x")
    client.close()


def adopt(cell: "Cell") -> None:
    """What another tool wrote is taken in, or undone, by the worker."""
    world, step = cell.world, cell.step
    drop = step is Step.DROP_ANNOUNCED
    root = world.pushed()
    put_foreign(world, root)
    hold = world.steps.hold(step, "worker")
    asking = world.hutch("adopt", *(["--drop"] if drop else []), where=root)
    hold.wait()
    cell.strike(asking, hold)
    if cell.victim in {"worker", "store"}:
        world.clock.move(operations.LEASE + _MOMENT)
    world.until(lambda: _is_adopted(world, root), "the end of the adoption")
    asking.wait()
    assert ("foreign" in world.files(root)) is not drop
    world.must("pull", where=root)
    world.require_exact(root)
    world.must("close", where=root)
    world.require_exact(root)


def _is_adopted(world: World, root: Path) -> bool:
    with world.site.look() as work:
        query = select(Operation.state).where(
            Operation.dataset_id == world.id_of(root),
            Operation.kind == OperationKind.ADOPT,
        )
        return list(work.session.exec(query)) == [OperationState.DONE]
