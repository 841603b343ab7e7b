"""The executor beside a cluster, without a hutch: its steps find nobody to talk to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from hutch.contract.wire.definitions import Mode
from hutch.contract.wire.runs import StepKind
from hutch_api.adapters.slurm import SlurmExecutor
from hutch_api.ports.executor import ExecutorUnavailableError, Job, Phase, Sight
from tests.derivations.real.stage import SMALL
from tests.servers import wait_until
from tests.slurm.cluster import Cluster

NOWHERE = "http://127.0.0.1:9"
INSTANCE = uuid4()
PATIENCE_S = 120

Open = Callable[..., SlurmExecutor]


@pytest.fixture
def opened(
    slurm: Cluster,
    images: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Open]:
    """Open executors of one runner; in the end nothing of its attempts is left."""
    for name, value in slurm.environ.items():
        monkeypatch.setenv(name, value)
    runner = f"r-{uuid4().hex[:8]}"

    def make(*options: str, **more: str) -> SlurmExecutor:
        how = {"step_image": images["step"], **more}
        return SlurmExecutor(
            tmp_path,
            instance=INSTANCE,
            runner=runner,
            api_url=NOWHERE,
            store_url=NOWHERE,
            options=options,
            **how,
        )

    yield make
    one = make()
    for attempt in one.held():
        one.end(attempt)
    one.close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def job(images: dict[str, str]) -> Job:
    return Job(
        attempt=uuid4(),
        image=images["probe"],
        argv=("python3", "-c", "pass"),
        mode=Mode.STAGED,
        resources=SMALL,
    )


def claim(step: StepKind) -> str:
    return f"the code of {step}"


def jobs_of(slurm: Cluster, attempt: UUID) -> list[str]:
    """List the jobs of an attempt by their states."""
    words = ("--noheader", "--states=all", f"--name=hutch-{attempt}", "--format=%T")
    return sorted(slurm.ask("squeue", *words).split())


def until_ended(executor: SlurmExecutor, job: Job) -> Sight:
    seen: list[Sight] = []

    def has_ended() -> bool:
        seen.append(executor.proceed(job, claim))
        return seen[-1].phase in {Phase.ENDED, Phase.GONE}

    wait_until(has_ended, seconds=PATIENCE_S, what="the end of a job")
    return seen[-1]


def test_a_job_that_waits_is_held_and_can_be_ended(
    opened: Open, slurm: Cluster, job: Job
) -> None:
    executor = opened("--hold")
    sight = executor.proceed(job, claim)
    assert (sight.step, sight.phase) == (StepKind.IN, Phase.WAITING)
    assert executor.held() == {job.attempt}
    executor.end(job.attempt)
    assert jobs_of(slurm, job.attempt) in ([], ["CANCELLED"])
    assert executor.held() == set()
    executor.end(job.attempt)


def test_a_job_is_submitted_once_though_its_runner_died(
    opened: Open, slurm: Cluster, job: Job, tmp_path: Path
) -> None:
    opened("--hold").proceed(job, claim)
    (mark,) = tmp_path.glob("*/*/submitted")
    mark.unlink()  # as if the runner had died before it knew
    sight = opened("--hold").proceed(job, claim)
    assert sight.phase is Phase.WAITING
    assert jobs_of(slurm, job.attempt) == ["PENDING"]
    assert mark.exists()


def test_of_two_jobs_of_an_attempt_one_does_nothing(
    opened: Open, slurm: Cluster, job: Job, tmp_path: Path
) -> None:
    executor = opened("--hold")
    executor.proceed(job, claim)
    (script,) = tmp_path.glob("*/*/script")
    name = f"hutch-{job.attempt}"
    again = ("--hold", f"--job-name={name}", "--output=/dev/null")
    slurm.ask("sbatch", *again, str(script), str(script.parent), "1024")
    slurm.ask("scontrol", "release", f"jobname={name}")
    until_ended(executor, job)
    wait_until(
        lambda: jobs_of(slurm, job.attempt) == ["COMPLETED", "FAILED"],
        seconds=PATIENCE_S,
        what="the end of both",
    )


def test_a_step_that_fails_says_why(opened: Open, job: Job) -> None:
    executor = opened()
    sight = until_ended(executor, job)
    assert (sight.step, sight.phase) == (StepKind.IN, Phase.ENDED)
    assert sight.exit_code == 1
    assert NOWHERE in sight.detail
    assert sight.node
    executor.end(job.attempt)


def test_what_the_node_cannot_do_is_no_failure_of_the_program(
    opened: Open, job: Job
) -> None:
    sight = until_ended(opened(step_image="localhost/absent:1"), job)
    assert sight.phase is Phase.GONE
    assert "localhost/absent:1" in sight.detail


def test_what_slurm_refuses_is_gone(opened: Open, job: Job) -> None:
    sight = opened(partition="absent").proceed(job, claim)
    assert sight.phase is Phase.GONE
    assert "invalid partition" in sight.detail


def test_a_job_without_its_directory_is_not_begun_again(
    opened: Open, slurm: Cluster, job: Job, tmp_path: Path
) -> None:
    opened("--hold").proceed(job, claim)
    (place,) = tmp_path.glob(f"*/{job.attempt}")
    place.rename(tmp_path / "elsewhere")
    sight = opened("--hold").proceed(job, claim)
    (tmp_path / "elsewhere").rename(place)
    assert sight.phase is Phase.GONE
    assert jobs_of(slurm, job.attempt) == ["PENDING"]


def test_without_the_shared_directory_nothing_is_known(
    opened: Open, job: Job, tmp_path: Path
) -> None:
    executor = opened()
    tmp_path.rename(tmp_path.with_suffix(".away"))
    try:
        with pytest.raises(ExecutorUnavailableError, match="shared with the nodes"):
            executor.proceed(job, claim)
    finally:
        tmp_path.with_suffix(".away").rename(tmp_path)


def test_a_controller_that_is_away_is_waited_for(
    opened: Open, slurm: Cluster, job: Job
) -> None:
    executor = opened("--hold")
    slurm.kill("slurmctld")
    try:
        for _ in range(2):  # the second finds what the first has begun
            with pytest.raises(ExecutorUnavailableError, match="does not answer"):
                executor.proceed(job, claim)
    finally:
        slurm.start_controller()
    slurm.wait_for_nodes()
    assert executor.proceed(job, claim).phase is Phase.WAITING
    assert jobs_of(slurm, job.attempt) == ["PENDING"]
