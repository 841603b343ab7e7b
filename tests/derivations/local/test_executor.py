"""Processes of attempts: what they are given, how they are held, when they end."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from hutch.contract.wire.runs import StepKind
from hutch_api.adapters.local import open_local
from hutch_api.ports.executor import ExecutorUnavailableError, Phase
from tests.derivations.local.near import INSTANCE, NOWHERE, Near, claim, until_gone
from tests.servers import wait_until

STAYS = """\
import os, time
print("pid", os.getpid(), flush=True)
while True:
    time.sleep(60)
"""
TELLS = """\
import json, os, resource
from pathlib import Path
told = {
    "environ": dict(os.environ),
    "cwd": os.getcwd(),
    "session": os.getsid(0) == os.getppid(),
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "cpu": resource.getrlimit(resource.RLIMIT_CPU)[0],
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "claims": os.listdir("claim"),
    "stdin": os.path.samefile("/dev/stdin", "/dev/null"),
    "descriptors": len(os.listdir("/proc/self/fd")),
    "status": Path("/proc/self/status").read_text(),
    "parent": Path(f"/proc/{os.getppid()}/environ").read_text(),
    "words": Path("/proc/self/cmdline").read_text()
        + Path(f"/proc/{os.getppid()}/cmdline").read_text(),
}
print("told", json.dumps(told))
"""


def told(near: Near) -> dict[str, object]:
    near.program(TELLS)
    assert near.run().step is StepKind.OUT
    found: dict[str, object] = json.loads(near.said("told"))
    return found


def test_a_program_is_given_nothing_of_the_runners(near: Near) -> None:
    found = told(near)
    environ = found["environ"]
    assert isinstance(environ, dict)
    assert set(environ) - {"SSL_CERT_DIR", "SSL_CERT_FILE"} == {
        "HOME",
        "HUTCH_ATTEMPT",
        "HUTCH_JOB",
        "HUTCH_OUT",
        "LANG",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PATH",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "PYTHONSAFEPATH",
        "TMPDIR",
    }
    assert environ["HOME"] == environ["TMPDIR"] == str(near.place.path / "work")
    assert found["cwd"] == str(near.place.path)
    assert "a secret of the runner" not in str(found)
    assert found["descriptors"] == 4  # three, and the one that counts them


def test_a_program_is_held_by_the_kernel(near: Near) -> None:
    found = told(near)
    assert (found["session"], found["stdin"]) == (True, True)
    assert (found["core"], found["files"]) == (0, 256)
    assert found["cpu"] == near.job.resources.walltime_s + 60
    assert "NoNewPrivs:\t1" in str(found["status"])


def test_a_claim_code_is_in_a_file_and_nowhere_else(near: Near) -> None:
    found = told(near)
    assert found["claims"] == []
    assert "secret-code" not in str(found)
    # The last step has begun: its code lies there for it, and for this user alone.
    keeper = near.place.keeper(StepKind.OUT)
    assert keeper is not None
    os.killpg(keeper.pid, signal.SIGSTOP)
    assert near.look().phase is Phase.RUNNING
    [code] = (near.place.path / "claim").iterdir()
    assert code.read_text() == claim(StepKind.OUT)
    assert code.stat().st_mode & 0o777 == 0o600
    for name in ("cmdline", "environ"):
        shown = Path(f"/proc/{keeper.pid}/{name}").read_text()
        assert "secret-code" not in shown
    os.killpg(keeper.pid, signal.SIGCONT)
    near.until(StepKind.OUT, Phase.ENDED)
    assert list((near.place.path / "claim").iterdir()) == []


def test_a_claim_code_is_gone_when_the_program_begins(near: Near) -> None:
    near.program(TELLS)
    near.place.hand(StepKind.IN, "secret-code")
    near.place.hand(StepKind.MAIN, "secret-code")
    near.look()
    assert json.loads(near.said("told"))["claims"] == []


def test_a_step_that_finds_nobody_says_so(near: Near) -> None:
    sight = near.until(StepKind.IN, Phase.ENDED)
    assert sight.exit_code == 1
    assert "127.0.0.1" in sight.detail
    assert near.look() == sight


def test_what_a_program_says_is_read_and_how_it_failed_too(near: Near) -> None:
    near.program('print(\'{"detail": "no disk"}\'); raise SystemExit(7)')
    sight = near.run()
    assert (sight.phase, sight.exit_code, sight.detail) == (Phase.ENDED, 7, "no disk")
    assert near.executor.log(near.job, after=2, most=6) == b"detail"
    near.end()
    near.program("print('no disk'); raise SystemExit(7)")
    assert near.run().detail == ""


def test_a_program_that_wants_too_much_memory_gets_none(near: Near) -> None:
    near.program("x = bytearray(300 << 20)", memory_mib=128)
    sight = near.run()
    assert (sight.exit_code, sight.is_oom) == (1, False)
    assert "MemoryError" in near.log()


def test_what_the_kernel_kills_is_told(near: Near) -> None:
    near.program("import os; os.kill(os.getpid(), 9)")
    assert near.run().is_oom


def test_a_file_does_not_outgrow_the_limit(near: Near) -> None:
    near.program("open('out/large', 'wb').write(bytes(9 << 20))")
    sight = near.run()
    assert sight.exit_code == 1
    assert "File too large" in near.log()
    assert (near.place.path / "out/large").stat().st_size <= 8 << 20
    assert near.executor.used(near.job) >= 8 << 20


def test_what_a_program_writes_is_counted(near: Near) -> None:
    near.program("for n in range(3): open(f'work/{n}', 'wb').write(bytes(4 << 20))")
    near.run()
    assert 12 << 20 <= near.executor.used(near.job) < 13 << 20


@pytest.mark.parametrize(
    ("image", "argv"),
    [
        ("sha256:" + "1" * 64, ("program_of_a_test",)),
        ("system", ("antigravity",)),
        ("system", ("program_of_a_test", "more")),
        ("system", ("-c",)),
        ("system", ()),
    ],
)
def test_nothing_but_a_system_definition_is_executed(
    near: Near, image: str, argv: tuple[str, ...]
) -> None:
    near.job = replace(near.job, image=image, argv=argv)
    sight = near.look()
    assert sight.phase is Phase.GONE
    assert "nothing but hutch's own programs" in sight.detail
    assert near.executor.held() == set()


# --- ends


def test_a_program_does_not_end_with_the_thread_that_began_it(near: Near) -> None:
    near.program(
        "import signal\n"
        "signal.signal(signal.SIGUSR1, lambda *_: print('still here', flush=True))\n"
        + STAYS
    )
    near.begin_in_a_thread()
    pid = int(near.said("pid"))
    os.kill(pid, signal.SIGUSR1)
    assert near.said("still") == "here"
    assert near.look().phase is Phase.RUNNING
    near.end()
    until_gone(pid)


def test_an_end_leaves_no_process_and_no_file(near: Near) -> None:
    near.program(
        "import os, subprocess, sys, time\n"
        "os.mkfifo('work/fifo'); os.symlink('/', 'out/root')\n"
        "one = subprocess.Popen([sys.executable, '-c', "
        "'import time; time.sleep(600)'], start_new_session=True)\n"
        "print('pid', one.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    near.look()
    child = int(near.said("pid"))
    assert near.executor.held() == {near.job.attempt}
    for _ in range(2):
        near.executor.end(near.job.attempt)
    until_gone(child)
    assert not near.place.path.exists()
    assert near.executor.held() == set()


def test_another_process_of_the_runner_sees_how_far_it_is(near: Near) -> None:
    near.program(STAYS)
    near.look()
    pid = int(near.said("pid"))
    first, near.executor = near.executor, near.reopen()
    assert near.look().phase is Phase.RUNNING
    os.kill(pid, signal.SIGTERM)
    until_gone(pid)
    wait_until(lambda: near.look().phase is Phase.ENDED, what="its end")
    assert near.look().exit_code == 128 + signal.SIGTERM
    for process in first._own.values():
        process.wait()
    first.close()


def test_what_was_killed_with_its_keeper_is_gone(near: Near) -> None:
    near.program(STAYS)
    near.look()
    pid = int(near.said("pid"))
    keeper = near.place.keeper(StepKind.MAIN)
    assert keeper is not None
    os.kill(keeper.pid, signal.SIGKILL)
    until_gone(pid)
    wait_until(lambda: near.look().phase is Phase.GONE, what="the end of the keeper")
    near.executor = near.reopen()
    assert near.look().phase is Phase.GONE


def test_the_number_of_a_process_alone_says_nothing(near: Near) -> None:
    near.program(STAYS)
    near.place.note_begun(StepKind.MAIN, None)
    assert near.look().phase is Phase.GONE
    (near.place.path / "begun-main").write_text(f"{os.getpid()} 1")
    assert near.look().phase is Phase.GONE


def test_a_program_that_has_begun_is_not_begun_again(near: Near) -> None:
    near.program(STAYS)
    near.job = replace(near.job, has_begun=True)
    assert near.look().phase is Phase.GONE
    near.end()
    near.job = replace(near.job, attempt=uuid4())
    assert near.look().phase is Phase.GONE
    assert not near.place.path.exists()


RUNNER = """\
import sys, time
from dataclasses import replace
from pathlib import Path
from uuid import UUID
from hutch_api.domain import system
from tests.derivations.local.near import PROGRAM, Near
system.MODULES = frozenset({PROGRAM})
near = Near(Path(sys.argv[1]), Path(sys.argv[2]))
near.job = replace(near.job, attempt=UUID(sys.argv[3]))
near.look()
print("begun", flush=True)
time.sleep(600)
"""


def test_after_the_kill_of_a_runner_nothing_runs_on(near: Near) -> None:
    near.program(STAYS)
    words = [str(near.root), str(near.code), str(near.job.attempt)]
    root = Path(__file__).parents[3]
    path = os.pathsep.join([str(near.code), *filter(None, sys.path), str(root)])
    with subprocess.Popen(  # noqa: S603 -- a runner of the test's own
        [sys.executable, "-c", RUNNER, *words],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
    ) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"begun\n"
        pid = int(near.said("pid"))
        runner.kill()
    until_gone(pid)
    keeper = near.place.keeper(StepKind.MAIN)
    assert keeper is not None
    wait_until(lambda: not keeper.is_alive(), what="the end of the keeper")
    assert near.look().phase is Phase.GONE
    assert near.executor.held() == {near.job.attempt}


SHIELDED = """\
import ctypes
from hutch_api.adapters.local import shield
libc = ctypes.CDLL(None)
before = libc.prctl(3, 0, 0, 0, 0)
shield()
print(before, libc.prctl(3, 0, 0, 0, 0))
"""


def test_a_runner_shows_its_secrets_to_no_program() -> None:
    shown = subprocess.run(  # noqa: S603 -- a program of the test's own
        [sys.executable, "-c", SHIELDED], capture_output=True, check=True
    )
    assert shown.stdout == b"1 0\n"


# --- the directory


def test_the_directory_is_its_users_alone(tmp_path: Path) -> None:
    more = {"instance": INSTANCE, "runner": "r", "api_url": NOWHERE}
    made = tmp_path / "a" / "b"
    open_local(made, **more).close()
    assert made.stat().st_mode & 0o777 == 0o700
    link, shared = tmp_path / "link", tmp_path / "shared"
    link.symlink_to(made)
    shared.mkdir()
    shared.chmod(0o750)
    file = tmp_path / "file"
    file.touch(mode=0o600)
    for place in (link, shared, file):
        with pytest.raises(ExecutorUnavailableError, match="HUTCH_RUNNER_DIR"):
            open_local(place, **more)


def test_elsewhere_than_on_linux_it_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ExecutorUnavailableError, match="needs Linux"):
        open_local(tmp_path, instance=INSTANCE, runner="r", api_url=NOWHERE)
