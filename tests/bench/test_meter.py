"""What a command costs, as the bench counts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import processes
from bench.meter import Servers, Step, ToolError, measure
from bench.works import MIB, Work, files_below, make, read, same
from tests.servers import wait_until

NOBODY = Servers(store=(), api=(), database=())


def python(text: str, where: Path, typed: str = "") -> Step:
    environ = {"PATH": os.environ["PATH"]}
    words = (sys.executable, "-c", text)
    return Step(words=words, environ=environ, where=where, typed=typed)


def test_the_cpu_time_of_grandchildren_counts(tmp_path: Path) -> None:
    inner = "import time\nwhile time.process_time() < 0.3: pass"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    used = measure([python(outer, tmp_path)], NOBODY, tmp_path / "log")
    assert used.client_cpu_s >= 0.3


def test_memory_is_that_of_the_command_and_all_below_it() -> None:
    ours = bytearray(os.urandom(200 * MIB))
    inner = "held = bytearray(60 << 20); print('ready', flush=True); input()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    with subprocess.Popen(  # noqa: S603 -- this Python, no shell
        [sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        held = processes.memory([process.pid])
        process.communicate(b"\n")
    assert 60 * MIB < held.anonymous < held.resident < len(ours)


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    steps = [python("print(input()); raise SystemExit(3)", tmp_path, typed="no room\n")]
    with pytest.raises(ToolError, match=r"ended with 3: no room"):
        measure(steps, NOBODY, tmp_path / "log")


def test_what_a_command_leaves_behind_is_killed(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys\n"
        "wait = 'import signal; signal.pause()'\n"
        "print(subprocess.Popen([sys.executable, '-c', wait]).pid)"
    )
    measure([python(text, tmp_path)], NOBODY, tmp_path / "log")
    pid = int((tmp_path / "log").read_text())
    wait_until(lambda: processes.memory([pid]).resident == 0, what="its end")


def test_no_two_blocks_of_a_work_are_the_same(tmp_path: Path) -> None:
    work = Work(name="some", files=3, size=2 * MIB + 5)
    make(work, tmp_path / "one")
    files = files_below(tmp_path / "one")
    assert set(files.values()) == {work.size}
    data = [(tmp_path / "one" / name).read_bytes() for name in files]
    blocks = [d[i : i + MIB] for d in data for i in range(0, 2 * MIB, MIB)]
    assert len(set(blocks)) == 6
    read(tmp_path / "one")


def test_trees_that_differ_in_one_byte_are_not_the_same(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(b"a" * MIB)
    assert same(tmp_path / "one", tmp_path / "other")
    (tmp_path / "other" / "a").write_bytes(b"a" * (MIB - 1) + b"b")
    assert not same(tmp_path / "one", tmp_path / "other")
