"""Podman and its images, as the tests need them."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.programs import MissingServerError
from tests.servers import scratch, tied, wait_until

ROOT: Final = Path(__file__).resolve().parents[3]
PROXY: Final = "http://somebody:proxy-password@192.0.2.1:3128"
"""What the engine itself is told, and programs are not."""


def build(*images: str) -> dict[str, str]:
    """Have images built from this tree; give their ids.

    Raises:
        MissingServerError: What builds and runs containers is not installed.
    """
    for program in ("podman", "mmdebstrap"):
        if shutil.which(program) is None:
            raise MissingServerError(program)
    if os.geteuid() != 0:
        raise MissingServerError("podman for somebody other than root")
    made = subprocess.run(  # noqa: S603 -- a program of this tree, no shell
        [str(ROOT / "scripts" / "images"), *images],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert made.returncode == 0, made.stderr
    words = [line.split() for line in made.stdout.splitlines() if " sha256:" in line]
    return {name.removeprefix("hutch-"): digest for _, name, digest in words}


@contextmanager
def podman() -> Iterator[str]:
    """Run Podman's service, and give its address."""
    with scratch("podman") as directory:
        path = directory / "podman.sock"
        url = f"unix://{path}"
        environ = os.environ | dict.fromkeys(
            ("http_proxy", "HTTPS_PROXY", "ftp_proxy"), PROXY
        )
        with (
            (directory / "log").open("wb") as log,
            subprocess.Popen(  # noqa: S603 -- a program of this machine, no shell
                tied(["podman", "system", "service", "--time=0", url]),
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as service,
        ):
            try:
                wait_until(lambda: _answers(path), seconds=60, what="Podman's service")
                yield url
            finally:
                service.terminate()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
