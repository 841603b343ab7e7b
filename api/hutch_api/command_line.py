"""The commands of ``hutch-api``: which there are, and how they end."""

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Container, Mapping, Sequence
from importlib import import_module
from typing import Final

from sqlalchemy.exc import DBAPIError

from hutch.contract.problems import (
    DatabaseUnavailableError,
    HutchError,
    StoreUnavailableError,
)
from hutch_api.commands.exits import CommandError, Exit, epilog
from hutch_api.embedded.errors import DirectoryBusyError, EmbeddedError
from hutch_api.settings import SettingsError

COMMANDS: Final = {
    "up": "run everything for one person on this machine",
    "serve": "serve the API",
    "worker": "do what is due, again and again",
    "runner": "execute runs in containers",
    "migrate": "bring the database to this version",
    "doctor": "look at settings, database and store, and say what is missing",
    "store": "set up the object store",
    "sweep": "compare closed datasets with the store now",
    "rebuild": "make an empty database whole again from the buckets",
    "user": "add, list, disable and enable users",
    "openapi": "print the OpenAPI document",
}

_EXITS: Final[dict[type[Exception], Exit]] = {
    DirectoryBusyError: Exit.BUSY,
    EmbeddedError: Exit.FAILED,
    StoreUnavailableError: Exit.UNAVAILABLE,
    DatabaseUnavailableError: Exit.UNAVAILABLE,
    HutchError: Exit.FAILED,
}
"""The narrower class stands before the wider one."""


def make_parser(only: Container[str] = COMMANDS) -> ArgumentParser:
    """Declare the commands and their arguments.

    Args:
        only: Commands whose arguments are declared. Importing what the others need
            would take longer than most commands run.
    """
    parser = ArgumentParser(
        prog="hutch-api",
        description="Run and look after a server of hutch.",
        epilog=epilog(),
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        below = commands.add_parser(
            name,
            help=text,
            epilog=epilog(),
            formatter_class=RawDescriptionHelpFormatter,
        )
        if name in only:
            module = import_module(f"hutch_api.commands.{name}")
            below.description = module.__doc__
            module.configure(below)
            below.set_defaults(run=module.run)
    return parser


def main(
    arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ
) -> int:
    """Run one command; every failure that can be foreseen is one plain message.

    Args:
        arguments: The command line; None means this process's own.
        environ: Where the settings are.

    Returns:
        The exit code.
    """
    words = sys.argv[1:] if arguments is None else arguments
    options = make_parser(words[:1]).parse_args(words)
    try:
        return int(options.run(options, environ))
    except SettingsError as error:
        return _fail(Exit.SETTINGS, *error.faults)
    except tuple(_EXITS) as error:
        code = next(code for kind, code in _EXITS.items() if isinstance(error, kind))
        return _fail(code, str(error))
    except CommandError as error:
        return _fail(error.exit, str(error))
    except DBAPIError as error:
        # The driver's own words; SQLAlchemy's text would add statement and values.
        return _fail(Exit.UNAVAILABLE, f"the database cannot be used: {error.orig}")


def _fail(code: Exit, *lines: str) -> int:
    for line in lines:
        print(f"hutch-api: {line}", file=sys.stderr)
    return int(code)
