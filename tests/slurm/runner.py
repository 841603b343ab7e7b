"""The runner of a hutch whose runs are jobs of a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hutch_api.embedded.directory import environ_of
from tests.e2e.stage import Server
from tests.facility.installation import plain_environ, running
from tests.servers import wait_until
from tests.slurm.cluster import Cluster

NAME = "cluster"
SLOTS = 12


@contextmanager
def runner(server: Server, slurm: Cluster, step: str, log: Path) -> Iterator[None]:
    """Run ``hutch-api runner`` for a server until the end of the block."""
    environ = environ_of(server.directory, plain_environ(server.directory)) | {
        "HUTCH_RUNNER_EXECUTOR": "slurm",
        "HUTCH_RUNNER_SLURM_DIR": str(slurm.shared),
        "HUTCH_RUNNER_NAME": NAME,
        "HUTCH_RUNNER_SLOTS": str(SLOTS),
        "HUTCH_RUNNER_PAUSE_S": "0.2",
        "HUTCH_RUNNER_STEP_IMAGE": step,
    }
    with running("runner", environ | slurm.environ, log):
        wait_until(lambda: b"at work" in log.read_bytes(), what="the runner")
        yield
