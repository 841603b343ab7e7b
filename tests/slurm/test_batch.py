"""The script of a job, by itself: no Slurm is there to clean up after it."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from hutch.contract.wire.definitions import Mode
from hutch_api.adapters.slurm.batch import KEPT, Surroundings, files_of
from hutch_api.adapters.slurm.places import Place
from hutch_api.ports.executor import Job
from tests.derivations.real.stage import SMALL
from tests.servers import wait_until
from tests.slurm.leftovers import left, podman

PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Script:
    """A script whose first step waits for an API that never answers."""

    process: subprocess.Popen[bytes]
    place: Place
    number: str

    def wait(self) -> list[str]:
        """Wait for its end; list what is left."""
        self.process.wait(PATIENCE_S)
        return left(self.number)


@pytest.fixture
def script(images: dict[str, str], tmp_path: Path) -> Iterator[Script]:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        around = Surroundings(
            labels={},
            step_image=images["step"],
            addresses=["--api", url, "--store", url],
        )
        attempt, number = uuid4(), uuid4().hex
        place = Place(tmp_path / str(attempt))
        job = job_of(attempt, images["probe"])
        place.make(files_of(job, str, around, place.path))
        with subprocess.Popen(  # noqa: S603 -- our own program, no shell
            ["bash", place.path / "script", place.path, str(KEPT)],  # noqa: S607 -- the shell is found by name
            env={"PATH": os.environ["PATH"], "SLURM_JOB_ID": number},
            start_new_session=True,
        ) as process:
            try:
                wait_until(
                    lambda: is_running(number),
                    seconds=PATIENCE_S,
                    what="the first step",
                )
                yield Script(process, place, number)
            finally:
                process.terminate()


def job_of(attempt: UUID, image: str) -> Job:
    return Job(
        attempt=attempt,
        image=image,
        argv=("python3", "-c", "pass"),
        mode=Mode.STAGED,
        resources=SMALL,
    )


def is_running(number: str) -> bool:
    of_it = ("label=hutch.slurm-job=" + number, "label=hutch.step=in")
    return bool(podman("ps", "--quiet", *(f"--filter={one}" for one in of_it)))


def test_a_job_that_is_asked_to_end_leaves_nothing(script: Script) -> None:
    assert len(left(script.number)) == 2 + 6
    os.killpg(script.process.pid, signal.SIGTERM)  # all of it at once, as Slurm does
    assert script.wait() == []
    # What ended it is no end of the step.
    assert script.place.find().verdict() is None


def test_a_job_whose_directory_is_gone_ends_itself(script: Script) -> None:
    script.place.remove()
    assert script.wait() == []
