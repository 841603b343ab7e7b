"""The command line as argparse sees it: one parser for every command."""

from argparse import (
    SUPPRESS,
    Action,
    ArgumentParser,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib import import_module
from inspect import cleandoc
from types import ModuleType
from typing import Any, Final, NoReturn

from hutch.cli.screen import UsageError
from hutch.cli.text import sentence
from hutch.contract.version import VERSION

COMMANDS: Final = (
    "login",
    "logout",
    "whoami",
    "passwd",
    "init",
    "status",
    "push",
    "pull",
    "clone",
    "adopt",
    "close",
    "derive",
    "run",
    "runs",
    "rerun",
    "export",
    "preview",
    "ls",
    "info",
    "files",
    "set",
    "lineage",
    "log",
    "verify",
    "share",
    "unshare",
    "give",
    "rm",
    "group",
    "token",
    "s3",
    "definition",
    "image",
    "rule",
)
"""The modules of ``hutch.cli.commands``, in the order of the help."""

DESCRIPTION: Final = """\
Datasets of a beamline: pushed, closed for good, derived from, read straight from
the store.

DATASET is an id, the beginning of one, OWNER/NAME, or NAME for one of your own.
Inside a working directory it may be left out of most commands.
"""

EPILOG: Final = """\
environment:
  HUTCH_URL, HUTCH_TOKEN  server and token to use instead of those of 'hutch login'
  HUTCH_DEBUG=1           show the traceback of a defect
"""


class Parser(ArgumentParser):
    """A parser that raises its complaints, so that they look like all others."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"{message}. See '{self.prog} --help'")


def chosen(words: Sequence[str]) -> str | None:
    """Tell which command a line begins with; None if that needs the whole parser."""
    rest = iter(words)
    for word in rest:
        if word == "--server":
            next(rest, None)
        elif word in COMMANDS:
            return word
        elif word not in {"--json", "-q", "--quiet"}:
            return None
    return None


def build(only: str | None = None) -> Parser:
    """Make the parser of ``hutch``.

    Args:
        only: The one command that it is to know, since loading all takes longer than
            most commands; None means all.
    """
    parser = Parser(
        prog="hutch",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hutch {VERSION}")
    _add_global(parser, top=True)
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command_name", required=True
    )
    for name in COMMANDS if only is None else (only,):
        module = import_module(f"hutch.cli.commands.{name}")
        child = commands.add_parser(
            name,
            help=summary(module),
            description=description(module),
            epilog=module.EPILOG,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.configure(child)
        child.set_defaults(command=module)
        for leaf in leaves(child):
            _add_global(leaf, top=False)
    return parser


def options_of(namespace: Namespace) -> Any:
    """Make the options of the command that was chosen."""
    kind = namespace.command.Options
    return kind(**{f.name: getattr(namespace, f.name) for f in fields(kind)})


def leaves(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """Walk a parser and those of its own commands, such as ``group create``."""
    yield parser
    for child in children(parser).values():
        yield from leaves(child)


def children(parser: ArgumentParser) -> dict[str, ArgumentParser]:
    """List the commands of a parser by name."""
    return {
        name: child
        for action in actions(parser)
        if isinstance(action.choices, dict)
        for name, child in action.choices.items()
    }


def actions(parser: ArgumentParser) -> list[Action]:
    """List the arguments of a parser in the order of its help."""
    return parser._actions  # noqa: SLF001 - argparse has no public way to read them


def summary(module: ModuleType) -> str:
    """Take what a command does, in a line, from its module's docstring."""
    first = cleandoc(module.__doc__ or "").partition("\n")[0]
    return first.partition(": ")[2].removesuffix(".")


def description(module: ModuleType) -> str:
    """Take what a command does from its module's docstring."""
    _, _, rest = cleandoc(module.__doc__ or "").partition("\n")
    return f"{sentence(summary(module))}\n{rest.rstrip()}"


def _add_global(parser: ArgumentParser, *, top: bool) -> None:
    # Below the top nothing is the default, so that 'hutch --json ls' and
    # 'hutch ls --json' are the same.
    group = parser.add_argument_group("global options")
    group.add_argument(
        "--json",
        action="store_true",
        default=False if top else SUPPRESS,
        help="print one JSON document; an error is a problem document on stderr",
    )
    group.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        default=False if top else SUPPRESS,
        help="no remarks and no progress, only the answer and errors",
    )
    group.add_argument(
        "--server",
        metavar="URL",
        default=None if top else SUPPRESS,
        help="server to use, if not the working directory's or the last login's",
    )
