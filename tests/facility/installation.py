"""Running ``hutch-api`` as a person would: as a program."""

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.servers import StoreServer, random_credentials, tied

START_S = 120


def plain_environ(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give an environment without anybody's settings."""
    kept = {"PATH": os.environ["PATH"], "HOME": str(home)}
    if cache := os.environ.get("XDG_CACHE_HOME"):
        kept["XDG_CACHE_HOME"] = cache
    elif "HOME" in os.environ:
        kept["XDG_CACHE_HOME"] = str(Path(os.environ["HOME"]) / ".cache")
    return kept | dict(more or {})


def hutch_api(
    *words: str, environ: Mapping[str, str], typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(  # noqa: S603 -- our own program, no shell
        [sys.executable, "-m", "hutch_api", *words],
        env=dict(environ),
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_S,
    )


def store_environ(server: StoreServer, home: Path) -> dict[str, str]:
    """Write settings for new buckets on a store."""
    name = uuid4().hex[:12]
    identities = {"SERVER": random_credentials(), "READER": random_credentials()}
    keys = {
        f"HUTCH_S3_{role}_{part}": text
        for role, pair in identities.items()
        for part, text in (("KEY_ID", pair.key_id), ("SECRET", pair.secret))
    }
    return plain_environ(home, keys) | {
        "HUTCH_SERVER_KEYS": f"1:{secrets.token_hex(32)}",
        "HUTCH_S3_URL": server.url,
        "HUTCH_S3_DATA_BUCKET": f"data-{name}",
        "HUTCH_S3_META_BUCKET": f"meta-{name}",
    }


@contextmanager
def running(
    command: str, environ: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the end of the block; it has to end well."""
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 -- our own program, no shell
            tied([sys.executable, "-m", "hutch_api", command]),
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is for whoever started it
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
        assert code == 0, log.read_text()


def answers(environ: dict[str, str]) -> bool:
    url = f"http://127.0.0.1:{environ['HUTCH_PORT']}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(json.load(answer)["ready"])
    except (OSError, urllib.error.URLError):
        return False


@dataclass(frozen=True, slots=True)
class Installation:
    """A running ``hutch-api up``.

    Attributes:
        ready: Its ready line.
    """

    process: subprocess.Popen[str]
    directory: Path
    ready: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    def get(self, path: str) -> Any:
        """Ask the API."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:  # noqa: S310 -- loopback
            return json.load(answer)

    def children(self) -> dict[int, str]:
        """List the processes below it by id, each with its command line."""
        return {
            pid: command
            for pid, (parent, command) in _processes().items()
            if parent == self.process.pid
        }


@contextmanager
def up(
    directory: Path,
    *words: str,
    environ: Mapping[str, str] | None = None,
    expect: Sequence[int] = (0,),
) -> Iterator[Installation]:
    """Run ``hutch-api up --json`` until the end of the block.

    Args:
        directory: Its ``--dir``.
        words: Further arguments.
        environ: Its environment; None means a plain one.
        expect: Exit codes with which it may end.
    """
    command = [sys.executable, "-m", "hutch_api", "up", "--json", "--dir"]
    errors = directory.with_name(directory.name + ".stderr")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (
        errors.open("w") as stderr,
        subprocess.Popen(  # noqa: S603 -- our own program, no shell
            [*command, str(directory), *words],
            env=dict(environ or plain_environ(directory.parent)),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            select.select([process.stdout], [], [], START_S)
            line = process.stdout.readline() if process.poll() is None else ""
            assert line, errors.read_text()
            yield Installation(process, directory, json.loads(line))
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            code = process.wait(60)
        assert code in expect, errors.read_text()


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def _processes() -> dict[int, tuple[int, str]]:
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(entry.name)] = (int(parent), command)
    return found
