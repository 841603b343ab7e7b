"""DVC, the nearest tool that also records a hash of each file."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from bench.facility import PEERS_BUCKET
from bench.meter import Step
from bench.tools.tool import Task, Tool

_DATA: Final = "data"
_LINKS: Final = "reflink,hardlink,symlink,copy"


class Dvc(Tool):
    """``dvc add`` and ``dvc push``; ``dvc pull``."""

    name: ClassVar[str] = "dvc"
    settings: ClassVar[str] = (
        f"`cache.type {_LINKS}`, as its manual advises for large data; push is `dvc "
        "add` and `dvc push`, clone is `dvc pull` with an empty cache; MD5 recorded"
    )
    works: ClassVar[frozenset[str] | None] = frozenset({"large", "small"})

    def version(self) -> str:
        """Ask it for its version."""
        return self.ask("--version").strip()

    def push(self, task: Task) -> Sequence[Step]:
        """Write the commands that send the files, from a repository made here.

        Its files are links to the source's: DVC moves them into its cache, so each
        round needs some of its own.
        """
        repository = task.scratch / "repository"
        (repository / ".dvc").mkdir(parents=True)
        (repository / ".dvc/config").write_text(_config(task), "utf-8")
        shutil.copytree(task.source, repository / _DATA, copy_function=_link)
        return (
            self._step(task, repository, "add", "--quiet", _DATA),
            self._step(task, repository, "push", "--quiet"),
        )

    def clone(self, task: Task) -> Sequence[Step]:
        """Write the command that fetches the files into the target."""
        repository = task.scratch / "repository"
        (task.target / ".dvc").mkdir(parents=True)
        for name in (".dvc/config", f"{_DATA}.dvc"):
            shutil.copy(repository / name, task.target / name)
        return (self._step(task, task.target, "pull", "--quiet"),)

    def landed(self, task: Task) -> Path:
        """Say where in the target the files lie."""
        return task.target / _DATA

    def _step(self, task: Task, where: Path, *words: str) -> Step:
        # What it remembers of files beyond the repository would spare it the hashing.
        ours = {
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(task.scratch / f"site-{where.name}"),
            "DVC_GLOBAL_CONFIG_DIR": str(task.scratch / "global"),
            "DVC_SYSTEM_CONFIG_DIR": str(task.scratch / "system"),
        }
        return task.step(
            self.program, *words, more=task.s3_environ() | ours, where=where
        )


def _config(task: Task) -> str:
    return "\n".join(
        (
            "[core]",
            "    analytics = false",
            "    check_update = false",
            "    no_scm = true",
            "    remote = store",
            "[cache]",
            f'    type = "{_LINKS}"',
            "['remote \"store\"']",
            f"    url = s3://{PEERS_BUCKET}/{task.prefix}",
            f"    endpointurl = {task.facility.store.url}",
            "",
        )
    )


def _link(source: str, target: str) -> None:
    os.link(source, target)
