"""``hutch s3``: let other S3 tools work on a dataset.

Tools that read profiles of AWS, such as aws, boto3, s5cmd and rclone, get keys that
reach this dataset and nothing else. They live for an hour, and tools are given new
ones by themselves. With them a tool may list and get the files; with --write also put
and delete, as long as the dataset is open. Keys end with the right, the login or the
token that they come from; those that write end with the close. No profile holds a
secret: it says how to ask for keys.
"""

import json
import os
import shlex
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final
from uuid import UUID

from hutch.cli import text
from hutch.cli.commands.close import add_dataset
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.reports import dataset_name
from hutch.cli.screen import UsageError
from hutch.client import Client
from hutch.contract import paths
from hutch.contract.problems import PathInvalidError
from hutch.contract.wire.site import StorePlace
from hutch.contract.wire.tools import StoreAccess
from hutch.tools import keys, profiles
from hutch.tools.profiles import Profile

EPILOG = epilog(
    Exit.STATE,
    Exit.CONFLICT,
    ok="it is done",
    state="nothing writes to it, because it is not open; or it is deleted",
    conflict="you have as many store accounts as are allowed: revoke one",
)

_ACTIONS: Final = {
    "env": "print the variables of a shell that tools need, for eval; writes a profile",
    "config": "write a profile for tools of AWS into ~/.aws/config",
    "credentials": "print keys as profiles ask for them: tools run this",
    "rclone": "print a remote of rclone, or save it; writes a profile",
    "mc": "print an alias of mc, with keys in it, for 'mc alias import'",
    "url": "print the address of a dataset, or of a path in it, for tools",
    "list": "list store accounts that live: your own, or all of your dataset",
    "revoke": "end store accounts; the store refuses them from the next request on",
}
_OVERRULING: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
)
"""Variables that tools believe more than a profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    action: str
    dataset: str | None
    write: bool
    path: str
    only_print: bool
    save: bool
    words: list[str]
    every: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """The answer of ``env`` for programs.

    Attributes:
        unset: Variables that are set and would overrule the profile.
    """

    profile: str
    variables: dict[str, str]
    unset: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The answer of ``config`` and ``rclone`` for programs.

    Attributes:
        name: Of the profile or the remote.
        file: Where it stands; None if it was only printed.
        lines: The profile or the remotes.
    """

    name: str
    file: str | None
    lines: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The answer of ``url`` for programs."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The answer of ``revoke`` for programs."""

    revoked: tuple[UUID, ...]


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.set_defaults(dataset=None, path="", words=[])
    parser.set_defaults(write=False, only_print=False, save=False, every=False)
    actions = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="action", required=True
    )
    added = {
        name: actions.add_parser(name, help=what, description=text.sentence(what))
        for name, what in _ACTIONS.items()
    }
    for name in ("env", "config", "credentials", "rclone", "mc"):
        add_dataset(added[name])
        added[name].add_argument(
            "--write",
            action="store_true",
            help="let tools put and delete files too, as long as the dataset is open",
        )
    added["config"].add_argument(
        "--print",
        dest="only_print",
        action="store_true",
        help="print the profile instead of writing it",
    )
    added["rclone"].add_argument(
        "--save", action="store_true", help="put it into rclone's own file of remotes"
    )
    url, revoke = added["url"], added["revoke"]
    url.add_argument("dataset", metavar="DATASET", help="the dataset")
    url.add_argument("path", metavar="PATH", nargs="?", default="", help="below it")
    add_dataset(added["list"])
    revoke.add_argument(
        "words", metavar="ID", nargs="+", help="a store account, as 'list' names it"
    )
    revoke.add_argument(
        "--all",
        dest="every",
        action="store_true",
        help="the words name datasets: end all that 'list' shows of them",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    match options.action:
        case "env":
            _env(options, desk)
        case "config":
            _config(options, desk)
        case "credentials":
            _credentials(options, desk)
        case "rclone":
            _rclone(options, desk)
        case "mc":
            _mc(options, desk)
        case "url":
            _url(options, desk)
        case "list":
            _list(options, desk)
        case _:
            _revoke(options, desk)
    return Exit.OK


def _env(options: Options, desk: Desk) -> None:
    made, place, _ = _profile(options, desk)
    endpoint = place.endpoint
    variables = {
        "AWS_PROFILE": made.name,
        "AWS_ENDPOINT_URL": endpoint,
        "S3_ENDPOINT_URL": endpoint,
    }
    unset = tuple(name for name in _OVERRULING if name in os.environ)
    desk.screen.document(Variables(profile=made.name, variables=variables, unset=unset))
    for name in unset:
        desk.screen.show(f"unset {name}")
    for name, value in variables.items():
        desk.screen.show(f"export {name}={shlex.quote(value)}")


def _config(options: Options, desk: Desk) -> None:
    made, _, _ = _profile(options, desk)
    screen = desk.screen
    if options.only_print:
        screen.document(Written(name=made.name, file=None, lines=made.lines()))
        for line in made.lines():
            screen.show(line)
        return
    screen.document(Written(name=made.name, file=str(made.file), lines=made.lines()))
    screen.made(made.name)
    done = "wrote" if made.is_new else "nothing to change in"
    screen.say(f"{done} profile {made.name} in {made.file}")
    screen.say(f'next: aws --profile {made.name} s3 ls "$(hutch s3 url …)"')


def _credentials(options: Options, desk: Desk) -> None:
    held = _keys(options, desk)
    until = held.good_until.astimezone(UTC).isoformat(timespec="seconds")
    _answer(
        desk,
        {
            "Version": 1,
            "AccessKeyId": held.key_id,
            "SecretAccessKey": held.secret,
            "Expiration": until.replace("+00:00", "Z"),
        },
    )


def _rclone(options: Options, desk: Desk) -> None:
    made, place, dataset = _profile(options, desk)
    remotes = profiles.remote(made, place, dataset)
    lines = profiles.with_remotes("", remotes).splitlines()
    screen = desk.screen
    if not options.save:
        screen.document(Written(name=made.name, file=None, lines=lines))
        for line in lines:
            screen.show(line)
        return
    file = profiles.save_remotes(remotes)
    screen.document(Written(name=made.name, file=str(file), lines=lines))
    screen.made(made.name)
    screen.say(f"wrote remote {made.name} in {file}")
    screen.say(f"next: rclone ls {made.name}:")


def _mc(options: Options, desk: Desk) -> None:
    # It cannot ask for new keys, so it gets those that live long.
    held = _keys(options, desk, long=True)
    _answer(
        desk,
        {
            "url": held.endpoint,
            "accessKey": held.key_id,
            "secretKey": held.secret,
            "api": "s3v4",
            "path": "on",
        },
    )


def _url(options: Options, desk: Desk) -> None:
    if options.path:
        try:
            paths.parse(options.path.removesuffix("/"))
        except paths.PathError as error:
            raise PathInvalidError(str(error), path=options.path) from None
    with desk.dataset(options.dataset) as (client, dataset):
        place = client.capabilities().store
    found = f"s3://{place.bucket}/{place.prefix}{dataset.id}/{options.path}"
    desk.screen.document(Address(url=found))
    desk.screen.show(found)


def _list(options: Options, desk: Desk) -> None:
    with desk.dataset(options.dataset) as (client, dataset):
        found = client.store_accounts.list(dataset.id)
    desk.screen.document(found)
    desk.screen.table(
        [
            (
                str(account.id),
                account.access,
                account.user,
                text.moment(account.created_at),
                text.until(account.expires_at),
            )
            for account in found.items
        ],
        head=("id", "access", "user", "made", "ends"),
    )
    if not found.items:
        desk.screen.say(f"no store account of {dataset_name(dataset)} lives")


def _revoke(options: Options, desk: Desk) -> None:
    with desk.client() as client:
        chosen = list(_chosen(client, options))
        for account in chosen:
            client.store_accounts.revoke(account)
            keys.forget(account)
    desk.screen.document(Revoked(revoked=tuple(chosen)))
    for account in chosen:
        desk.screen.say(f"revoked {account}")
    if not chosen:
        desk.screen.say("no store account lives there")


def _chosen(client: Client, options: Options) -> Iterable[UUID]:
    for word in options.words:
        if options.every:
            dataset = client.find(word)
            yield from (a.id for a in client.store_accounts.list(dataset.id).items)
            continue
        try:
            yield UUID(word)
        except ValueError:
            raise UsageError(
                f"{word!r} is not the id of a store account; 'hutch s3 list DATASET' "
                "shows them, 'hutch s3 revoke DATASET --all' ends those of a dataset"
            ) from None


def _profile(options: Options, desk: Desk) -> tuple[Profile, StorePlace, UUID]:
    with desk.dataset(options.dataset) as (client, dataset):
        place = client.capabilities().store
        save = not options.only_print
        made = profiles.profile(client, dataset, _access(options), place, save=save)
    return made, place, dataset.id


def _keys(options: Options, desk: Desk, *, long: bool = False) -> keys.StoreKeys:
    if (exact := _exact(options.dataset)) is not None:
        with desk.client() as client:  # a profile names the id: nothing to look up
            return keys.s3_keys(client, exact, _access(options), long=long)
    with desk.dataset(options.dataset) as (client, dataset):
        return keys.s3_keys(client, dataset.id, _access(options), long=long)


def _exact(word: str | None) -> UUID | None:
    try:
        return None if word is None else UUID(word)
    except ValueError:
        return None


def _access(options: Options) -> StoreAccess:
    return StoreAccess.WRITE if options.write else StoreAccess.READ


def _answer(desk: Desk, document: dict[str, Any]) -> None:
    """Print what a tool reads: a JSON document, with and without ``--json``."""
    desk.screen.document(document)
    desk.screen.show(text.clean_json(json.dumps(document)))
