"""What a hostile program tries, without its container: see ``real`` for the rest."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from hutch.contract.wire.definitions import Mode, Resources
from hutch.contract.wire.runs import StepKind
from hutch.step import sending
from hutch.step.rejecting import RejectedError
from hutch.step.sending import read_attributes
from hutch_api.adapters import containment, usage
from hutch_api.adapters.containment import CLAIM, SECCOMP, Container, name_of
from hutch_api.adapters.engine import containers
from hutch_api.adapters.engine.reading import Reading
from hutch_api.ports.executor import Job
from hutch_api.services import run_logs

TOKEN = b"hutch_" + b"Aa1" * 15 + b"Z"
SIGNED = b"&X-Amz-Signature=" + b"0123456789abcdef" * 4
ATTEMPT = UUID(int=1)


def last_step() -> Container:
    return containment.for_step(
        ATTEMPT, StepKind.OUT, image="step", door="door", addresses=[]
    )


@pytest.mark.parametrize("between", [b"\0", b"\x1b[31m", b"\x1b]0;a\x07", b"\xc2\x9b"])
def test_a_secret_is_masked_whatever_divides_it(between: bytes) -> None:
    assert run_logs.clean(TOKEN[:20] + between + TOKEN[20:]) == b"***"


def test_an_unended_title_hides_its_own_line_only() -> None:
    assert run_logs.clean(b"a\x1b]0;b\nc\n") == b"a\nc\n"


@pytest.mark.parametrize("secret", [TOKEN, SIGNED])
def test_a_long_line_is_cut_where_no_secret_is(secret: bytes) -> None:
    for before in range(600, 800):
        line = b"y" * before + secret + b"y" * 300
        first = run_logs.whole(line[:1_000])
        assert 0 < len(first) < 1_000
        read = run_logs.clean(first) + run_logs.clean(line[len(first) :])
        assert secret[-46:] not in read
    assert run_logs.whole(b"a\n" + b"y" * 1_000) == b"a\n"
    assert run_logs.whole(b"y" * 500) == b"y" * 500


def test_a_log_is_read_from_its_beginning_once() -> None:
    data = bytes(range(256)) * 40
    asked: list[int] = []

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(data), 100):
            asked.append(start)
            yield data[start : start + 100]

    reading = Reading("one", pieces())
    found, after = b"", 0
    while piece := reading.take(after, 1_000)[:900]:
        assert reading.reaches("one", after)
        found, after = found + piece, after + len(piece)
    assert found == data
    assert asked == list(range(0, len(data), 100))
    assert not reading.reaches("one", 0)
    assert not reading.reaches("two", after)


def test_files_that_hold_nothing_count(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).touch()
    assert usage.size_of(str(tmp_path)) >= 100 * 4_096


def test_what_lies_too_deep_to_be_counted_is_too_much(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 20, dir_fd=here)
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert usage.size_of(str(tmp_path)) == sys.maxsize


def test_the_last_step_has_nothing_of_a_program_but_its_output() -> None:
    made = last_step()
    assert {mount.volume for mount in made.mounts} == {
        name_of(ATTEMPT, "out"),
        name_of(ATTEMPT, CLAIM),
        "door",
    }
    places = {mount.place for mount in made.mounts if "out" not in mount.volume}
    assert made.environment["HOME"] in places
    assert made.environment["TMPDIR"] in places
    assert made.environment["PYTHONNOUSERSITE"] == "1"


def test_a_program_asks_the_kernel_for_what_programs_need_only() -> None:
    job = Job(
        attempt=ATTEMPT,
        image="image",
        argv=("program",),
        mode=Mode.STAGED,
        resources=Resources(),
    )
    made = containers.options(containment.for_program(job), seccomp="profile")
    assert made["security_opt"] == ["no-new-privileges", "seccomp=profile"]
    profile = json.loads(SECCOMP.read_text(encoding="utf-8"))
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    free = {
        n for rule in profile["syscalls"] if "args" not in rule for n in rule["names"]
    }
    refused = {"unshare", "clone", "clone3", "setns", "mount", "keyctl", "add_key"}
    refused |= {"socket", "bpf", "ptrace", "io_uring_setup", "userfaultfd"}
    assert not free & refused


@pytest.mark.parametrize(
    "text", [b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b"[1]", b"{", b"\xff"]
)
def test_attributes_that_cannot_be_written_are_refused(
    tmp_path: Path, text: bytes
) -> None:
    (tmp_path / ".hutch").mkdir()
    (tmp_path / ".hutch" / "attributes.json").write_bytes(text)
    with pytest.raises(RejectedError):
        read_attributes(tmp_path)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["directory", "pipe"])
def test_attributes_that_are_no_file_are_refused(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    (tmp_path / ".hutch").mkdir()
    make(tmp_path / ".hutch" / "attributes.json")
    with pytest.raises(RejectedError, match="no ordinary file"):
        read_attributes(tmp_path)


def test_what_cannot_be_cleared_away_is_refused(tmp_path: Path) -> None:
    sending._clear(tmp_path / ".hutch")  # nothing is there
    (tmp_path / ".hutch").symlink_to(tmp_path)
    with pytest.raises(RejectedError):
        sending._clear(tmp_path / ".hutch")
