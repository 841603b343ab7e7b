"""``hutch push --watch`` and ``hutch close`` as people and programs call them."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pexpect
import pytest

from hutch import Client, Workdir
from hutch.cli.__main__ import main
from hutch.cli.exits import Exit
from tests.client.live import Live, write

HUTCH = (sys.executable, "-m", "hutch.cli")
PATIENCE_S = 60


@pytest.fixture
def environ(live: Live, anna: Client, tmp_path: Path) -> dict[str, str]:
    """Give the environment of anna's shell."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HUTCH_")}
    token = anna._connection.token or ""
    return kept | {
        "HOME": str(tmp_path),
        "HUTCH_URL": live.url,
        "HUTCH_TOKEN": token,
        "NO_COLOR": "1",
    }


@pytest.fixture
def _at_home(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


class Started:
    """``hutch push --watch --json`` as a process."""

    def __init__(self, workdir: Workdir, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [*HUTCH, "push", "--watch", "--json", str(workdir.root)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next(self, event: str) -> dict[str, Any]:
        """Read lines until one tells of an event."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told: dict[str, Any] = json.loads(line)
            if told["event"] == event:
                return told
        raise AssertionError(self.process.communicate())


@pytest.fixture
def started(
    live: Live, anna: Client, environ: dict[str, str]
) -> Iterator[tuple[Workdir, Started]]:
    """Start a watch that has sent one file, and has to do nothing more."""
    workdir = live.workdir(anna, {"first": b"1"})
    one = Started(workdir, environ)
    try:
        assert one.next("sent")["files"] == 1
        yield workdir, one
    finally:
        one.process.kill()
        one.process.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_it_says_what_is_left(
    started: tuple[Workdir, Started], how: signal.Signals
) -> None:
    workdir, one = started
    with (workdir.root / "open").open("wb") as file:
        file.write(b"half")
        one.process.send_signal(how)
        told = one.next("ended")
        _, err = one.process.communicate(timeout=PATIENCE_S)
    assert one.process.returncode == Exit.INTERRUPTED
    assert (told["sent"], told["left"], told["scanned"]) == (1, 0, True)
    problem = json.loads(err)
    assert problem["type"] == "urn:hutch:problem:interrupted"
    assert "0 files left to send" in problem["detail"]


def test_each_event_is_a_line(started: tuple[Workdir, Started]) -> None:
    workdir, one = started
    write(workdir.root, {"second": b"22"})
    told = one.next("sent")
    assert (told["files"], told["bytes"], told["waiting"]) == (1, 2, 0)
    (workdir.root / "link").symlink_to("first")
    failed = one.next("failed")
    assert failed["path"] == "link"
    assert failed["error"]["type"] == "urn:hutch:problem:unsupported-file"


@pytest.mark.usefixtures("_at_home")
def test_it_ends_by_itself_and_names_what_is_next(
    live: Live, anna: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir = live.workdir(anna, {"a": b"1"})
    words = ["push", "--watch", "--settle", "0.2", "--until-idle", "0.5"]
    assert main([*words, str(workdir.root)]) == Exit.OK
    out, err = capsys.readouterr()
    assert out.splitlines() == ["sent 1 file, 1 B", "next: hutch close"]
    assert f"watching {workdir.root}" in err


@pytest.mark.usefixtures("_at_home")
def test_a_terminal_shows_a_line(
    live: Live, anna: Client, environ: dict[str, str]
) -> None:
    workdir = live.workdir(anna, {"a": b"1"})
    child = pexpect.spawn(
        HUTCH[0],
        [*HUTCH[1:], "push", "--watch", "--settle", "0.2", str(workdir.root)],
        env=environ | {"TERM": "xterm"},
        dimensions=(24, 120),
        timeout=PATIENCE_S,
        encoding="utf-8",
    )
    try:
        child.expect("push: 1 file sent, 1 B, 0 waiting, ")
        child.sendintr()
        child.expect("0 files left to send")
        child.expect(pexpect.EOF)
        assert child.wait() == Exit.INTERRUPTED
    finally:
        child.close(force=True)


@pytest.mark.parametrize(
    "words",
    [
        ["--watch", "--delete"],
        ["--watch", "--checksum"],
        ["--poll"],
        ["--settle", "1"],
        ["--until-idle", "1"],
        ["--watch", "--settle", "0"],
        ["--watch", "--settle", "soon"],
        ["--watch", "--until-idle", "inf"],
    ],
)
def test_options_that_do_not_fit_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", *words]) == Exit.USAGE
    assert "[usage]" in capsys.readouterr().err


@pytest.mark.usefixtures("_at_home")
def test_without_the_library_it_says_how_to_get_it(
    live: Live,
    anna: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    workdir = live.workdir(anna, {"a": b"1"})
    monkeypatch.setitem(sys.modules, "inotify_simple", None)
    assert main(["push", "--watch", str(workdir.root)]) == Exit.USAGE
    assert "pip install 'hutch[watch]'" in capsys.readouterr().err
    words = ["push", "--watch", "--poll", "--settle", "0.2", "--until-idle", "0.5"]
    assert main([*words, str(workdir.root)]) == Exit.OK


@pytest.mark.usefixtures("_at_home")
def test_a_close_names_what_is_still_open(
    live: Live, anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    workdir = live.workdir(anna, {"a": b"1", "sub/growing": b"half"})
    assert main(["push", str(workdir.root)]) == Exit.OK
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    with (workdir.root / "sub" / "growing").open("ab"), chdir(workdir.root):
        assert main(["close", "--json"]) == Exit.CONFLICT
        refused = json.loads(err.getvalue())
        assert refused["type"] == "urn:hutch:problem:local-changes"
        assert refused["open"] == ["sub/growing"]
        assert "1 file is still open for writing: sub/growing" in refused["detail"]
        assert main(["close", "--as-is"]) == Exit.OK
