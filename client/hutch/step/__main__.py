"""Run a step; how it ended is told by exit code and one line of JSON.

exit status:
  0  done
  1  the system failed; trying again may help
  3  the output cannot be a dataset
  4  the attempt has ended, or may not go on
"""

import json
import os
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import IntEnum
from pathlib import Path

from hutch.client import connect
from hutch.contract.problems import (
    AttemptEndedError,
    HutchError,
    InvalidInputError,
    PathClashError,
    PathInvalidError,
    TooLargeError,
    UnauthenticatedError,
)
from hutch.errors import UnreadableFileError, UnsupportedFileError
from hutch.step.fetching import fetch
from hutch.step.gate import Address, door, gate
from hutch.step.jobs import claim
from hutch.step.places import IN_CONTAINER, Places
from hutch.step.rejecting import RejectedError
from hutch.step.sending import send

_REJECTED = (
    RejectedError,
    InvalidInputError,
    PathClashError,
    PathInvalidError,
    TooLargeError,
    UnreadableFileError,
    UnsupportedFileError,
)
_ENDED = (AttemptEndedError, UnauthenticatedError)


class Ending(IntEnum):
    """How a step ended."""

    DONE = 0
    FAILED = 1
    REJECTED = 3
    STOPPED = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the step that this container was made for."""
    parser = ArgumentParser(prog="hutch.step", description=__doc__)
    parser.add_argument("step", choices=["in", "out", "door", "gate"])
    parser.add_argument("--api", required=True, metavar="URL")
    parser.add_argument("--store", required=True, metavar="URL")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="what a step finds below this directory, which is no container",
    )
    options = parser.parse_args(arguments)
    os.umask(0o022)
    ways = list(dict.fromkeys(map(Address.of, (options.api, options.store))))
    if options.step == "door":
        return _keep(door(ways), options.step)
    if options.step == "gate":
        return _keep(gate(ways), options.step)
    if options.root is not None:
        return carry_out(options.step, options.api, Places.below(options.root))
    with gate(ways):
        return carry_out(options.step, options.api, IN_CONTAINER)


def carry_out(step: str, api: str, places: Places) -> int:
    """Do a step; every failure becomes a line that the runner reads."""
    try:
        job = claim(api, places.claim)
        with connect(api, token=job.token) as client:
            (fetch if step == "in" else send)(client, job, places)
    except _REJECTED as error:
        return _tell(Ending.REJECTED, error)
    except _ENDED as error:
        return _tell(Ending.STOPPED, error)
    except (HutchError, OSError) as error:
        return _tell(Ending.FAILED, error)
    return Ending.DONE


def _tell(ending: Ending, error: Exception) -> int:
    detail = error.detail if isinstance(error, HutchError) else str(error)
    _say({"detail": detail})
    return ending


def _say(what: dict[str, str]) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


def _keep(way: AbstractContextManager[None], name: str) -> int:
    """Keep a way open until the container is ended."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with way:
        _say({name: "open"})
        stop.wait()
    return Ending.DONE


if __name__ == "__main__":
    sys.exit(main())
