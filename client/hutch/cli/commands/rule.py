"""``hutch rule``: run a definition whenever a dataset closes.

A rule acts as you, on the datasets that you may read, and once for each that closes
from now on. What it makes is yours.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hutch.cli import text, values
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.screen import UsageError
from hutch.client import Client
from hutch.contract.wire.rules import RuleIn, RuleOut
from hutch.errors import NotFoundError

EPILOG = epilog(
    Exit.CONFLICT,
    ok="it is done",
    conflict="you have a rule of this name already",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    action: str
    name: str | None
    type: str
    definition: str
    matching: list[tuple[tuple[str, ...], Any]]
    input: str | None
    parameters: list[tuple[tuple[str, ...], Any]]
    from_attributes: list[str]
    output_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The answer for programs where a rule was ended."""

    id: UUID
    ended: bool = True


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.set_defaults(
        name=None,
        type="",
        definition="",
        matching=[],
        input=None,
        parameters=[],
        from_attributes=[],
        output_name=None,
    )
    actions = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="action", required=True
    )
    added = {
        name: actions.add_parser(name, help=what, description=text.sentence(what))
        for name, what in (
            ("add", "make a rule"),
            ("list", "list your rules"),
            ("end", "end a rule; runs that it has begun go on"),
        )
    }
    _configure_add(added["add"])
    added["end"].add_argument("name", metavar="NAME", help="its name or its id")


def _configure_add(add: ArgumentParser) -> None:
    add.add_argument("name", metavar="NAME", help="what it is called in lists")
    add.add_argument(
        "--type",
        required=True,
        metavar="T",
        help="datasets of this type, or of one that inherits from it",
    )
    add.add_argument(
        "--run",
        dest="definition",
        required=True,
        metavar="DEFINITION",
        help="what to run; the version that is the newest now",
    )
    add.add_argument(
        "--where",
        dest="matching",
        action="append",
        default=[],
        type=values.assignment,
        metavar="KEY=VALUE",
        help="only if this attribute has this value; may be given again",
    )
    add.add_argument(
        "--input",
        metavar="NAME",
        help="the input that the dataset becomes, if there are several",
    )
    add.add_argument(
        "-p",
        "--parameter",
        dest="parameters",
        action="append",
        default=[],
        type=values.assignment,
        metavar="KEY=VALUE",
        help="a parameter that is always the same; may be given again",
    )
    add.add_argument(
        "--from",
        dest="from_attributes",
        action="append",
        default=[],
        metavar="KEY=ATTRIBUTE",
        help="a parameter that is an attribute of the dataset; may be given again",
    )
    add.add_argument(
        "--name",
        dest="output_name",
        metavar="TEMPLATE",
        help="name of what is made; {name} stands for that of the dataset that closed "
        "(default: {name}-DEFINITION)",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    if options.action == "add":
        wanted = _wanted(options)
        with desk.client() as client:
            made = client.rules.add(wanted)
        desk.screen.document(made)
        desk.screen.made(made.id)
        desk.screen.say(
            f"from now on {made.definition} runs on each {made.type} that closes"
        )
        return Exit.OK
    with desk.client() as client:
        if options.name is None:
            _list(client, desk)
        else:
            chosen = _choose(client.rules.list().items, options.name)
            client.rules.end(chosen.id)
            desk.screen.document(Ended(id=chosen.id))
            desk.screen.say(f"ended {chosen.name}; runs that it has begun go on")
    return Exit.OK


def _wanted(options: Options) -> RuleIn:
    pairs = [one.partition("=") for one in options.from_attributes]
    for name, equals, attribute in pairs:
        if not (name and equals and attribute):
            raise UsageError(f"--from {name}: write KEY=ATTRIBUTE")
    try:
        return RuleIn(
            name=options.name or "",
            type=options.type,
            definition=options.definition,
            matching=values.nested(options.matching),
            input=options.input,
            parameters=values.nested(options.parameters),
            from_attributes={name: attribute for name, _, attribute in pairs},
            output_name=options.output_name,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def _list(client: Client, desk: Desk) -> None:
    found = client.rules.list()
    desk.screen.document(found)
    desk.screen.table(
        [
            (
                str(rule.id)[:8],
                rule.name,
                rule.type,
                rule.definition,
                rule.output_name or "previews",
                str(rule.fired),
            )
            for rule in found.items
        ],
        head=("id", "name", "type", "runs", "makes", "times"),
    )


def _choose(known: tuple[RuleOut, ...], word: str) -> RuleOut:
    for rule in known:
        if word in {rule.name, str(rule.id)}:
            return rule
    raise NotFoundError(f"you have no rule {word!r}; see 'hutch rule list'")
