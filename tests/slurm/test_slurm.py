"""Runs as jobs of a cluster, whose parts fail."""

import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlmodel import col, select

from hutch.contract.wire.definitions import Mode
from hutch.contract.wire.runs import ENDED, Reason, RunOut, RunState
from hutch_api.adapters.slurm.batch import KEPT
from hutch_api.domain.tokens import PATTERN
from hutch_api.store.run_tables import Claim
from tests.derivations.real.stage import Person, Stage
from tests.servers import wait_until
from tests.slurm.cluster import NODES, Cluster

pytestmark = pytest.mark.slow

GONE_S = 60
LOST_S = 120
"""Until a run is tried again whose node went away: first Slurm has to believe it."""
LONG = ("slurm_copy", "120", "0")


def test_a_run_is_a_job(stage: Stage, slurm: Cluster, anna: Person, scan: UUID) -> None:
    ended = stage.run(anna, scan, "slurm_copy", "0", "0")
    assert ended.end == ("succeeded", None)
    assert ended.log == b"begun\n"
    (attempt,) = ended.run.attempts
    assert attempt.node in NODES
    assert ended.run.dataset is not None
    made = list(anna.client.files.iterate(ended.run.dataset))
    assert [file.path for file in made] == ["a.txt", "raw/b.bin"]
    require_nothing_left(stage, slurm)


def test_arguments_reach_the_program_as_they_are(
    stage: Stage, anna: Person, scan: UUID
) -> None:
    words = [
        "$(touch /out/a)",
        "`id`",
        "'; exit 3; '",
        '"',
        "\\",
        "a  b",
        "*",
        "--",
        "",
    ]
    ended = stage.run(
        anna, scan, "slurm_words", *words, "--rm", "-v", "${HOME}", "é\u2003"
    )
    assert ended.end == ("succeeded", None)
    assert ended.report["argv"] == [*words, "--rm", "-v", "${HOME}", "é\u2003"]
    assert ended.report["uid"] == 1000
    assert not [n for n in ended.report["environ"] if n.startswith(("SLURM", "HUTCH"))]


def test_a_streaming_program_reaches_its_input_and_nothing_else(
    stage: Stage, slurm: Cluster, anna: Person, scan: UUID, tmp_path: Path
) -> None:
    other = stage.closed(anna, tmp_path, {"a.txt": "not for the program\n"})
    ended = stage.run(anna, scan, "stream", str(other), mode=Mode.STREAMING)
    assert ended.end == ("succeeded", None), ended.run.detail
    assert (ended.report["first"], ended.report["other"]) == ("the first\n", 404)
    assert (ended.report["interfaces"], ended.report["staged"]) == (["lo"], [])
    assert ended.report["internet"] == "ENETUNREACH"
    require_nothing_left(stage, slurm)


def test_nobody_sees_a_claim_code(
    stage: Stage, slurm: Cluster, anna: Person, scan: UUID
) -> None:
    run = stage.start(anna, scan, *LONG)
    attempt = stage.until_running(run.id)
    (place,) = slurm.shared.glob(f"*/{attempt}")
    assert stat.S_IMODE(place.stat().st_mode) == stat.S_IRWXU
    assert [file.name for file in place.glob("claim-*")] == ["claim-out"]
    assert stat.S_IMODE((place / "claim-out").stat().st_mode) & 0o077 == 0
    number = slurm.ask("squeue", "--noheader", f"--name=hutch-{attempt}", "--format=%i")
    shown = slurm.ask("scontrol", "show", "job", number)
    shown += slurm.ask("scontrol", "write", "batch_script", number, "-")
    shown += repr(stage.containers.api.inspect_container(f"hutch-{attempt}-main"))
    shown += "".join(processes())
    assert f"hutch-{attempt}" in shown
    assert claims_in(shown, stage, attempt) == []
    assert claims_in((place / "claim-out").read_bytes().decode(), stage, attempt) != []
    anna.client.runs.cancel(run.id)
    require_end(stage, slurm, anna, run, RunState.CANCELLED)


def test_a_cancelled_run_is_stopped_and_leaves_nothing(
    stage: Stage, slurm: Cluster, anna: Person, scan: UUID
) -> None:
    run = stage.start(anna, scan, *LONG)
    stage.until_running(run.id)
    anna.client.runs.cancel(run.id)
    require_end(stage, slurm, anna, run, RunState.CANCELLED)


def test_a_job_that_is_killed_is_cleaned_up_by_the_epilog(
    stage: Stage, slurm: Cluster, anna: Person, scan: UUID
) -> None:
    run = stage.start(anna, scan, *LONG)
    attempt = stage.until_running(run.id)
    # Not asked to end, as scancel alone would: it can clean nothing up.
    name = f"--name=hutch-{attempt}"
    slurm.ask("scancel", "--signal=KILL", "--full", name)
    stage.gone_after(attempt)
    ended = require_end(stage, slurm, anna, run, RunState.SUCCEEDED)
    assert [one.reason for one in ended.attempts] == [Reason.LOST, None]
    assert "ended without a result" in ended.attempts[0].detail


def test_a_node_that_goes_away_costs_an_attempt(
    stage: Stage, slurm: Cluster, anna: Person, scan: UUID
) -> None:
    run = stage.start(anna, scan, *LONG)
    first = stage.until_running(run.id)
    node = slurm.ask("squeue", "--noheader", f"--name=hutch-{first}", "--format=%N")
    slurm.kill(node)
    try:
        wait_until(
            lambda: stage.attempt(run.id) != first, seconds=LOST_S, what="another try"
        )
        # The node runs on what nobody wants any more, until it sees that.
        stage.gone_after(first)
        ended = stage.wait(anna, run).run
    finally:
        slurm.start_node(node)
        slurm.wait_for_nodes()
    assert ended.state is RunState.SUCCEEDED
    assert [one.reason for one in ended.attempts] == [Reason.LOST, None]
    assert ended.attempts[1].node != node
    require_nothing_left(stage, slurm)


def test_runs_go_on_while_the_controller_is_away(
    stage: Stage, slurm: Cluster, anna: Person, scan: UUID
) -> None:
    runs = [stage.start(anna, scan, "slurm_copy", "5", "0") for _ in range(3)]
    for run in runs:
        stage.until_running(run.id)
    slurm.kill("slurmctld")
    more = stage.start(anna, scan, "slurm_copy", "0", "0")
    wait_until(
        lambda: "Slurm does not answer" in stage.log.read_text(),
        what="the runner's note that Slurm is away",
    )
    slurm.start_controller()
    for run in (*runs, more):
        require_end(stage, slurm, anna, run, RunState.SUCCEEDED)


def test_a_program_that_wants_too_much_memory_is_known_by_that(
    stage: Stage, anna: Person, scan: UUID
) -> None:
    ended = stage.run(anna, scan, "slurm_greedy", "memory")
    assert ended.end == ("failed", "oom")


def test_a_program_that_writes_too_much_is_stopped(
    stage: Stage, slurm: Cluster, anna: Person, scan: UUID
) -> None:
    ended = stage.run(anna, scan, "slurm_greedy", "disk")
    assert ended.end == ("failed", "output-rejected")
    require_nothing_left(stage, slurm)


def test_a_program_that_says_too_much_does_not_fill_the_disk(
    stage: Stage, slurm: Cluster, anna: Person, scan: UUID
) -> None:
    run = stage.start(anna, scan, "slurm_greedy", "log")
    sizes = []
    while anna.client.runs.get(run.id).state not in ENDED:
        sizes += [file.stat().st_size for file in slurm.shared.glob("*/*/main.log")]
        time.sleep(0.05)
    assert stage.wait(anna, run).end == ("succeeded", None)
    assert max(sizes) == KEPT


def require_end(
    stage: Stage, slurm: Cluster, person: Person, run: RunOut, state: RunState
) -> RunOut:
    ended = stage.wait(person, run).run
    assert (ended.state, ended.detail) == (state, ended.detail)
    require_nothing_left(stage, slurm)
    return ended


def require_nothing_left(stage: Stage, slurm: Cluster) -> None:
    def is_tidy() -> bool:
        jobs = slurm.ask("squeue", "--noheader")
        return (
            not jobs
            and not stage.containers.left()
            and not any(slurm.shared.glob("*/*"))
        )

    wait_until(is_tidy, seconds=GONE_S, what="tidiness")


def processes() -> Iterator[str]:
    """Read what everybody, or root, sees of all processes."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for name in ("cmdline", "environ"):
                yield (process / name).read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended


def claims_in(text: str, stage: Stage, attempt: UUID) -> list[str]:
    """Find claim codes of an attempt, used or not."""
    with stage.site.look() as work:
        known = work.session.exec(
            select(Claim.hash).where(col(Claim.attempt_id) == attempt)
        ).all()
    found = re.findall(PATTERN, text)
    return [one for one in found if stage.site.keys.token_hash(one) in known]
