"""``hutch image``: approve container images, or take that back.

Programs of an image run only while it is approved, by an approver or an administrator:
whoever may run definitions then runs its programs. IMAGE is named by digest
(registry/name@sha256:…) or by id (sha256:…), never by a tag, under which other bytes
may lie tomorrow.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from uuid import UUID

from hutch.cli import text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.recipes import read_image
from hutch.cli.screen import Screen, UsageError
from hutch.client import Client
from hutch.contract.wire.definitions import ImageIn, ImageOut
from hutch.errors import AmbiguousError, NotFoundError

EPILOG = epilog(ok="it is done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    action: str
    image: str | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The answer for programs where an approval was taken back."""

    id: UUID
    image: str
    revoked: bool = True


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.set_defaults(image=None, note="")
    actions = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="action", required=True
    )
    added = {
        name: actions.add_parser(name, help=what, description=text.sentence(what))
        for name, what in (
            ("approve", "approve an image"),
            ("list", "list the images that are approved"),
            ("revoke", "take an approval back; runs that have begun go on"),
        )
    }
    added["approve"].add_argument(
        "image", metavar="IMAGE", help="the image, by digest or id"
    )
    added["approve"].add_argument(
        "--note", metavar="TEXT", default="", help="what it is, for people"
    )
    added["revoke"].add_argument(
        "image",
        metavar="ID",
        help="id of the approval, the beginning of it, or the image",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    if options.image is None:
        with desk.client() as client:
            _list(client, desk.screen)
    elif options.action == "approve":
        _approve(desk, options.image, options.note)
    else:
        with desk.client() as client:
            _revoke(client, desk.screen, options.image)
    return Exit.OK


def _approve(desk: Desk, word: str, note: str) -> None:
    image = read_image(word)
    try:
        ImageIn(image=image, note=note)
    except ValueError as error:
        raise UsageError(str(error)) from None
    with desk.client() as client:
        made = client.images.approve(image, note=note)
    desk.screen.document(made)
    desk.screen.made(made.id)
    desk.screen.say(f"approved {made.image} ({made.id})")


def _list(client: Client, screen: Screen) -> None:
    found = client.images.list()
    screen.document(found)
    screen.table(
        [
            (
                str(one.id)[:8],
                one.image,
                one.by,
                text.moment(one.approved_at),
                one.note or "-",
            )
            for one in found.items
        ],
        head=("id", "image", "approved by", "on", "note"),
    )
    if not found.items:
        screen.say("no image is approved; next: hutch image approve IMAGE")


def _revoke(client: Client, screen: Screen, word: str) -> None:
    chosen = _choose(client.images.list().items, word)
    client.images.revoke(chosen.id)
    screen.document(Revoked(id=chosen.id, image=chosen.image))
    screen.say(f"revoked {chosen.image}; no run of it begins now")


def _choose(known: tuple[ImageOut, ...], word: str) -> ImageOut:
    begins = word.lower()
    found = [
        one
        for one in known
        if word in {one.image, one.image.removeprefix("sha256:")}
        or str(one.id).startswith(begins)
    ]
    if not found:
        raise NotFoundError(
            f"no image that fits {word[:200]!r} is approved; see 'hutch image list'"
        )
    if len(found) > 1:
        ids = [str(one.id) for one in found]
        raise AmbiguousError(
            f"{word[:200]!r} fits {len(found)} images: {', '.join(ids)}. Give the id",
            candidates=ids,
        )
    return found[0]
