"""A server and people at their command lines, as the end-to-end tests need them.

``hutch-api up`` is a process of its own, and each person has a home directory of
their own. Commands run whole, from the words that were typed to the exit status.
"""

import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hutch import Client, connect, credentials
from hutch.cli.__main__ import main
from hutch.cli.exits import Exit
from hutch.contract.wire.accounts import Role
from hutch_api.embedded.directory import environ_of
from hutch_api.services import users
from hutch_api.services.work import Site
from hutch_api.settings import Settings
from hutch_api.site import open_site

BIN = Path(sys.executable).parent
PATIENCE_S = 120
"""For one command; the machine may be busy with other things."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it said."""

    exit: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document on stderr."""
        found: dict[str, Any] = json.loads(self.err)
        return found

    @property
    def code(self) -> str:
        """The problem's code."""
        return str(self.problem["type"]).removeprefix("urn:hutch:problem:")


@dataclass(frozen=True, slots=True)
class Server:
    """A running ``hutch-api up``.

    Attributes:
        url: Where its API listens.
        s3_url: Where its store listens.
        directory: What it keeps.
        site: The same installation, opened in the test's process.
        pid: Of the process that a person would end with Ctrl-C.
        log: What that process says.
    """

    url: str
    s3_url: str
    directory: Path
    site: Site
    pid: int
    log: Path

    def add(self, name: str, password: str, *, role: Role = Role.USER) -> None:
        """Add a user."""
        with self.site.begin() as work:
            users.add_user(work, name=name, password=password, role=role)


@dataclass(slots=True)
class Person:
    """Somebody with a home directory and a command line.

    Attributes:
        home: Where their token is kept, and where they work.
        extra: Further environment of their shell.
        overheard: What others can see: command lines, and what was printed.
    """

    name: str
    password: str
    home: Path
    url: str
    extra: dict[str, str] = field(default_factory=dict)
    overheard: list[str] = field(default_factory=list, repr=False)

    def environ(self) -> dict[str, str]:
        """The environment of their shell."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HUTCH_")}
        kept |= {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config")}
        return kept | {"NO_COLOR": "1"} | self.extra

    def hutch(
        self,
        *words: str,
        where: Path | None = None,
        typed: str = "",
        exits: Exit = Exit.OK,
    ) -> Outcome:
        """Run a command to its end, which has to be the expected one."""
        outcome = self.run(*words, where=where, typed=typed)
        assert outcome.exit == exits, f"hutch {words}\n{outcome.out}\n{outcome.err}"
        return outcome

    def run(self, *words: str, where: Path | None = None, typed: str = "") -> Outcome:
        """Run a command to its end, whatever that is.

        It runs in the test's process, which saves the start of Python each time;
        ``shell`` runs the same as a process.
        """
        out, err = _captured(), _captured()
        with (
            pytest.MonkeyPatch.context() as patch,
            chdir(where or self.home),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            _set_environ(patch, self.environ())
            patch.setattr(sys, "stdin", io.StringIO(typed))
            status = main(words)
        return self._heard(words, Outcome(status, _text(out), _text(err)))

    def start(self, *words: str, where: Path | None = None) -> subprocess.Popen[str]:
        """Start a command without waiting for it."""
        self.overheard.append(" ".join(words))
        return subprocess.Popen(  # noqa: S603 - our own program, no shell
            [str(BIN / "hutch"), *words],
            cwd=where or self.home,
            env=self.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def shell(
        self,
        *words: str,
        where: Path | None = None,
        typed: str = "",
        exits: Exit = Exit.OK,
    ) -> Outcome:
        """Run a command as a process to its end, which has to be the expected one."""
        with self.start(*words, where=where) as process:
            return self._heard(words, ended(process, typed=typed, exits=exits))

    def _heard(self, words: Sequence[str], outcome: Outcome) -> Outcome:
        """Note what was printed, but for the one answer that is a secret."""
        if list(words[:2]) != ["token", "create"]:
            self.overheard += [outcome.out, outcome.err]
        return outcome

    def json(self, *words: str, where: Path | None = None, typed: str = "") -> Any:
        """Run a command that succeeds, and read its document."""
        outcome = self.hutch(*words, "--json", where=where, typed=typed)
        assert outcome.err == ""
        return outcome.document

    def refused(
        self, exits: Exit, code: str, *words: str, where: Path | None = None
    ) -> Outcome:
        """Run a command that is refused: for a person, and for a program.

        The command must be one that may be refused twice.
        """
        told = self.hutch(*words, where=where, exits=exits)
        assert f"[{code}]" in told.err
        assert "Traceback" not in told.err
        outcome = self.hutch(*words, "--json", where=where, exits=exits)
        assert outcome.out == ""
        assert outcome.code == code
        assert outcome.problem["detail"]
        return outcome

    def log_in(self) -> None:
        """Log in as ``hutch login`` does, faster."""
        with connect(self.url) as client:
            token = client.account.log_in(self.name, self.password).token
        held = credentials.Credential(url=self.url, token=token, user=self.name)
        credentials.keep(held, environ=self.environ())

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Give the library's view of the server as this person."""
        held = credentials.find(self.url, environ=self.environ())
        with connect(held.url, token=held.token) as client:
            yield client

    def dataset(self, name: str, files: Mapping[str, bytes | str]) -> Path:
        """Make a working directory with files in it, not pushed yet."""
        root = self.home / name
        write(root, files)
        self.hutch("init", name, "--name", name)
        return root

    def pushed(self, name: str, files: Mapping[str, bytes | str]) -> Path:
        """Make a dataset and push it."""
        root = self.dataset(name, files)
        self.hutch("push", where=root)
        return root

    def closed(self, name: str, files: Mapping[str, bytes | str]) -> Path:
        """Make a dataset, push and close it."""
        root = self.pushed(name, files)
        self.hutch("close", where=root)
        return root


def _set_environ(patch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    # The names are changed in place: functions hold os.environ as their default.
    for name in set(os.environ) - set(environ):
        patch.delenv(name)
    for name, value in environ.items():
        patch.setenv(name, value)


def _captured() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


def ended(
    process: subprocess.Popen[str], *, typed: str = "", exits: Exit = Exit.OK
) -> Outcome:
    """Wait for a command that was started; it has to end as expected."""
    try:
        out, err = process.communicate(typed, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == exits, f"{process.args!r}\n{out}\n{err}"
    return Outcome(process.returncode, out, err)


def write(root: Path, files: Mapping[str, bytes | str]) -> None:
    """Write files below a directory."""
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def tree(root: Path) -> dict[str, bytes]:
    """Read all files below a directory, but those of hutch."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".hutch" not in path.relative_to(root).parts
    }


def id_of(root: Path) -> UUID:
    """Read to which dataset a working directory is bound."""
    return UUID(json.loads((root / ".hutch/config.json").read_text())["dataset"])


@contextmanager
def up(directory: Path, *, store: str = "minio") -> Iterator[Server]:
    """Run ``hutch-api up`` until the block ends."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HUTCH_S3")}
    log = directory.with_suffix(".log")
    with (
        log.open("wb") as errors,
        subprocess.Popen(  # noqa: S603 - our own program, no shell
            [
                str(BIN / "hutch-api"),
                *("up", "--dir", str(directory), "--store", store, "--json"),
            ],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            ready = _ready(process, log)
            site = open_site(Settings.from_environ(environ_of(directory, {})))
            try:
                yield Server(
                    ready["url"], ready["s3_url"], directory, site, process.pid, log
                )
            finally:
                site.engine.dispose()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=PATIENCE_S)


def _ready(process: subprocess.Popen[str], log: Path) -> dict[str, str]:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
    line = process.stdout.readline() if ready else ""
    assert line, f"the server did not start: {log.read_text()}"
    told: dict[str, str] = json.loads(line)
    return told
