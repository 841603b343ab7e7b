"""What happens every day: a program works, one fails, one leaves children behind."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import docker

from hutch.contract.wire.runs import ENDED, RunOut, RunState, StepKind
from hutch.sync.pulling import clone
from hutch_api.adapters.containment import ATTEMPT, INSTANCE, RUNNER
from hutch_api.adapters.engine import ContainerEngine
from hutch_api.domain.tokens import PATTERN
from tests.derivations.real.stage import PATIENCE_S, Person, Stage, processes_with
from tests.derivations.real.stage import RUNNER as RUNNER_NAME
from tests.e2e.stage import tree
from tests.servers import wait_until

_TOKEN = re.compile(PATTERN.pattern.encode())


def test_a_program_copies_its_input_and_is_followed(
    stage: Stage, anna: Person, scan: UUID, tmp_path: Path
) -> None:
    run = stage.start(anna, scan, "good", "4")
    seen: list[RunOut] = []
    heard: list[bytes] = []
    ended = anna.client.runs.follow(
        run.id,
        lambda _attempt, data: heard.append(data),
        watch=seen.append,
        timeout_s=PATIENCE_S,
    )
    assert ended.state is RunState.SUCCEEDED, ended.detail
    assert (0.5, "half of it") in {(r.progress, r.message) for r in seen}
    assert b"".join(heard) == b"hutch:progress 0.5 half of it\nhutch:progress 1 done\n"
    assert ended.dataset is not None
    made = anna.client.datasets.get(ended.dataset)
    assert made.attributes == {"sample": "tooth"}
    assert made.run is not None
    assert made.run["image"] == stage.images["probe"]
    clone(anna.client, anna.client.datasets.get(scan), tmp_path / "input")
    clone(anna.client, made, tmp_path / "output")
    assert tree(tmp_path / "output") == tree(tmp_path / "input") != {}


def test_a_program_that_fails_makes_nothing_and_is_not_tried_again(
    stage: Stage, anna: Person, scan: UUID
) -> None:
    ended = stage.run(anna, scan, "fail", "3")
    assert ended.end == ("failed", "error")
    assert "exit code 3" in ended.run.detail
    assert [a.exit_code for a in ended.run.attempts] == [3]
    assert ended.log == b"it does not work\n"
    stage.require_no_output(ended.run.id)
    listed = [item.name for item in anna.client.datasets.iterate()]
    assert ended.run.name not in listed


def test_what_a_program_leaves_running_ends_with_it(
    stage: Stage, anna: Person, scan: UUID
) -> None:
    word = uuid4().hex
    ended = stage.run(anna, scan, "linger", word)
    assert ended.end == ("succeeded", None)
    assert len(ended.run.attempts) == 1
    assert processes_with(word) == []


def test_an_engine_shows_no_secret_of_a_run(
    stage: Stage, anna: Person, scan: UUID
) -> None:
    run = stage.start(anna, scan, "good", "1")
    shown: dict[str, set[bytes]] = {}

    def has_ended() -> bool:
        for one in stage.containers.listed():
            step = one["Labels"].get("hutch.step", "door")
            shown.setdefault(step, set()).update(told_of(stage.containers.api, one))
        return stage.row(run.id).state in ENDED

    wait_until(has_ended, seconds=PATIENCE_S, what="the end of the run")
    assert set(shown) == {*StepKind, "door"}
    assert stage.wait(anna, run).end == ("succeeded", None)
    for step, texts in shown.items():
        assert len(texts) > 2, step
        assert not any(_TOKEN.search(text) for text in texts), step


def test_a_runner_leaves_alone_what_others_have(stage: Stage) -> None:
    api, instance = stage.containers.api, str(stage.site.instance)
    others = {
        f"hutch-{uuid4()}-in": {INSTANCE: instance, RUNNER: "another"},
        f"hutch-{uuid4()}-out": {INSTANCE: str(uuid4()), RUNNER: RUNNER_NAME},
    }
    runner = ContainerEngine(
        stage.engine,
        instance=stage.site.instance,
        runner=RUNNER_NAME,
        step_image=stage.images["step"],
        api_url=stage.server.url,
        store_url=stage.server.s3_url,
    )
    try:
        for name, labels in others.items():
            api.create_volume(name, labels={**labels, ATTEMPT: str(uuid4())})
        assert runner.held() == set()
    finally:
        for name in others:
            api.remove_volume(name)
        runner._api.close()


def told_of(api: docker.APIClient, container: dict[str, Any]) -> set[bytes]:
    """Collect what engine and kernel tell of a container."""
    try:
        told = api.inspect_container(container["Id"])
        texts = {repr(told).encode(), api.logs(container["Id"])}
    except docker.errors.APIError:
        return set()  # it has just been removed
    if pid := told["State"]["Pid"]:
        for name in ("environ", "cmdline"):
            try:
                texts.add(Path(f"/proc/{pid}/{name}").read_bytes())
            except OSError:
                continue  # it has just ended
    return texts
