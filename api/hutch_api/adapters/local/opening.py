"""Opening the executor: a machine that has what it needs, a directory of one's own."""

import ctypes
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from hutch_api.adapters.local.executor import LocalExecutor
from hutch_api.ports.executor import ExecutorUnavailableError

_PR_SET_DUMPABLE: Final = 4  # <linux/prctl.h>


def open_local(directory: Path | None, **more: Any) -> LocalExecutor:
    """Open the executor of hutch's own programs.

    Args:
        directory: Where attempts have their directories; None means one of this user
            where temporary files go.
        more: As for ``LocalExecutor``.

    Raises:
        ExecutorUnavailableError: The machine or the directory cannot be used.
    """
    if sys.platform != "linux":
        raise ExecutorUnavailableError(
            "a runner of hutch's own programs needs Linux: elsewhere they could go on "
            "without it"
        )
    place = directory or Path(tempfile.gettempdir()) / f"hutch-runner-{os.geteuid()}"
    _require_own(place)
    executor = LocalExecutor(place, **more)
    executor.held()
    return executor


def shield() -> None:
    """Let nobody of this user look into this process: not its memory or environment.

    Those hold the secrets of the installation, and the programs that it begins are
    processes of the same user. Whoever may look at everything still may.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise ExecutorUnavailableError(
                f"the runner cannot be shielded: {os.strerror(ctypes.get_errno())}"
            )


def _require_own(place: Path) -> None:
    """Make a directory, and refuse one that others could reach into.

    Raises:
        ExecutorUnavailableError: It cannot be made, or is not this user's alone.
    """
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.lstat()
    except OSError as error:
        raise ExecutorUnavailableError(
            f"the directory of the runner, HUTCH_RUNNER_DIR, cannot be used: {error}"
        ) from error
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not mine or found.st_mode & 0o077:
        raise ExecutorUnavailableError(
            f"{place} has to be a directory of this user's alone (chmod 700); name "
            "another by HUTCH_RUNNER_DIR"
        )
