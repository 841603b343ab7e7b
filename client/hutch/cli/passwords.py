"""Where passwords come from: the terminal, or stdin; never an option."""

import sys

from hutch.cli.screen import Screen, UsageError


def ask(screen: Screen, question: str, *, from_stdin: bool) -> str:
    """Get a password.

    Args:
        screen: Where the question is put.
        question: Such as ``Password: ``.
        from_stdin: Read a line of stdin instead of asking.

    Raises:
        UsageError: If nobody is there to be asked, or it is empty.
    """
    if from_stdin:
        password: str | None = sys.stdin.readline().rstrip("\r\n")
    else:
        password = screen.ask_secret(question)
    if password is None:
        raise UsageError(
            "there is no terminal to ask for the password; give --password-stdin "
            "and send it there"
        )
    if not password:
        raise UsageError("the password is empty")
    return password
