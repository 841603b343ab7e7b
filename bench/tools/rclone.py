"""rclone."""

from collections.abc import Sequence
from typing import ClassVar, Final

from bench.facility import PEERS_BUCKET
from bench.meter import Step
from bench.tools.tool import Task, Tool

_UP: Final = (
    "--transfers=16",
    "--checkers=16",
    "--s3-upload-concurrency=8",
    "--s3-chunk-size=64M",
    "--s3-disable-checksum",
    "--s3-no-head",
    "--s3-no-check-bucket",
    "--no-check-dest",
)
_DOWN: Final = (
    "--transfers=16",
    "--checkers=16",
    "--multi-thread-streams=8",
    "--s3-no-head-object",
    "--ignore-checksum",
)


class Rclone(Tool):
    """``rclone copy``."""

    name: ClassVar[str] = "rclone"
    settings: ClassVar[str] = (
        f"up `{' '.join(_UP)}`, down `{' '.join(_DOWN)}`: no checksums, no second look"
    )

    def version(self) -> str:
        """Ask it for its version."""
        return self.ask("version").split()[1]

    def push(self, task: Task) -> Sequence[Step]:
        """Write the command that sends the files."""
        return (self._copy(task, *_UP, str(task.source), _remote(task)),)

    def clone(self, task: Task) -> Sequence[Step]:
        """Write the command that fetches the files into the target."""
        return (self._copy(task, *_DOWN, _remote(task), str(task.target)),)

    def _copy(self, task: Task, *words: str) -> Step:
        remote = {
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CONFIG_STORE_TYPE": "s3",
            "RCLONE_CONFIG_STORE_PROVIDER": "Minio",
            "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
            "RCLONE_CONFIG_STORE_ENDPOINT": task.facility.store.url,
        }
        return task.step(self.program, "copy", *words, more=task.s3_environ() | remote)


def _remote(task: Task) -> str:
    return f"store:{PEERS_BUCKET}/{task.prefix}"
