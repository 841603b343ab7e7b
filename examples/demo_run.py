"""A reconstruction by containers, visibly: ``make demo-run``.

Starts hutch and a runner on this machine. A scan of a tooth is pushed and closed; a
rule computes the sinogram, and runs the volume and its segmentation. The same programs
are run outside hutch as well, and both volumes are compared. Needs podman (or docker)
and the images of ``make images``. Ends with 0 only if all of it went as it should.

usage: python examples/demo_run.py
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import demo
import h5py
import numpy as np
from demo import BIN, PLACE, ROOT, SERVER, DemoError, Person, plain_environ, say

TOMO = ROOT / "examples" / "tomo"
STEPS = ("sinogram", "volume", "segmentation")
MOST_RMSE = 1e-5
WAIT_S = 120


def image_id() -> str:
    """Name the image of the programs by its id.

    Raises:
        DemoError: It was not built.
    """
    for engine in ("podman", "docker"):
        if shutil.which(engine) is None:
            continue
        found = subprocess.run(  # noqa: S603 -- a program of this machine
            [engine, "inspect", "--format", "{{.Id}}", "hutch-tomo"],
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode == 0:
            return f"sha256:{found.stdout.strip().removeprefix('sha256:')}"
    raise DemoError("the image hutch-tomo is not there; build it with: make images")


@contextmanager
def engine() -> Iterator[str]:
    """Give the socket of a container engine; start Podman's if there is none.

    Raises:
        DemoError: It does not start.
    """
    for path in ("/run/podman/podman.sock", "/var/run/docker.sock"):
        if Path(path).is_socket():
            yield f"unix://{path}"
            return
    path = str(PLACE / "podman.sock")
    with process("podman", "system", "service", "--time=0", f"unix://{path}"):
        wait_until(Path(path).is_socket, "the container engine")
        yield f"unix://{path}"


@contextmanager
def process(*command: str, environ: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a program in the background until the block ends."""
    with (PLACE / f"{Path(command[0]).name}.log").open("ab") as log:
        started = subprocess.Popen(  # noqa: S603 -- our own programs, no shell
            command,
            stdout=log,
            stderr=log,
            env={**plain_environ(), **(environ or {})},
            start_new_session=True,
        )
        try:
            yield
        finally:
            started.terminate()
            started.wait()


def wait_until(condition: Any, what: str) -> None:
    """Wait until something holds.

    Raises:
        DemoError: It does not in time.
    """
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise DemoError(f"{what} took longer than {WAIT_S} s")
        time.sleep(0.1)


def prepare(url: str, image: str) -> tuple[Person, Person]:
    """Add the people, and what they run."""
    say("An approver approves the image; Mira adds the programs, and a rule.")
    mira = Person("mira", secrets.token_urlsafe(12))
    hal = Person("hal", secrets.token_urlsafe(12))
    for person, role in ((mira, "user"), (hal, "approver")):
        person.home.mkdir(parents=True)
        words = ("user", "add", person.name, "--role", role, "--dir", str(SERVER))
        typed = f"{person.password}\n"
        demo.run("hutch-api", *words, "--password-stdin", where=PLACE, typed=typed)
        login = ("login", url, "--user", person.name, "--password-stdin")
        person.hutch(*login, typed=typed)
    hal.hutch("image", "approve", image, "--note", "tomography")
    for step in STEPS:
        mira.hutch("definition", "add", str(TOMO / f"{step}.toml"), "--image", image)
    mira.hutch("definition", "list")
    rule = ("--type", "scan.tomo", "--run", "sinogram", "--name", "{name}-sinogram")
    mira.hutch("rule", "add", "sinograms", *rule)
    return mira, hal


def measure(mira: Person) -> None:
    """Push a scan and close it; the rule does the next step."""
    say("Mira closes the scan of a tooth: the rule computes the sinogram.")
    scan = mira.home / "tooth"
    scan.mkdir()
    shutil.copy(ROOT / "examples/tooth/tooth.h5", scan)
    attributes = ("sample=tooth", "projections=181", "rotation_range=180")
    given = [word for text in attributes for word in ("--attr", text)]
    mira.hutch("init", "tooth", "--name", "tooth", "--type", "scan.tomo", *given)
    mira.hutch("push", where="tooth")
    mira.hutch("close", where="tooth")


def compute(mira: Person) -> None:
    """Begin what builds on the sinogram before it is there, and wait for the last."""
    say("What builds on it is begun at once, and waits for it.")
    made = "tooth-sinogram"
    wait_until(lambda: made in runs_of(mira), "the rule")
    volume = ("volume", f"sinogram=run:{made}", "--name", "tooth-volume")
    mira.hutch("run", *volume)
    labels = ("segmentation", "volume=run:tooth-volume", "--name", "tooth-labels")
    mira.hutch("run", *labels, "--follow")
    mira.hutch("runs")
    mira.hutch("lineage", "tooth-labels")


def runs_of(person: Person) -> set[str]:
    """List what the runs of somebody make, without showing that."""
    listed = subprocess.run(  # noqa: S603 -- our own program, no shell
        [str(BIN / "hutch"), "--json", "runs"],
        env=person.environ(),
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_S,
    )
    return {run["name"] for run in json.loads(listed.stdout)["items"]}


def compare(mira: Person) -> None:
    """Run the same programs outside hutch, and compare the volumes.

    Raises:
        DemoError: They differ.
    """
    say("The same programs outside hutch give the same volume.")
    mira.hutch("clone", "tooth-volume", "volume")
    given, here = ROOT / "examples/tooth", PLACE / "outside"
    for step, kind in (("sinogram", "scan"), ("volume", "sinogram")):
        given = outside(step, kind, given, here / step)
    ours, theirs = (_volume(place) for place in (mira.home / "volume", given))
    error = float(np.sqrt(np.mean((ours - theirs) ** 2) / np.mean(theirs**2)))
    print(f"  shape {ours.shape}, relative RMSE {error:.2e} (at most {MOST_RMSE:.0e})")
    if ours.shape != (2, 640, 640) or error > MOST_RMSE:
        raise DemoError("the volume differs from the one computed outside hutch")


def outside(step: str, kind: str, given: Path, made: Path) -> Path:
    """Run a program of the example without hutch; gives where its output is."""
    made.mkdir(parents=True)
    attributes = {"sample": "tooth", "projections": 181, "rotation_range": 180}
    told = {"id": "-", "name": kind, "type": kind, "digest": "-", "path": str(given)}
    definition = tomllib.loads((TOMO / f"{step}.toml").read_text(encoding="utf-8"))
    properties = definition["parameters"]["properties"]
    parameters = {k: v["default"] for k, v in properties.items() if "default" in v}
    job = {
        "parameters": parameters,
        "inputs": {kind: {**told, "attributes": attributes}},
        "output": {"type": step},
    }
    note = made.parent / f"{step}.json"
    note.write_text(json.dumps(job), encoding="utf-8")
    places = {
        "HUTCH_JOB": str(note),
        "HUTCH_OUT": str(made),
        "PYTHONPATH": str(TOMO),
    }
    subprocess.run(  # noqa: S603 -- a program of this tree
        [sys.executable, str(TOMO / f"{step}.py")],
        env={**os.environ, **places},
        check=True,
        timeout=WAIT_S,
    )
    return made


def _volume(directory: Path) -> "np.ndarray[Any, np.dtype[np.float64]]":
    with h5py.File(directory / "volume.h5") as file:
        return np.asarray(file["entry/data/data"], dtype=np.float64)


def rerun(mira: Person) -> None:
    """Run a step again: the same bytes."""
    say("The same again gives the same digest.")
    mira.hutch("rerun", "tooth-volume", "--name", "tooth-volume-again", "--wait")


def main() -> int:
    """Run the demo and tell how it went."""
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        image = image_id()
        demo.clear()
        with ExitStack() as stack:
            url = stack.enter_context(demo.server(keep=False))
            environ = {"HUTCH_RUNNER_ENGINE": stack.enter_context(engine())}
            runner = (str(BIN / "hutch-api"), "runner", "--dir", str(SERVER))
            mira, _ = prepare(url, image)
            with process(*runner, environ=environ):
                measure(mira)
                compute(mira)
                compare(mira)
                rerun(mira)
    except (DemoError, subprocess.SubprocessError) as error:
        print(f"\ndemo-run: FAILED: {error}", file=sys.stderr)
        print(f"demo-run: logs are in {PLACE} and {SERVER / 'log'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo-run: interrupted", file=sys.stderr)
        return 1
    print(f"\ndemo-run: all as it should be, in {time.monotonic() - begun:.0f} s")
    shutil.rmtree(PLACE, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
