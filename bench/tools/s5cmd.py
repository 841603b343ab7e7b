"""s5cmd."""

from collections.abc import Sequence
from typing import ClassVar

from bench.facility import PEERS_BUCKET
from bench.meter import Step
from bench.tools.tool import Task, Tool


class S5cmd(Tool):
    """``s5cmd cp``."""

    name: ClassVar[str] = "s5cmd"
    settings: ClassVar[str] = "`--numworkers 16`, `--concurrency 4`, `--part-size 64`"

    def version(self) -> str:
        """Ask it for its version."""
        return self.ask("version").strip()

    def push(self, task: Task) -> Sequence[Step]:
        """Write the command that sends the files."""
        return (self._copy(task, f"{task.source}/", _remote(task)),)

    def clone(self, task: Task) -> Sequence[Step]:
        """Write the command that fetches the files into the target."""
        return (self._copy(task, f"{_remote(task)}*", f"{task.target}/"),)

    def _copy(self, task: Task, source: str, target: str) -> Step:
        return task.step(
            self.program,
            *("--endpoint-url", task.facility.store.url, "--log", "error"),
            *("--numworkers", "16", "cp", "--concurrency", "4", "--part-size", "64"),
            *(source, target),
            more=task.s3_environ(),
        )


def _remote(task: Task) -> str:
    return f"s3://{PEERS_BUCKET}/{task.prefix}/"
