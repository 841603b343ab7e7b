"""``hutch logout``: end the token on the server, then forget it here.

With it end the keys that S3 tools got by it.
"""

from argparse import ArgumentParser
from dataclasses import dataclass

from hutch import credentials
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.client import connect
from hutch.errors import HutchError, ServerUnavailableError, UnauthenticatedError
from hutch.tools import keys

EPILOG = epilog(
    ok="the token is revoked and forgotten",
    unreachable="the token is forgotten here, but could not be revoked",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOut:
    """The answer for programs."""

    server: str
    revoked: bool


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments: there are none."""


def run(_options: Options, desk: Desk) -> Exit:
    """Do it."""
    held = desk.credential()
    failure: HutchError | None = None
    with connect(held.url, token=held.token, insecure=held.insecure) as client:
        caller = client.caller
        try:
            client.account.log_out()
        except UnauthenticatedError:
            pass  # it had ended before, which is all that was wanted
        except HutchError as error:
            failure = error
        keys.forget_all(caller)
    credentials.forget(held.url)
    if failure is None:
        desk.screen.document(LoggedOut(server=held.url, revoked=True))
        desk.screen.say(f"logged out of {held.url}; the token is revoked")
        return Exit.OK
    raise ServerUnavailableError(
        f"the token for {held.url} is forgotten here, but it could not be revoked "
        f"({failure.detail}). It works until it expires for whoever has a copy; "
        "when the server is back, log in and use 'hutch token revoke'",
        server=held.url,
        revoked=False,
    )
