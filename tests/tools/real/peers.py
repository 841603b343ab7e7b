"""The tools of others, each as its users call it, with the settings hutch writes."""

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import pytest

from tests.e2e.stage import PATIENCE_S, Person

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PEERS: Final = CACHE / "hutch" / "bench"
"""Where ``scripts/peers`` installs."""
PART_MIB: Final = 5
"""The smallest part that stores take: files of the tests travel in several."""
BOTO: Final = Path(__file__).with_name("boto_program.py")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a tool ended, and what it said."""

    status: int
    said: str
    output: bytes


def require(name: str, program: Path) -> None:
    """See that a tool is installed: in CI it has to be, elsewhere it is left out."""
    if program.exists():
        return
    text = f"{program.name} ({name})"
    if os.environ.get("CI"):
        pytest.fail(f"not installed: {text}; see scripts/peers")
    pytest.skip(f"left out: {text} is not installed")


class Tool(ABC):
    """A tool in the hands of somebody.

    Attributes:
        name: For the names of tests.
        program: Where it is, or would be.
    """

    name: ClassVar[str]
    program: ClassVar[Path]

    def __init__(self, person: Person, dataset: str, *, write: bool = False) -> None:
        require(self.name, self.program)
        self.person, self.dataset = person, dataset
        self.more = ("--write",) if write else ()
        self.url = person.json("s3", "url", dataset)["url"]
        told = person.json("s3", "env", dataset, *self.more)
        self.profile = told["profile"]
        self.environ: dict[str, str] = told["variables"]
        self.prepare()

    @abstractmethod
    def prepare(self) -> None:
        """Do what this tool needs beside a profile."""

    @abstractmethod
    def up(self, source: Path, url: str) -> list[str]:
        """Write the command that sends a tree below an address."""

    @abstractmethod
    def down(self, url: str, target: Path) -> list[str]:
        """Write the command that fetches all below an address."""

    @abstractmethod
    def ls(self, url: str) -> list[str]:
        """Write the command that lists all below an address."""

    @abstractmethod
    def cat(self, url: str) -> list[str]:
        """Write the command that prints a file."""

    @abstractmethod
    def put(self, file: Path, url: str) -> list[str]:
        """Write the command that sends one file."""

    @abstractmethod
    def rm(self, url: str) -> list[str]:
        """Write the command that deletes a file."""

    def part(self, url: str, first: int, count: int) -> list[str] | None:
        """Write the command that prints a part of a file; None if it cannot."""
        del url, first, count
        return None

    def all_environ(self) -> dict[str, str]:
        """Give the environment in which it runs."""
        kept = {k: v for k, v in self.person.environ().items() if "AWS_" not in k}
        off = {"AWS_EC2_METADATA_DISABLED": "true", "LC_ALL": "C.UTF-8"}
        certificates = {k: v for k, v in self.person.extra.items() if "CA_" in k}
        return kept | off | certificates | self.environ

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Start it."""
        return subprocess.Popen(  # noqa: S603 - a program of this machine, no shell
            [str(self.program), *words],
            cwd=self.person.home,
            env=self.all_environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ended(self, process: subprocess.Popen[bytes]) -> Ended:
        """Wait for its end."""
        try:
            output, errors = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        said = (output + errors).decode(errors="replace")
        return Ended(process.returncode, said, output)

    def run(self, words: list[str]) -> Ended:
        """Run it to its end, which has to be a good one."""
        with self.start(words) as process:
            ended = self.ended(process)
        assert ended.status == 0, f"{words}\n{ended.said}"
        return ended

    def refused(self, words: list[str]) -> str:
        """Run it; it has to fail. Gives what it says."""
        with self.start(words) as process:
            ended = self.ended(process)
        assert ended.status != 0, f"{words}\n{ended.said}"
        return ended.said


class Aws(Tool):
    """The AWS command line of PyPI, version 1."""

    name = "aws"
    program = PEERS / "aws/bin/aws"
    before: ClassVar[tuple[str, ...]] = ()

    def prepare(self) -> None:
        """Make parts small, beside what hutch has written."""
        file = self.person.home / ".aws/config"
        text = file.read_text()
        small = f"  multipart_threshold = {PART_MIB}MB\n"
        small += f"  multipart_chunksize = {PART_MIB}MB\n"
        if small not in text:
            file.write_text(text.replace("s3 =\n", f"s3 =\n{small}"))

    def _s3(self, *words: str) -> list[str]:
        endpoint = ("--endpoint-url", self.environ["AWS_ENDPOINT_URL"])
        return [*(endpoint if self.before else ()), *words]

    def up(self, source: Path, url: str) -> list[str]:
        return self._s3("s3", "sync", "--no-progress", str(source), url)

    def down(self, url: str, target: Path) -> list[str]:
        return self._s3("s3", "sync", "--no-progress", url, str(target))

    def ls(self, url: str) -> list[str]:
        return self._s3("s3", "ls", "--recursive", url)

    def cat(self, url: str) -> list[str]:
        return self._s3("s3", "cp", url, "-")

    def put(self, file: Path, url: str) -> list[str]:
        return self._s3("s3", "cp", "--no-progress", str(file), url)

    def rm(self, url: str) -> list[str]:
        return self._s3("s3", "rm", url)

    def part(self, url: str, first: int, count: int) -> list[str]:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        named = ("--bucket", bucket, "--key", key)
        wanted = ("--range", f"bytes={first}-{first + count - 1}")
        return self._s3("s3api", "get-object", *named, *wanted, "/dev/stdout")


class DebianAws(Aws):
    """The AWS command line of Debian, version 2.9, which has to be told the store."""

    name = "debian-aws"
    program = Path("/usr/bin/aws")
    before = ("--endpoint-url",)


class S5cmd(Tool):
    """s5cmd, which fetches and sends large files in parts."""

    name = "s5cmd"
    program = PEERS / "s5cmd/bin/s5cmd"

    def prepare(self) -> None:
        """Need nothing else."""

    def up(self, source: Path, url: str) -> list[str]:
        return ["cp", "--part-size", str(PART_MIB), f"{source}/", url]

    def down(self, url: str, target: Path) -> list[str]:
        return ["cp", "--part-size", str(PART_MIB), f"{url}*", f"{target}/"]

    def ls(self, url: str) -> list[str]:
        return ["ls", f"{url}*"]

    def cat(self, url: str) -> list[str]:
        return ["cat", url]

    def put(self, file: Path, url: str) -> list[str]:
        return ["cp", str(file), url]

    def rm(self, url: str) -> list[str]:
        return ["rm", url]


class Rclone(Tool):
    """rclone."""

    name = "rclone"
    program = PEERS / "rclone/bin/rclone"

    def prepare(self) -> None:
        """Have hutch write a remote too."""
        saved = self.person.json("s3", "rclone", self.dataset, *self.more, "--save")
        self.remote = saved["name"]

    def at(self, url: str) -> str:
        """Name an address as rclone does: by the remote of the dataset, or beside."""
        if url.startswith(self.url):
            return f"{self.remote}:{url.removeprefix(self.url)}"
        return f"{self.remote}-store:{url.removeprefix('s3://')}"

    def _copy(self, verb: str, *words: str) -> list[str]:
        size = f"{PART_MIB}Mi"
        parts = ("--s3-chunk-size", size, "--s3-upload-cutoff", size)
        return [verb, *parts, "--multi-thread-cutoff", size, *words]

    def up(self, source: Path, url: str) -> list[str]:
        return self._copy("sync", str(source), self.at(url))

    def down(self, url: str, target: Path) -> list[str]:
        return self._copy("sync", self.at(url), str(target))

    def ls(self, url: str) -> list[str]:
        return ["ls", self.at(url)]

    def cat(self, url: str) -> list[str]:
        return ["cat", self.at(url)]

    def put(self, file: Path, url: str) -> list[str]:
        return ["copyto", str(file), self.at(url)]

    def rm(self, url: str) -> list[str]:
        return ["deletefile", self.at(url)]

    def part(self, url: str, first: int, count: int) -> list[str]:
        return ["cat", "--offset", str(first), "--count", str(count), self.at(url)]


class Mc(Tool):
    """mc, which is given keys instead of a profile."""

    name = "mc"
    program = PEERS / "mc/bin/mc"

    def prepare(self) -> None:
        """Give it keys, over its standard input."""
        certificate = self.person.extra.get("AWS_CA_BUNDLE")
        if certificate:
            trusted = self.person.home / ".mc/certs/CAs"
            trusted.mkdir(parents=True, exist_ok=True)
            (trusted / "store.pem").write_bytes(Path(certificate).read_bytes())
        alias = self.person.hutch("s3", "mc", self.dataset, *self.more).out
        subprocess.run(  # noqa: S603 - a program of this machine, no shell
            [str(self.program), "alias", "import", "store"],
            env=self.all_environ(),
            input=alias.encode(),
            check=True,
            capture_output=True,
        )

    def at(self, url: str) -> str:
        """Name an address as mc does."""
        return f"store/{url.removeprefix('s3://')}"

    def up(self, source: Path, url: str) -> list[str]:
        return ["--quiet", "mirror", str(source), self.at(url)]

    def down(self, url: str, target: Path) -> list[str]:
        return ["--quiet", "mirror", self.at(url), str(target)]

    def ls(self, url: str) -> list[str]:
        return ["ls", "--recursive", self.at(url)]

    def cat(self, url: str) -> list[str]:
        return ["cat", self.at(url)]

    def put(self, file: Path, url: str) -> list[str]:
        return ["--quiet", "cp", str(file), self.at(url)]

    def rm(self, url: str) -> list[str]:
        return ["rm", self.at(url)]

    def part(self, url: str, first: int, count: int) -> list[str]:
        del count  # it prints from there to the end
        return ["cat", "--offset", str(first), self.at(url)]


class Boto3(Tool):
    """A program that uses boto3 with the profile."""

    name = "boto3"
    program = Path(sys.executable)

    def prepare(self) -> None:
        """Need nothing else."""

    def _do(self, verb: str, *words: str) -> list[str]:
        return [str(BOTO), verb, *words]

    def up(self, source: Path, url: str) -> list[str]:
        return self._do("up", str(source), url)

    def down(self, url: str, target: Path) -> list[str]:
        return self._do("down", url, str(target))

    def ls(self, url: str) -> list[str]:
        return self._do("ls", url)

    def cat(self, url: str) -> list[str]:
        return self._do("cat", url)

    def put(self, file: Path, url: str) -> list[str]:
        return self._do("put", str(file), url)

    def rm(self, url: str) -> list[str]:
        return self._do("rm", url)

    def part(self, url: str, first: int, count: int) -> list[str]:
        return self._do("part", url, str(first), str(count))


TOOLS: Final[tuple[type[Tool], ...]] = (Aws, DebianAws, S5cmd, Rclone, Mc, Boto3)
