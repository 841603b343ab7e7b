"""What the epilog removes from a node, and what it leaves alone."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.slurm.leftovers import left, podman

EPILOG = Path(__file__).parents[2] / "infra/slurm/epilog"


@pytest.fixture
def job(images: dict[str, str]) -> Iterator[str]:
    """A job that was killed: a container and a volume of it are there."""
    number = uuid4().hex
    label = f"--label=hutch.slurm-job={number}"
    how = (label, f"--name=c-{number}", f"--volume=v-{number}:/work", "--network=none")
    pause = ("python3", "-c", "import time; time.sleep(600)")
    try:
        podman("volume", "create", label, f"v-{number}")
        podman("run", "--detach", *how, images["probe"], *pause)
        yield number
    finally:
        podman("rm", "--force", "--time=0", "--ignore", f"c-{number}")
        podman("volume", "prune", "--force", f"--filter={label.removeprefix('--')}")


def run(**environ: str) -> int:
    """Run the epilog as slurmd does."""
    return subprocess.run(  # noqa: S603 -- our own program, no shell
        [str(EPILOG)],
        env={"SLURM_JOB_USER": "root", **environ},
        check=False,
        timeout=120,
    ).returncode


def test_what_a_job_of_hutch_has_left_is_removed(job: str) -> None:
    assert len(left(job)) == 2
    assert run(SLURM_JOB_ID=job, SLURM_JOB_COMMENT="hutch/installation/runner") == 0
    assert left(job) == []


def test_where_slurm_tells_nothing_it_is_looked(job: str) -> None:
    assert run(SLURM_JOB_ID=job) == 0
    assert left(job) == []


@pytest.mark.parametrize("comment", ["", "(null)", "my simulation"])
def test_jobs_of_others_are_not_looked_at(job: str, comment: str) -> None:
    assert run(SLURM_JOB_ID=job, SLURM_JOB_COMMENT=comment) == 0
    assert len(left(job)) == 2


def test_jobs_without_a_comment_are_not_looked_at(job: str) -> None:
    assert run(SLURM_JOB_ID=job, SLURM_JOB_STDOUT="/dev/null") == 0
    assert len(left(job)) == 2


def test_other_jobs_of_hutch_are_left_alone(job: str) -> None:
    assert run(SLURM_JOB_ID=f"{job}0", SLURM_JOB_COMMENT="hutch/i/r") == 0
    assert len(left(job)) == 2
