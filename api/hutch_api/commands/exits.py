"""How the commands of ``hutch-api`` end."""

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """Exit codes; they are part of the interface."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SETTINGS = 3
    NOT_READY = 4
    UNAVAILABLE = 5
    BUSY = 6


MEANING: Final = {
    Exit.OK: "it is done",
    Exit.FAILED: "it was refused or went wrong; the message says why",
    Exit.USAGE: "the command line is wrong",
    Exit.SETTINGS: "settings are missing or cannot be read; all of them are named",
    Exit.NOT_READY: "the database or the store lacks something; it is named",
    Exit.UNAVAILABLE: "the database or the store cannot be reached",
    Exit.BUSY: "another 'hutch-api up' uses the directory",
}


def epilog() -> str:
    """Write the exit codes for the end of a help text."""
    lines = [f"  {code.value}  {meaning}" for code, meaning in MEANING.items()]
    return "\n".join(["exit status:", *lines])


class CommandError(Exception):
    """A command cannot go on; the text says why and what to do.

    Attributes:
        exit: How the program ends.
    """

    def __init__(self, text: str, exit_: Exit = Exit.FAILED) -> None:
        super().__init__(text)
        self.exit = exit_
