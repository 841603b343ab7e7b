"""The composition root of runners: from settings to an executor."""

from pathlib import Path
from typing import Any, Final
from uuid import UUID

from hutch_api.adapters.local import open_local, shield
from hutch_api.adapters.slurm import open_slurm
from hutch_api.domain import system
from hutch_api.ports.executor import Executor, ExecutorUnavailableError
from hutch_api.setting_values import SLURM
from hutch_api.settings import Settings

_SOCKETS: Final = (
    Path("/run/podman/podman.sock"),
    Path("/var/run/docker.sock"),
)


def open_executor(settings: Settings, instance: UUID) -> Executor:
    """Open what executes the runs of this runner.

    Raises:
        ExecutorUnavailableError: It does not answer, or is not installed.
    """
    more = {
        "instance": instance,
        "runner": settings.runner_name,
        "step_image": settings.runner_step_image,
        "api_url": settings.runner_api,
        "store_url": settings.s3_executor_url,
    }
    if settings.runner_executor == system.EXECUTOR:
        shield()
        return open_local(
            settings.runner_dir,
            instance=instance,
            runner=settings.runner_name,
            api_url=settings.runner_api,
        )
    if settings.runner_executor == SLURM:
        return _open_slurm(settings, **more)
    try:
        from hutch_api.adapters.engine import open_engine  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ExecutorUnavailableError(
            "a runner needs the extra 'runner': pip install 'hutch[server,runner]'"
        ) from error
    return open_engine(settings.runner_engine or find_socket(), **more)


def _open_slurm(settings: Settings, **more: Any) -> Executor:
    if settings.runner_slurm_dir is None:
        raise ExecutorUnavailableError(
            "jobs of Slurm need a directory that this machine and all nodes have in "
            "common, and HUTCH_RUNNER_SLURM_DIR to name it"
        )
    return open_slurm(
        settings.runner_slurm_dir,
        partition=settings.runner_slurm_partition,
        options=settings.runner_slurm_options,
        **more,
    )


def can_run(settings: Settings) -> bool:
    """Tell whether this machine has what a runner with these settings needs."""
    try:
        executor = open_executor(settings, UUID(int=0))
    except ExecutorUnavailableError:
        return False
    return bool(executor.name)


def find_socket() -> str:
    """Find the socket of a container engine in its usual places.

    Raises:
        ExecutorUnavailableError: There is none.
    """
    for path in _SOCKETS:
        if path.is_socket():
            return f"unix://{path}"
    places = " or ".join(map(str, _SOCKETS))
    raise ExecutorUnavailableError(
        f"there is no container engine at {places}; start Podman's socket "
        "(systemctl enable --now podman.socket) or Docker, or name another by "
        "HUTCH_RUNNER_ENGINE"
    )
