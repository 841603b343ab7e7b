"""``hutch passwd``: change your password.

With --password-stdin the old password is the first line of stdin and the new one
the second. Tokens stay as they are; 'hutch token revoke' ends those you doubt.
"""

from argparse import ArgumentParser
from dataclasses import dataclass

from hutch.cli import passwords
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.screen import UsageError

EPILOG = epilog(
    ok="the password is changed",
    not_logged_in="not logged in, or the old password is wrong",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    password_stdin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The answer for programs."""

    server: str
    changed: bool = True


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the old and the new password from stdin, a line each",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    screen, stdin = desk.screen, options.password_stdin
    with desk.client() as client:
        old = passwords.ask(screen, "Old password: ", from_stdin=stdin)
        new = passwords.ask(screen, "New password: ", from_stdin=stdin)
        if not stdin and new != screen.ask_secret("New password again: "):
            raise UsageError("the two new passwords differ; nothing was changed")
        client.account.change_password(old=old, new=new)
    screen.document(Changed(server=client.url))
    screen.say("the password is changed")
    return Exit.OK
