"""``hutch login``: get a token for a server and keep it.

The password is asked for, or read from stdin; it is never an option and never kept.
What is kept is a token, in a file of your home that only you can read. 'hutch
logout' ends it.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from socket import gethostname

from hutch import credentials
from hutch.cli import passwords, text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.client import connect
from hutch.contract.wire.accounts import TokenOut
from hutch.errors import ClientError

EPILOG = epilog(
    ok="you are logged in",
    not_logged_in="the user name or the password is wrong",
    usage="the command line is not right, or the server is plain http",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    url: str
    user: str
    password_stdin: bool
    token_name: str | None
    insecure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """The answer for programs; the token's text stays in its file."""

    server: str
    user: str
    token: TokenOut


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("url", metavar="URL", help="address of the server")
    parser.add_argument("--user", required=True, metavar="NAME", help="your user name")
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password from stdin"
    )
    parser.add_argument(
        "--token-name",
        metavar="NAME",
        help="what the token is called in 'hutch token list' (default: this machine)",
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="allow plain http to another machine, where others may read along",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    with connect(options.url, insecure=options.insecure) as client:
        password = passwords.ask(
            desk.screen,
            f"Password of {options.user} on {client.url}: ",
            from_stdin=options.password_stdin,
        )
        name = options.token_name or f"login on {gethostname()}"[:100]
        created = client.account.log_in(options.user, password, token_name=name)
        try:
            credentials.keep(
                credentials.Credential(
                    url=client.url,
                    token=created.token,
                    user=options.user,
                    insecure=options.insecure,
                )
            )
        except ClientError:
            client.account.log_out()  # nobody could ever use that token
            raise
    desk.screen.document(
        LoggedIn(server=client.url, user=options.user, token=created.info)
    )
    desk.screen.say(
        f"logged in to {client.url} as {options.user} until "
        f"{text.until(created.info.expires_at)}"
    )
    desk.screen.say("next: hutch init DIR --name NAME, hutch ls, hutch clone DATASET")
    return Exit.OK
