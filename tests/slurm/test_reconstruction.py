"""A reconstruction on a cluster, many times over, while parts of the cluster die."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from hutch.cli.recipes import read_recipe
from hutch.contract.wire.datasets import DatasetOut
from hutch.contract.wire.rules import RuleIn
from hutch.contract.wire.runs import RunOut, RunState
from hutch.sync.pulling import clone
from tests.derivations.real.stage import Person, Stage
from tests.examples.steps import STEPS, TOMO, Step
from tests.laws.conftest import SOAK
from tests.servers import wait_until
from tests.slurm.cluster import NODES, Cluster
from tests.slurm.test_slurm import require_nothing_left

pytestmark = pytest.mark.slow

CHAINS: Final = 17 if SOAK else 4
"""Of three runs each."""
TOOTH: Final = TOMO.parent / "tooth" / "tooth.h5"
SCAN: Final = {"sample": "tooth", "projections": 181, "rotation_range": 180}
MOST_RMSE: Final = 1e-5


@pytest.mark.timeout(3_600 if SOAK else 900)
def test_every_run_ends_once_and_gives_what_is_computed_without_hutch(
    stage: Stage, slurm: Cluster, images: dict[str, str], tmp_path: Path
) -> None:
    mira = stage.person("mira")
    prepare(stage, mira, images["tomo"])
    runs = [
        run for number in range(CHAINS) for run in begin(stage, mira, tmp_path, number)
    ]
    with dying(stage, slurm, runs):
        ended = [stage.wait(mira, run).run for run in runs]
    assert [run.detail for run in ended if run.state is not RunState.SUCCEEDED] == []
    assert len({run.dataset for run in ended}) == 3 * CHAINS
    assert len(mira.client.runs.list(limit=1_000).items) == 3 * CHAINS
    assert len({run.attempts[-1].node for run in ended}) > 1
    if not SOAK:
        assert {len(run.attempts) for run in ended} == {1}
    made = [mira.client.datasets.get(run.dataset) for run in ended if run.dataset]
    require_equal(made)
    require_near(mira, next(one for one in made if one.type == "volume"), tmp_path)
    require_nothing_left(stage, slurm)


def prepare(stage: Stage, mira: Person, image: str) -> None:
    """Add the programs of the example, and the rule for their first step."""
    stage.keeper.client.images.approve(image)
    for step in STEPS:
        mira.client.definitions.add(read_recipe(TOMO / f"{step}.toml", image))
    mira.client.rules.add(
        RuleIn(
            name="sinograms",
            type="scan.tomo",
            definition="sinogram",
            output_name="{name}-sinogram",
        )
    )


def begin(stage: Stage, mira: Person, place: Path, number: int) -> Sequence[RunOut]:
    """Close a scan; what builds on the sinogram is begun before that is there."""
    name, files = f"tooth-{number}", {"tooth.h5": TOOTH.read_bytes()}
    stage.closed(mira, place, files, name=name, type="scan.tomo", attributes=SCAN)
    (first,) = fired(mira, f"{name}-sinogram")
    second = mira.client.run(
        "volume", name=f"{name}-volume", inputs={"sinogram": first}
    )
    third = mira.client.run(
        "segmentation", name=f"{name}-labels", inputs={"volume": second}
    )
    return first, second, third


def fired(mira: Person, name: str) -> list[RunOut]:
    """Wait for the run that a rule begins."""
    found: list[RunOut] = []

    def is_there() -> bool:
        found[:] = [r for r in mira.client.runs.list().items if r.name == name]
        return bool(found)

    wait_until(is_there, seconds=60, what="the rule")
    return found


@contextmanager
def dying(stage: Stage, slurm: Cluster, runs: Sequence[RunOut]) -> Iterator[None]:
    """Kill the controller and a node while runs go on; the node is back at the end."""
    if not SOAK:  # each of the two takes minutes, and has a test of its own
        yield
        return
    stage.until_ended(runs[0].id)
    slurm.kill("slurmctld")
    slurm.kill(NODES[-1])
    slurm.start_controller()
    yield
    slurm.start_node(NODES[-1])
    slurm.wait_for_nodes()


def require_equal(made: Sequence[DatasetOut]) -> None:
    """See that the same step gave the same bytes, wherever it ran."""
    digests = {kind: {d.digest for d in made if d.type == kind} for kind in STEPS}
    assert {kind: len(found) for kind, found in digests.items()} == dict.fromkeys(
        STEPS, 1
    )


def require_near(mira: Person, volume: DatasetOut, place: Path) -> None:
    """Compare with the same computed without hutch."""
    assert not clone(mira.client, volume, place / "volume" / "out").problems
    ours = Step("volume", place / "volume").data().astype(float)
    here = [Step(name, place / "here" / name) for name in STEPS[:2]]
    here[0].source.mkdir(parents=True)
    (here[0].source / "tooth.h5").symlink_to(TOOTH)
    here[0].succeed(SCAN)
    here[1].place.mkdir()
    here[1].source.symlink_to(here[0].out)
    here[1].succeed(here[0].attributes())
    theirs = here[1].data().astype(float)
    assert ours.shape == theirs.shape == (2, 640, 640)
    rmse = np.sqrt(np.mean((ours - theirs) ** 2) / np.mean(theirs**2))
    assert rmse <= MOST_RMSE
