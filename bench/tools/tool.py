"""What a tool has to tell, so that it can be measured beside others."""

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.facility import PEERS_BUCKET, Facility
from bench.meter import Step, ToolError
from tests.servers import REGION


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One dataset that is pushed and cloned by one tool.

    Attributes:
        facility: The servers.
        prefix: Name of the dataset, used once.
        source: The files.
        target: Directory for the clone; it does not exist yet.
        scratch: Directory of its own for whatever the tool keeps: its home.
    """

    facility: Facility
    prefix: str
    source: Path
    target: Path
    scratch: Path

    def environ(self) -> dict[str, str]:
        """Give an environment without anybody's settings."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.scratch),
            "LC_ALL": "C.UTF-8",
        }

    def step(
        self,
        *words: str | Path,
        more: Mapping[str, str] | None = None,
        where: Path | None = None,
        typed: str = "",
    ) -> Step:
        """Write a command that runs in this task's home."""
        return Step(
            words=[str(word) for word in words],
            environ=self.environ() | dict(more or {}),
            where=where or self.scratch,
            typed=typed,
        )

    def s3_environ(self) -> dict[str, str]:
        """Give the variables by which S3 tools find their keys."""
        return {
            "AWS_ACCESS_KEY_ID": self.facility.store.root.key_id,
            "AWS_SECRET_ACCESS_KEY": self.facility.store.root.secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


class Tool(ABC):
    """A tool; nothing of what it is told to do makes it speak to its makers.

    Attributes:
        name: As ``make bench TOOLS=…`` has it.
        settings: What it runs with beside the addresses, for the report.
        works: Names of the works that it takes part in; None means all.
        bucket: Where its files land.
    """

    name: ClassVar[str]
    settings: ClassVar[str]
    works: ClassVar[frozenset[str] | None] = None

    def __init__(self, program: Path) -> None:
        self.program = program

    def installed(self) -> bool:
        """Tell whether it is there."""
        return self.program.exists()

    @abstractmethod
    def version(self) -> str:
        """Ask it for its version."""

    @abstractmethod
    def push(self, task: Task) -> Sequence[Step]:
        """Write the commands that send the files; what they need is made at once."""

    @abstractmethod
    def clone(self, task: Task) -> Sequence[Step]:
        """Write the commands that fetch the files into the target."""

    def verify(self, task: Task) -> Sequence[Step]:
        """Write the commands that read the clone again and compare sha256."""
        del task
        return ()

    def landed(self, task: Task) -> Path:
        """Say where in the target the files lie."""
        return task.target

    def bucket(self, task: Task) -> str:
        """Say in which bucket the files lie."""
        del task
        return PEERS_BUCKET

    def stored(self, task: Task) -> str:
        """Say where in the bucket the files lie, once they are pushed."""
        return task.prefix

    def tidy(self, task: Task) -> None:
        """Take out of the source what the tool has put there."""
        del task

    def ask(self, *words: str) -> str:
        """Run it, and give what it prints.

        Raises:
            ToolError: It ended with another status than 0.
        """
        done = subprocess.run(  # noqa: S603 -- a program that the bench names, no shell
            [str(self.program), *words],
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ToolError(f"{self.name} {words[0]}: {done.stderr[-500:]}")
        return done.stdout
