"""The containers of an attempt as the command line of Podman is told of them."""

import json
from collections.abc import Mapping
from pathlib import Path

from hutch_api.adapters.containment import PROCESSES, USER, Container


def container_options(
    name: str, labels: Mapping[str, str], container: Container, *, seccomp: Path
) -> list[str]:
    """Write the arguments of ``podman create``.

    Args:
        name: What it is called.
        labels: What it bears.
        container: What is particular to it.
        seccomp: The profile, where the node finds it.
    """
    most = container.most
    memory = f"{most.memory_mib}m"
    # What is named by an id comes from no registry.
    pull = "missing" if "@" in container.image else "never"
    return [
        *_each("--name", name),
        *label_options(labels),
        *_each("--user", USER),
        *("--read-only", "--init", "--http-proxy=false", "--systemd=false"),
        "--sdnotify=ignore",
        *_each("--cap-drop", "ALL"),
        *_each("--security-opt", "no-new-privileges", f"seccomp={seccomp}"),
        *_each("--pids-limit", str(PROCESSES)),
        *_each("--memory", memory),
        *_each("--memory-swap", memory),
        *_each("--cpus", f"{most.cpu:g}"),
        *_each("--network", container.network),
        # Who starts it writes down what it says.
        *_each("--log-driver", "none"),
        *_each("--pull", pull),
        *_each(
            "--volume", *(f"{m.volume}:{m.place}:{m.mode}" for m in container.mounts)
        ),
        *_each("--env", *(f"{k}={v}" for k, v in container.environment.items())),
        *_each("--ulimit", *(f"{k}={v}:{v}" for k, v in container.ulimits.items())),
        *_each("--sysctl", *(f"{k}={v}" for k, v in container.sysctls.items())),
        *_each("--workdir", *filter(None, [container.directory])),
        # A list in JSON: as a plain text it would be taken apart at its blanks.
        *_each("--entrypoint", *_entrypoint(container)),
        container.image,
        *container.command,
    ]


def label_options(labels: Mapping[str, str]) -> list[str]:
    """Write labels, as ``podman volume create`` takes them as well."""
    return _each("--label", *(f"{name}={value}" for name, value in labels.items()))


def _entrypoint(container: Container) -> list[str]:
    return [json.dumps(container.entrypoint)] if container.entrypoint else []


def _each(option: str, *values: str) -> list[str]:
    return [word for value in values for word in (option, value)]
