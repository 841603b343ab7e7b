"""``hutch-api up`` can be ended at any moment, and says nothing odd."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.facility.installation import plain_environ
from tests.servers import wait_until


@pytest.mark.parametrize(
    "moment", ["log", "log/store.log", "hutch.sqlite", "log/api.log"]
)
def test_ctrl_c_during_the_start_ends_it(moment: str, tmp_path: Path) -> None:
    directory = tmp_path / "hutch"
    command = [sys.executable, "-m", "hutch_api", "up", "--dir", str(directory)]
    with subprocess.Popen(  # noqa: S603 -- our own program, no shell
        command,
        env=plain_environ(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        wait_until((directory / moment).exists, seconds=60, what=f"to see {moment}")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert "Traceback" not in said
