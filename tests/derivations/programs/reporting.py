"""How programs of the tests tell what they found: in one line of their log."""

import errno
import json
import os
from collections.abc import Callable
from typing import Any


def tell(**found: Any) -> None:
    """Write the report."""
    print(f"\nreport {json.dumps(found)}", flush=True)


def outcome(attempt: Callable[[], Any]) -> str:
    """Try something; tell the error that it came to, or ``done``."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return "done"


def outcome_apart(attempt: Callable[[], Any]) -> str:
    """Try something in a process of its own, which may be changed by that."""
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(said, outcome(attempt).encode())
        os._exit(0)
    os.close(said)
    with open(heard, encoding="ascii") as pipe:  # noqa: PTH123 -- a descriptor
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return told or f"status {status}"
