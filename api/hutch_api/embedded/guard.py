"""Run a program that dies with its parent: ``guard.py <pid of parent> <program> …``.

A parent that is killed with SIGKILL cannot end its children; the kernel can (Linux:
PR_SET_PDEATHSIG). It has to be asked by the child itself, before it becomes the
program. Run as a file, with nothing but the standard library, to start quickly.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Ask the kernel, then become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            sys.exit(f"guard: prctl: {os.strerror(ctypes.get_errno())}")
        if os.getppid() != parent:  # it died before the kernel was asked
            sys.exit("guard: the parent is gone")
    os.execv(program[0], program)  # noqa: S606 -- a list of arguments, no shell


if __name__ == "__main__":
    main()
