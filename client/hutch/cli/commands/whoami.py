"""``hutch whoami``: show who you are to the server, and by which token."""

from argparse import ArgumentParser
from dataclasses import dataclass

from hutch.cli import text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog

EPILOG = epilog(ok="you are logged in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed: nothing."""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments: there are none."""


def run(_options: Options, desk: Desk) -> Exit:
    """Do it."""
    with desk.client() as client:
        me = client.account.whoami()
    desk.screen.document(me)
    reach = me.token.datasets
    desk.screen.table(
        [
            ("user", f"{me.user.name} ({me.user.role})"),
            ("server", client.url),
            ("groups", ", ".join(me.groups) or "-"),
            ("token", f"{me.token.name} ({str(me.token.id)[:8]})"),
            ("scopes", " ".join(me.token.scopes)),
            ("datasets", "all yours" if reach is None else ", ".join(map(str, reach))),
            ("expires", text.until(me.token.expires_at)),
        ]
    )
    return Exit.OK
