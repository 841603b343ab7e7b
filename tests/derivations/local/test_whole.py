"""Programs that mean harm, fail or are killed: what becomes of run and leavings.

The API, the store, the runner and the steps are the real ones; only the program is not
hutch's own.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hutch.contract.wire.runs import Reason, RunState, StepKind
from hutch_api.adapters.local.places import Place
from tests.derivations.commands.conftest import hall, ready
from tests.derivations.commands.playing import Hall
from tests.derivations.local.whole import Whole, whole
from tests.servers import wait_until

__all__ = ["hall", "ready"]

GOOD = "(out / 'a.png').write_bytes(b'picture')\n"
REJECTED = {
    "cannot be read": "os.symlink('/etc/passwd', out / 'b.png')\n"
    "(out / 'a.png').touch()",
    "2097152 are allowed": "(out / 'a.png').write_bytes(bytes(3 << 20))",
    "more than 8 MiB below": (
        "[(out / f'{n}.png').write_bytes(bytes(6 << 20)) for n in range(4)]\n"
        "time.sleep(60)"
    ),
}
FAILS = {
    Reason.ERROR: "raise SystemExit(3)",
    Reason.OOM: "os.kill(os.getpid(), 9)",
    Reason.TIMEOUT: "time.sleep(60)",
}


@pytest.fixture
def site(hall: Hall, tmp_path: Path) -> Iterator[Whole]:
    with whole(hall, tmp_path) as made:
        yield made


def test_what_cannot_be_previews_is_rejected_and_removed(site: Whole) -> None:
    for said, program in REJECTED.items():
        ended = site.run(program)
        assert (ended.state, ended.reason) == (
            RunState.FAILED,
            Reason.OUTPUT_REJECTED,
        ), (said, ended.detail)
        assert said in ended.detail
        assert site.shown(ended) == []
        wait_until(lambda: not list(site.place.glob("*/*")), what="tidiness")
        scan = ended.inputs[0].dataset
        until_removed(site, f"previews/{scan}/")


@pytest.mark.parametrize("reason", FAILS)
def test_a_program_that_fails_is_told_why(site: Whole, reason: Reason) -> None:
    ended = site.run(FAILS[reason], walltime_s=1)
    assert (ended.state, ended.reason) == (RunState.FAILED, reason), ended.detail
    assert len(ended.attempts) == 1


def test_a_program_sees_its_token_and_no_claim(site: Whole) -> None:
    ended = site.run(
        "token = pathlib.Path(job['token_file'])\n"
        "assert oct(token.stat().st_mode & 0o777) == '0o400'\n"
        "assert token.read_text().startswith('hutch_')\n"
        "assert not [v for v in os.environ.values() if 'hutch_' in v]\n"
        "assert os.listdir('claim') == []\n" + GOOD
    )
    assert ended.state is RunState.SUCCEEDED, ended.detail
    assert site.shown(ended) == ["a.png"]
    assert ended.attempts[0].exit_code == 0


def test_a_run_that_is_killed_is_tried_again(site: Whole) -> None:
    run = site.begin(f"if job['attempt'] == 1: time.sleep(600)\n{GOOD}")
    place = Place(until_running(site))
    keeper = place.keeper(StepKind.MAIN)
    assert keeper is not None
    os.kill(keeper.pid, signal.SIGKILL)
    wait_until(lambda: site.see(run).ended_at is not None, seconds=60, what="its end")
    ended = site.see(run)
    assert ended.state is RunState.SUCCEEDED, ended.detail
    assert [a.reason for a in ended.attempts] == [Reason.LOST, None]
    assert site.shown(ended) == ["a.png"]


def test_a_run_that_is_cancelled_ends_its_program(site: Whole) -> None:
    run = site.begin("print('begun', flush=True); time.sleep(600)")
    place = Place(until_running(site))
    keeper = place.keeper(StepKind.MAIN)
    assert keeper is not None
    site.hall.board.cancel(site.ida, run)
    wait_until(lambda: not keeper.is_alive(), seconds=60, what="its end")
    wait_until(lambda: site.see(run).ended_at is not None, what="the end of the run")
    assert site.see(run).state is RunState.CANCELLED


def until_removed(site: Whole, prefix: str) -> None:
    wait_until(
        lambda: not list(site.site.objects.records(prefix)),
        what="the removal of what was sent",
    )


def until_running(site: Whole) -> Path:
    """Wait until a program runs; gives the directory of its attempt."""

    def begun() -> list[Path]:
        return [
            file.parent
            for file in site.place.glob("*/*/begun-main")
            if file.read_text()
        ]

    wait_until(lambda: bool(begun()), seconds=60, what="the program")
    return begun()[0]
