"""The containers of an attempt as the API of an engine is told of them."""

from typing import Any

from docker.types import DeviceRequest, LogConfig, Ulimit

from hutch_api.adapters.containment import LOG_MIB, PROCESSES, USER, Container


def options(container: Container, *, seccomp: str) -> dict[str, Any]:
    """Say how a container is made.

    Args:
        container: What is particular to it.
        seccomp: The profile, as the engine wants to have it.
    """
    most = container.most
    memory = f"{most.memory_mib}m"
    gpus = [DeviceRequest(count=most.gpu, capabilities=[["gpu"]])]
    return {
        "image": container.image,
        "entrypoint": list(container.entrypoint) or None,
        "command": list(container.command),
        "network_mode": container.network,
        "volumes": {
            mount.volume: {"bind": mount.place, "mode": mount.mode}
            for mount in container.mounts
        },
        "working_dir": container.directory or None,
        "environment": dict(container.environment),
        "device_requests": gpus if most.gpu else None,
        "ulimits": [
            Ulimit(name=name, soft=most, hard=most)
            for name, most in container.ulimits.items()
        ],
        "sysctls": dict(container.sysctls) or None,
        "user": USER,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", f"seccomp={seccomp}"],
        "pids_limit": PROCESSES,
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": int(most.cpu * 1e9),
        "init": True,
        "log_config": LogConfig(
            type="json-file", config={"max-size": f"{LOG_MIB}m", "max-file": "1"}
        ),
    }
