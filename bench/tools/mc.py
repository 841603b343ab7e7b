"""MinIO's own client."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from bench.facility import PEERS_BUCKET
from bench.meter import Step
from bench.tools.tool import Task, Tool


class Mc(Tool):
    """``mc cp``."""

    name: ClassVar[str] = "mc"
    settings: ClassVar[str] = "as it comes: it adapts the number of its workers itself"

    def version(self) -> str:
        """Find the version of the module that it was built from."""
        found = re.search(rb"github\.com/minio/mc\t(v[\w.-]+)", _bytes(self.program))
        return found[1].decode() if found else "unknown"

    def push(self, task: Task) -> Sequence[Step]:
        """Write the command that sends the files."""
        return (self._copy(task, f"{task.source}/", _remote(task)),)

    def clone(self, task: Task) -> Sequence[Step]:
        """Write the command that fetches the files into the target."""
        return (self._copy(task, _remote(task), f"{task.target}/"),)

    def _copy(self, task: Task, source: str, target: str) -> Step:
        root, address = task.facility.store.root, urlsplit(task.facility.store.url)
        return task.step(
            self.program,
            *("cp", "--recursive", "--quiet", source, target),
            more={
                "MC_HOST_store": (
                    f"http://{root.key_id}:{root.secret}@{address.netloc}"
                ),
                "MC_CONFIG_DIR": str(task.scratch / "mc"),
                "MC_UPDATE": "off",
                "MINIO_UPDATE": "off",
            },
        )


def _remote(task: Task) -> str:
    return f"store/{PEERS_BUCKET}/{task.prefix}/"


def _bytes(program: Path) -> bytes:
    return program.read_bytes()
