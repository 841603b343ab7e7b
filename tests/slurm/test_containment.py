"""Containers of a job are as closed as those that an engine's API is asked for."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import docker
import pytest

from hutch.contract.wire.definitions import Mode, Resources
from hutch.contract.wire.runs import StepKind
from hutch_api.adapters import containment
from hutch_api.adapters.containment import SECCOMP, Container
from hutch_api.adapters.engine.containers import options
from hutch_api.adapters.slurm.options import container_options
from hutch_api.ports.executor import Job
from tests.slurm.leftovers import podman

ATTEMPT = uuid4()
WAYS: dict[str, Any] = {
    "door": f"hutch-{ATTEMPT}-door",
    "addresses": ["--api", "http://a"],
}
OF_ANOTHER_WAY = frozenset({"LogConfig", "ContainerIDFile"})
"""Who starts the container of a job writes down what it says."""


@pytest.fixture
def client(engine: str) -> Iterator[docker.DockerClient]:
    one = docker.DockerClient(engine, version="auto", timeout=60)
    yield one
    one.close()


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    yield
    volumes = podman("volume", "ls", "--quiet", f"--filter=name={ATTEMPT}").split()
    podman("volume", "rm", "--force", *volumes)


def containers(images: dict[str, str]) -> dict[str, Container]:
    job = Job(
        attempt=ATTEMPT,
        image=images["probe"],
        argv=("python3", "-c", "a b", ""),
        mode=Mode.STAGED,
        resources=Resources(cpu=0.5, memory_mib=100, scratch_mib=7),
    )
    ways = {"image": images["step"], **WAYS}
    return {
        "program": containment.for_program(job),
        "in": containment.for_step(ATTEMPT, StepKind.IN, **ways),
        "out": containment.for_step(ATTEMPT, StepKind.OUT, **ways),
        "gate": containment.for_gate(**ways),
        "door": containment.for_door(**ways),
    }


def seen(identity: str, client: docker.DockerClient) -> dict[str, Any]:
    """See how a container was made; then remove it."""
    found = client.api.inspect_container(identity)
    client.api.remove_container(identity, force=True)
    host = {k: v for k, v in found["HostConfig"].items() if k not in OF_ANOTHER_WAY}
    names = ("User", "Env", "Entrypoint", "Cmd", "WorkingDir", "Volumes")
    config = {name: found["Config"][name] for name in names}
    config["Env"] = sorted(
        one for one in config["Env"] if not one.startswith("HOSTNAME=")
    )
    mounts = sorted((m["Destination"], m["Name"], m["RW"]) for m in found["Mounts"])
    return {"host": host, "config": config, "mounts": mounts}


@pytest.mark.parametrize("name", ["program", "in", "out", "gate", "door"])
def test_both_ways_make_the_same_container(
    client: docker.DockerClient, images: dict[str, str], name: str
) -> None:
    container = containers(images)[name]
    by_api = client.containers.create(**options(container, seccomp=str(SECCOMP)))
    words = container_options(f"hutch-{ATTEMPT}", {}, container, seccomp=SECCOMP)
    by_line = podman("create", *words).strip()
    assert seen(by_line, client) == seen(by_api.id, client)
