"""Add, list, disable and enable users, and give them new passwords and roles."""

import getpass
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from typing import Final

from hutch.contract.problems import StoreError
from hutch.contract.wire.accounts import Role
from hutch_api.commands.exits import CommandError, Exit
from hutch_api.commands.place import add_place, read_settings
from hutch_api.readiness import open_current
from hutch_api.services import revocation, users
from hutch_api.services.work import Site

_ROLES: Final = "|".join(Role)


def configure(parser: ArgumentParser) -> None:
    """Declare the verbs."""
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, (action, text) in _VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        add_place(verb)
        verb.set_defaults(action=action)
        if name == "list":
            verb.add_argument("--json", action="store_true", help="print JSON")
        else:
            verb.add_argument("name", metavar="NAME", help="name of the user")
        if name == "add":
            verb.add_argument(
                "--role",
                type=_role_named,
                metavar=_ROLES,
                default=Role.USER,
                help="what they may do beside their own work (default: user)",
            )
        if name == "role":
            verb.add_argument(
                "role",
                type=_role_named,
                metavar=_ROLES,
                help="what they may do beside their own work",
            )
        if name in {"add", "passwd"}:
            verb.add_argument(
                "--password-stdin",
                action="store_true",
                help="read the password from standard input instead of asking",
            )


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Do one verb."""
    action: Callable[[Site, Namespace], None] = options.action
    action(open_current(read_settings(options, environ)), options)
    return Exit.OK


def _add(site: Site, options: Namespace) -> None:
    password = _password(options)
    with site.begin() as work:
        user = users.add_user(
            work, name=options.name, password=password, role=options.role
        )
    print(f"added {user.name} ({user.role})")


def _list(site: Site, options: Namespace) -> None:
    with site.look() as work:
        everybody = users.list_users(work)
    if options.json:
        rows = [
            {"name": user.name, "role": user.role, "disabled": disabled}
            for user, disabled in everybody
        ]
        print(json.dumps(rows))
        return
    for user, disabled in everybody:
        print(f"{user.name}  {user.role}{'  disabled' if disabled else ''}")


def _disable(site: Site, options: Namespace) -> None:
    with site.begin() as work:
        users.disable_user(work, options.name)
    print(f"disabled {options.name}; their tokens and uploads have ended")
    try:
        revocation.settle(site)
    except StoreError as error:  # the right is gone all the same
        print(
            f"hutch-api: {error.detail}; what they may still send is refused once the "
            "worker has told the store",
            file=sys.stderr,
        )


def _enable(site: Site, options: Namespace) -> None:
    with site.begin() as work:
        users.enable_user(work, options.name)
    print(f"enabled {options.name}; their old tokens stay ended")


def _passwd(site: Site, options: Namespace) -> None:
    password = _password(options)
    with site.begin() as work:
        users.set_password(work, name=options.name, password=password)
    print(f"{options.name} has a new password")


def _role(site: Site, options: Namespace) -> None:
    with site.begin() as work:
        users.set_role(work, name=options.name, role=options.role)
    print(f"{options.name} has the role {options.role}, from the next request on")


_VERBS: Final = {
    "add": (_add, "add a user"),
    "list": (_list, "list all users"),
    "disable": (_disable, "refuse a user and end their tokens"),
    "enable": (_enable, "let a disabled user log in again"),
    "passwd": (_passwd, "give a user a new password"),
    "role": (_role, "give a user another role; their tokens stay good"),
}


def _role_named(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise ArgumentTypeError(
            f"there is no role {text[:100]!r}; known are {', '.join(Role)}"
        ) from None


def _password(options: Namespace) -> str:
    if options.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CommandError(
            "there is no terminal to ask for the password; give it with "
            "--password-stdin",
            Exit.USAGE,
        )
    password = getpass.getpass(f"Password for {options.name}: ")
    if getpass.getpass("Once more: ") != password:
        raise CommandError("the two passwords differ; nothing was changed")
    return password
