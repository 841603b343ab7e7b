"""``hutch group``: manage groups of users that datasets can be shared with.

Whoever makes a group owns it, and adds and removes its members.
"""

from argparse import ArgumentParser
from dataclasses import dataclass

from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.screen import UsageError
from hutch.cli.text import sentence
from hutch.client import Client
from hutch.contract.wire.accounts import GroupIn, GroupOut

EPILOG = epilog(
    Exit.CONFLICT,
    ok="it is done",
    conflict="there is a group of this name already",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    action: str
    name: str | None
    users: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The answer for programs where a group is no more."""

    name: str
    deleted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The answer for programs where members were removed."""

    name: str
    removed: tuple[str, ...]


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.set_defaults(name=None, users=[])
    actions = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="action", required=True
    )
    what = "list the groups that you own or belong to"
    actions.add_parser("list", help=what, description=sentence(what))
    for action, what in (
        ("create", "make a group; you are its owner and first member"),
        ("add", "add members"),
        ("remove", "remove members"),
        ("delete", "delete a group; what was shared with it no longer is"),
    ):
        child = actions.add_parser(action, help=what, description=sentence(what))
        child.add_argument("name", metavar="GROUP", help="name of the group")
        if action in {"add", "remove"}:
            child.add_argument("users", metavar="USER", nargs="+", help="who")


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    with desk.client() as client:
        if options.name is None:
            _list(client, desk)
        else:
            _change(client, desk, options, options.name)
    return Exit.OK


def _list(client: Client, desk: Desk) -> None:
    groups = client.groups.list()
    desk.screen.document(groups)
    desk.screen.table(
        [(group.name, group.owner, ", ".join(group.members)) for group in groups.items],
        head=("group", "owner", "members"),
    )
    if not groups.items:
        desk.screen.say("no group; next: hutch group create NAME")


def _change(client: Client, desk: Desk, options: Options, name: str) -> None:
    screen = desk.screen
    match options.action:
        case "create":
            made = _create(client, name)
            screen.document(made)
            screen.say(f"made the group {name}; next: hutch group add {name} USER")
        case "add":
            for user in options.users:
                group = client.groups.add(name, user)
            screen.document(group)
            screen.say(f"{name}: {', '.join(group.members)}")
        case "remove":
            for user in options.users:
                client.groups.remove(name, user)
            screen.document(Removed(name=name, removed=tuple(options.users)))
            screen.say(f"removed {', '.join(options.users)} from {name}")
        case _:
            client.groups.delete(name)
            screen.document(Gone(name=name))
            screen.say(f"deleted the group {name}")


def _create(client: Client, name: str) -> GroupOut:
    try:
        GroupIn(name=name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return client.groups.create(name)
