"""The AWS command line."""

from collections.abc import Sequence
from typing import ClassVar, Final

from bench.facility import PEERS_BUCKET
from bench.meter import Step
from bench.tools.tool import Task, Tool

_SETTINGS: Final = {
    "max_concurrent_requests": "20",
    "max_queue_size": "10000",
    "multipart_threshold": "64MB",
    "multipart_chunksize": "64MB",
    "payload_signing_enabled": "false",
    "addressing_style": "path",
}


class Aws(Tool):
    """``aws s3 cp``."""

    name: ClassVar[str] = "aws"
    settings: ClassVar[str] = (
        ", ".join(f"`{name} = {value}`" for name, value in _SETTINGS.items())
        + "; the package on PyPI is version 1, which has no CRT transfer client"
    )

    def version(self) -> str:
        """Ask it for its version."""
        return self.ask("--version").split()[0].partition("/")[2]

    def push(self, task: Task) -> Sequence[Step]:
        """Write the command that sends the files."""
        return (self._copy(task, str(task.source), _remote(task)),)

    def clone(self, task: Task) -> Sequence[Step]:
        """Write the command that fetches the files into the target."""
        return (self._copy(task, _remote(task), str(task.target)),)

    def _copy(self, task: Task, source: str, target: str) -> Step:
        config = task.scratch / "aws-config"
        lines = [f"  {name} = {value}" for name, value in _SETTINGS.items()]
        config.write_text("\n".join(["[default]", "s3 =", *lines, ""]), "utf-8")
        return task.step(
            self.program,
            *("--endpoint-url", task.facility.store.url),
            *("s3", "cp", "--recursive", "--only-show-errors", source, target),
            more=task.s3_environ() | {"AWS_CONFIG_FILE": str(config)},
        )


def _remote(task: Task) -> str:
    return f"s3://{PEERS_BUCKET}/{task.prefix}/"
