"""What a run costs beside the container of its program.

A hundred short runs by two runners with two slots each, on SeaweedFS and SQLite, beside
the same program in the same image started by Podman's own command. A run has three
containers: fetch, the program, send.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

from bench.figures import Figure
from hutch.contract.wire.runs import RunState
from hutch_api.embedded.directory import environ_of
from tests.derivations.real.podman import build, podman
from tests.derivations.real.stage import Person, Stage
from tests.e2e.stage import Server, up
from tests.facility.installation import plain_environ, running
from tests.servers import wait_until

RUNS: Final = 100
AT_A_TIME: Final = 4
"""Two runners with two slots each."""
_ALONE: Final = 5
_FILES: Final = {"a.txt": "the first\n"}


def measure(place: Path, *, small: bool) -> list[Figure]:
    """Execute many runs, and a few one after the other."""
    if shutil.which("podman") is None:
        return []
    count = 4 if small else RUNS
    images = build("step", "probe")
    with (
        podman() as engine,
        up(place / "hutch", store="seaweedfs") as server,
        ExitStack() as runners,
    ):
        stage = Stage(server, engine, images, place / "runner.log")
        with stage.clients:
            anna = stage.person("anna")
            scan = stage.closed(anna, place, _FILES)
            for name in ("one", "two"):
                runners.enter_context(_runner(server, engine, images["step"], name))
            stage.run(anna, scan, "good")  # the doors open, images are warm
            alone = _seconds_alone(stage, anna, scan, 1 if small else _ALONE)
            together = _seconds_together(stage, anna, scan, count)
    own_alone, own_together = _seconds_of_podman(images["probe"], count)
    return [
        Figure(name="a run alone, from the call to its end", value=alone, unit="s"),
        Figure(
            name="the same program by 'podman run', alone", value=own_alone, unit="s"
        ),
        Figure(
            name="overhead of a run alone",
            value=alone - own_alone,
            unit="s",
            note="two more containers, fetch, send, close, and waiting for the runner",
        ),
        Figure(
            name=f"{count} runs, two runners with two slots",
            value=60 * count / together,
            unit="runs/min",
        ),
        Figure(
            name=f"{count} times 'podman run', {AT_A_TIME} at a time",
            value=60 * count / own_together,
            unit="runs/min",
        ),
        Figure(
            name="a run / a 'podman run', both many at a time",
            value=together / own_together,
            unit="",
            note="three containers instead of one would be 3",
        ),
    ]


@contextmanager
def _runner(server: Server, engine: str, step: str, name: str) -> Iterator[None]:
    environ = environ_of(server.directory, plain_environ(server.directory)) | {
        "HUTCH_RUNNER_ENGINE": engine,
        "HUTCH_RUNNER_NAME": name,
        "HUTCH_RUNNER_SLOTS": "2",
        "HUTCH_RUNNER_PAUSE_S": "0.2",
        "HUTCH_RUNNER_STEP_IMAGE": step,
    }
    log = server.directory / f"runner-{name}.log"
    with running("runner", environ, log):
        wait_until(lambda: b"at work" in log.read_bytes(), what="the runner")
        yield


def _seconds_alone(stage: Stage, anna: Person, scan: UUID, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        _require_good(stage, anna, stage.start(anna, scan, "good").id)
    return (time.perf_counter() - began) / count


def _seconds_together(stage: Stage, anna: Person, scan: UUID, count: int) -> float:
    began = time.perf_counter()
    started = [stage.start(anna, scan, "good").id for _ in range(count)]
    for run in started:
        _require_good(stage, anna, run)
    return time.perf_counter() - began


def _require_good(stage: Stage, anna: Person, run: UUID) -> None:
    ended = anna.client.runs.wait(run, timeout_s=3_600)
    if ended.state is not RunState.SUCCEEDED:
        raise RuntimeError(f"{stage.server.url}: run {run}: {ended.detail}")


def _seconds_of_podman(image: str, count: int) -> tuple[float, float]:
    """Time the same program without hutch, alone and some at a time; gives both."""
    command = ["podman", "run", "--rm", "--network", "none", "--read-only"]
    program = "import json; json.loads('{}')"
    command += [image.removeprefix("sha256:"), "python3", "-c", program]

    def once(_: int) -> None:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 -- ours

    began = time.perf_counter()
    for number in range(_ALONE):
        once(number)
    alone = (time.perf_counter() - began) / _ALONE
    began = time.perf_counter()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(once, range(count)))
    return alone, time.perf_counter() - began
