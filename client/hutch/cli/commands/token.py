"""``hutch token``: manage tokens for scripts and machines.

A token can do at most what you can do, and less if you say so: by scopes, by a list
of datasets, by the day on which it ends. Its text is shown once. Give it to programs
as HUTCH_TOKEN, together with HUTCH_URL.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hutch.cli import text, values
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.screen import UsageError
from hutch.client import Client
from hutch.contract.wire.accounts import Scope, TokenIn, TokenOut
from hutch.errors import AmbiguousError, NotFoundError

EPILOG = epilog(ok="it is done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    action: str
    name: str | None
    scopes: list[str]
    datasets: list[str]
    expires: datetime | None
    tokens: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The answer for programs where tokens were revoked."""

    revoked: tuple[UUID, ...]


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.set_defaults(name=None, scopes=[], datasets=[], expires=None, tokens=[])
    actions = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="action", required=True
    )
    added = {
        name: actions.add_parser(name, help=what, description=text.sentence(what))
        for name, what in (
            ("create", "make a token; its text is shown only then"),
            ("list", "list your tokens, without their text"),
            ("revoke", "end tokens; they do not work from the next request on"),
        )
    }
    _configure_create(added["create"])
    revoke = added["revoke"]
    revoke.add_argument(
        "tokens",
        metavar="TOKEN",
        nargs="+",
        help="its id, the beginning of it, or its name",
    )


def _configure_create(create: ArgumentParser) -> None:
    create.add_argument(
        "--name", required=True, metavar="N", help="what it is called in lists"
    )
    create.add_argument(
        "--scope",
        dest="scopes",
        required=True,
        action="extend",
        nargs="+",
        choices=[scope.value for scope in Scope],
        metavar="S",
        help=f"what it may do: {', '.join(Scope)}",
    )
    create.add_argument(
        "--dataset",
        dest="datasets",
        action="append",
        default=[],
        metavar="DATASET",
        help="a dataset that it reaches; may be given again (default: all yours)",
    )
    create.add_argument(
        "--expires",
        required=True,
        type=values.expiry,
        metavar="T",
        help="when it ends: 30d, 12h, 90m, 2w, or a date",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    with desk.client() as client:
        match options.action:
            case "create":
                _create(client, desk, options)
            case "list":
                _list(client, desk)
            case _:
                _revoke(client, desk, options.tokens)
    return Exit.OK


def _create(client: Client, desk: Desk, options: Options) -> None:
    if options.name is None or options.expires is None:
        raise UsageError("a token needs --name and --expires")
    reach = tuple(client.find(word).id for word in options.datasets)
    try:
        wanted = TokenIn(
            name=options.name,
            scopes=tuple(dict.fromkeys(map(Scope, options.scopes))),
            expires_at=options.expires,
            datasets=reach or None,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    made = client.tokens.create(wanted)
    screen = desk.screen
    screen.document(made)
    screen.show(made.token)
    screen.say(f"good until {text.until(made.info.expires_at)}; it is shown only now")
    screen.say(f"next: export HUTCH_URL={client.url} HUTCH_TOKEN=…")


def _list(client: Client, desk: Desk) -> None:
    tokens = client.tokens.list()
    desk.screen.document(tokens)
    desk.screen.table(
        [
            (
                str(token.id)[:8],
                token.name,
                " ".join(token.scopes),
                "all" if token.datasets is None else str(len(token.datasets)),
                "revoked" if token.revoked_at else text.until(token.expires_at),
                text.moment(token.last_used_at),
            )
            for token in tokens.items
        ],
        head=("id", "name", "scopes", "datasets", "expires", "last used"),
    )


def _revoke(client: Client, desk: Desk, words: list[str]) -> None:
    held = client.tokens.list().items
    chosen = [_choose(held, word) for word in words]
    for token in chosen:
        client.tokens.revoke(token.id)
    desk.screen.document(Revoked(revoked=tuple(token.id for token in chosen)))
    for token in chosen:
        desk.screen.say(f"revoked {token.name} ({token.id})")


def _choose(held: tuple[TokenOut, ...], word: str) -> TokenOut:
    live = [token for token in held if token.revoked_at is None]
    found = [t for t in live if t.name == word or str(t.id).startswith(word.lower())]
    if not found:
        raise NotFoundError(f"you have no token {word!r}; see 'hutch token list'")
    if len(found) > 1:
        ids = [str(token.id) for token in found]
        raise AmbiguousError(
            f"{word!r} fits {len(found)} tokens: {', '.join(ids)}. Give the id",
            candidates=ids,
        )
    return found[0]
