"""hutch itself, from login to acknowledged."""

import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from bench.facility import USER
from bench.meter import Step
from bench.tools.tool import Task, Tool


class Hutch(Tool):
    """``hutch``, as the project's environment has it."""

    name: ClassVar[str] = "hutch"
    settings: ClassVar[str] = (
        "none; push is `hutch login`, `hutch init` and `hutch push`, clone is "
        "`hutch login` and `hutch clone`: sha256 recorded, CRC64NVME of each part "
        "checked by the store, and again at clone"
    )

    def __init__(self) -> None:
        super().__init__(Path(sys.executable).with_name("hutch"))

    def version(self) -> str:
        """Ask it for its version."""
        return version("hutch")

    def push(self, task: Task) -> Sequence[Step]:
        """Write the commands that send the files."""
        return (
            self.log_in(task),
            task.step(
                self.program, "init", task.source, "--name", task.prefix, "--quiet"
            ),
            task.step(self.program, "push", task.source, "--quiet"),
        )

    def clone(self, task: Task) -> Sequence[Step]:
        """Write the commands that fetch the files into the target."""
        clone = ("clone", task.prefix, task.target, "--quiet")
        return (self.log_in(task), task.step(self.program, *clone))

    def verify(self, task: Task) -> Sequence[Step]:
        """Write the command that reads the clone again and compares sha256."""
        return (task.step(self.program, "verify", task.target, "--quiet"),)

    def log_in(self, task: Task) -> Step:
        """Write the command that gets a token."""
        return task.step(
            self.program,
            "login",
            task.facility.url,
            "--user",
            USER,
            "--password-stdin",
            typed=f"{task.facility.password}\n",
        )

    def bucket(self, task: Task) -> str:
        """Say in which bucket the files lie."""
        return task.facility.data_bucket

    def stored(self, task: Task) -> str:
        """Say where in the bucket the files lie: in the newest dataset."""
        datasets = (task.facility.files_of(self.bucket(task)) / "d").iterdir()
        return f"d/{max(datasets, key=lambda d: d.stat().st_mtime_ns).name}"

    def tidy(self, task: Task) -> None:
        """Take the journal out of the source."""
        shutil.rmtree(task.source / ".hutch", ignore_errors=True)
