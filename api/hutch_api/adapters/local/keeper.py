"""Keep a program: bound it, end it with the runner, note how it ended.

usage: keeper.py PARENT NOTE LIMITS PROGRAM [ARGUMENT …]

PARENT is the runner's id as a process, NOTE the file for the exit code, LIMITS a JSON
object of bounds by their names in ``resource``. Run as a file, with nothing but the
standard library, to start quickly. The note is what tells a later process of the runner
how the program ended: only a parent learns that, and it may be gone.
"""

import ctypes
import json
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_PR_SET_NO_NEW_PRIVS = 38
_CANNOT_RUN = 127


def main() -> None:
    """Keep one program until it ends."""
    parent, note, limits, *program = sys.argv[1:]
    _end_with(int(parent))
    keeper = os.getpid()
    child = os.fork()  # there is one thread: nothing is held that the child lacks
    if child == 0:
        try:
            _end_with(keeper)
            _ask_kernel(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            for name, most in json.loads(limits).items():
                resource.setrlimit(getattr(resource, name), (most, most))
            os.execv(program[0], program)  # noqa: S606 -- a list of arguments, no shell
        except (OSError, ValueError) as error:
            said = json.dumps({"detail": f"it cannot be run: {error}"})
            os.write(sys.stdout.fileno(), f"{said}\n".encode())
        os._exit(_CANNOT_RUN)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    with open(f"{note}.new", "w", encoding="ascii") as file:  # noqa: PTH123 -- quick
        file.write(str(code if code >= 0 else 128 - code))
    os.replace(f"{note}.new", note)  # noqa: PTH105 -- as above


def _end_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, however it does."""
    _ask_kernel(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(_CANNOT_RUN)


def _ask_kernel(*words: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(*words) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    main()
