"""``hutch definition``: manage programs in containers that make datasets.

A definition says which program of which image is run, on inputs of which types, with
which parameters and resources. It is written as a TOML file. What is added under a
name that is there already is its next version; no version ever changes.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hutch.cli import text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.recipes import read_recipe
from hutch.cli.screen import Screen, UsageError
from hutch.client import Client
from hutch.contract.wire.definitions import DefinitionOut, Resources
from hutch.resources.definitions import split_label

EPILOG = epilog(
    Exit.CONFLICT,
    ok="it is done",
    conflict="the name belongs to somebody else",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    action: str
    file: Path | None
    image: str | None
    definition: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """The answer for programs where a definition was retired."""

    name: str
    retired: bool = True


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.set_defaults(file=None, image=None, definition=None)
    actions = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="action", required=True
    )
    added = {
        name: actions.add_parser(name, help=what, description=text.sentence(what))
        for name, what in (
            ("add", "add a definition, or its next version"),
            ("list", "list those that are not retired, in their newest version"),
            ("show", "show all that a definition says"),
            ("retire", "let it start no more runs, in all of its versions"),
        )
    }
    added["add"].add_argument(
        "file", metavar="FILE", type=Path, help="the definition, a TOML file"
    )
    added["add"].add_argument(
        "--image",
        metavar="IMAGE",
        help="image by digest or id, instead of the one that the file names",
    )
    added["show"].add_argument(
        "definition", metavar="NAME[@VERSION]", help="which (default: the newest)"
    )
    added["retire"].add_argument("definition", metavar="NAME", help="which")


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    if options.file is not None:
        _add(desk, options.file, options.image)
        return Exit.OK
    with desk.client() as client:
        if options.definition is None:
            _list(client, desk.screen)
        elif options.action == "show":
            _show(client, desk.screen, options.definition)
        else:
            client.definitions.retire(options.definition)
            desk.screen.document(Retired(name=options.definition))
            desk.screen.say(f"retired {options.definition}; no run of it begins now")
    return Exit.OK


def _add(desk: Desk, file: Path, image: str | None) -> None:
    wanted = read_recipe(file, image)
    with desk.client() as client:
        added = client.definitions.add(wanted)
    screen = desk.screen
    screen.document(added)
    screen.made(f"{added.name}@{added.version}")
    screen.say(f"{added.name}@{added.version} is there: {added.title or 'no title'}")
    if not added.approved:
        screen.say("its image is not approved yet; an approver does that:")
        screen.say(f"next: hutch image approve {added.image}")
        return
    inputs = " ".join(f"{name}=DATASET" for name in added.inputs)
    screen.say(f"next: hutch run {added.name} {inputs} --name N")


def _list(client: Client, screen: Screen) -> None:
    found = client.definitions.list()
    screen.document(found)
    screen.table(
        [
            (
                f"{one.name}@{one.version}",
                ", ".join(kind.type for kind in one.inputs.values()),
                _made(one),
                "yes" if one.approved else "no",
                one.owner,
                one.title,
            )
            for one in found.items
        ],
        head=("definition", "takes", "makes", "approved", "owner", "title"),
    )
    if not found.items:
        screen.say("no definition; next: hutch definition add FILE")


def _show(client: Client, screen: Screen, word: str) -> None:
    try:
        name, version = split_label(word)
    except ValueError as error:
        raise UsageError(str(error)) from None
    found = client.definitions.get(name, version)
    screen.document(found)
    screen.table(_rows(found))
    parameters = list(_parameters(found.parameters))
    if parameters:
        screen.show()
        screen.table(
            parameters, head=("parameter", "type", "unit", "default", "what it is")
        )


def _rows(found: DefinitionOut) -> list[tuple[str, str]]:
    approved = "approved" if found.approved else "not approved"
    rows = [
        ("definition", f"{found.name}@{found.version}"),
        ("title", found.title or "-"),
        ("owner", found.owner),
        ("added", text.moment(found.created_at)),
        ("image", f"{found.image} ({approved})"),
        ("command", " ".join(found.argv)),
        ("mode", found.mode.value),
        *(("input", f"{name}: {kind.type}") for name, kind in found.inputs.items()),
        ("output", _made(found)),
        ("at most", _most(found.resources)),
        ("retries", f"{found.retries}, after failures of the system"),
    ]
    if found.retired_at is not None:
        rows.append(("retired", text.moment(found.retired_at)))
    return rows


def _made(one: DefinitionOut) -> str:
    return one.target.value if one.output is None else one.output.type


def _most(allowed: Resources) -> str:
    return (
        f"cpu {allowed.cpu:g}, memory {allowed.memory_mib:,} MiB, gpu {allowed.gpu}, "
        f"scratch {allowed.scratch_mib:,} MiB, walltime {allowed.walltime_s:,} s, "
        f"{text.count(allowed.files, 'file')}"
    )


def _parameters(schema: Any) -> list[tuple[str, ...]]:
    """List the parameters of a schema, as far as it describes them plainly."""
    described = schema.get("properties")
    if not isinstance(described, dict):
        return []
    return [
        (
            name,
            *(_cell(about, key) for key in ("type", "unit", "default")),
            _what(about),
        )
        for name, about in sorted(described.items())
        if isinstance(about, dict)
    ]


def _cell(about: dict[str, Any], key: str) -> str:
    value = about.get(key)
    if isinstance(value, list) and key == "type":
        return " or ".join(map(str, value))
    return "-" if value is None else text.plain(value)


def _what(about: dict[str, Any]) -> str:
    return str(about.get("description", "-"))
