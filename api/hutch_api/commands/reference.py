"""Writes the reference pages that come from the server's code.

``python -m hutch_api.commands.reference settings|commands|problems`` prints one;
``make docs`` writes them, ``make check`` compares.
"""

import inspect
import pkgutil
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Final

from hutch.contract.problems import URN, HutchError, descendants
from hutch_api import command_line as program
from hutch_api.commands.exits import MEANING
from hutch_api.http.problems import RETRY_AFTER, STATUS
from hutch_api.settings import Variable, variables

_NOTE: Final = (
    "<!-- Written by `make docs` from the code; edit the code, not this page. -->"
)


def settings() -> str:
    """Write the page of the settings."""
    lines = [
        "# Settings",
        "",
        _NOTE,
        "",
        (
            "The server reads its settings once, at the start, from the environment. A "
            "missing or bad value stops it; every fault is named at once. A secret "
            "may also come from a file: set the variable with `_FILE` behind it to "
            "the file's path. `hutch-api up` makes all of them itself."
        ),
        "",
        "| variable | meaning | default |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{v.name}`{' (or `_FILE`)' if v.secret else ''} | {v.meaning} "
        f"| {_default(v)} |"
        for v in variables()
    ]
    return "\n".join(lines)


def commands() -> str:
    """Write the page of ``hutch-api``."""
    lines = ["# hutch-api", "", _NOTE, "", "Run and look after a server of hutch.", ""]
    for name, parser in _leaves(program.make_parser()):
        lines += [f"## {name}", "", str(parser.description).strip(), ""]
        rows = list(_arguments(parser))
        if rows:
            lines += ["| argument | what it does |", "|---|---|", *rows, ""]
    lines += ["## Exit status", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code.value} | {meaning} |" for code, meaning in MEANING.items()]
    return "\n".join(lines)


def _of_the_library() -> list[type[HutchError]]:
    """List the errors with codes of their own; the command line's are on its page."""
    library = import_module("hutch")  # the page is of both, the server knows no client
    for module in pkgutil.walk_packages(library.__path__, "hutch."):
        if not module.name.startswith("hutch.cli"):
            import_module(module.name)
    every = (e for e in descendants() if not e.__module__.startswith("hutch.cli"))
    return [error for error in every if "code" in vars(error)]


def problems() -> str:
    """Write the page of the problem codes."""
    lines = [
        "# Problems",
        "",
        _NOTE,
        "",
        "Every failure of the API is a problem document (RFC 9457, "
        "`application/problem+json`). Its `type` is `" + URN + "` and one of the codes "
        "below; `title` is the same sentence every time, `detail` says what happened "
        "and what to do now, further members are facts for programs. Items of a batch "
        "carry the same documents. Codes may be added; none is renamed or reused.",
    ]
    for error in sorted(_of_the_library(), key=lambda e: e.code):
        status = STATUS.get(error)
        lines += ["", f"## {error.code}", "", f"**{error.title}**"]
        if status is not None:
            lines[-1] += f" Status {status.value}."
        if error in RETRY_AFTER:
            lines[-1] += f" `Retry-After: {RETRY_AFTER[error]}`."
        lines += ["", inspect.cleandoc(error.__doc__ or "")]
    return "\n".join(lines)


PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings": settings,
    "commands": commands,
    "problems": problems,
}


def _default(variable: Variable) -> str:
    if variable.default:
        return f"`{variable.default}`"
    if variable.fallback:
        return f"as `{variable.fallback}`"
    not_needed = variable.optional or variable.default == ""
    return "none" if not_needed else "must be set"


def _leaves(
    parser: ArgumentParser, above: str = "hutch-api"
) -> Iterator[tuple[str, ArgumentParser]]:
    for action in parser._actions:  # noqa: SLF001 -- argparse shows them nowhere else
        if isinstance(action, _SubParsersAction):
            for name, child in action.choices.items():
                yield from _leaves(child, f"{above} {name}")
            return
    yield above, parser


def _arguments(parser: ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001 -- as above
        if action.dest == "help":
            continue
        word = ", ".join(action.option_strings)
        if action.nargs != 0:
            choices = "|".join(map(str, action.choices or ()))
            metavar = action.metavar if isinstance(action.metavar, str) else None
            word = f"{word} {metavar or choices or action.dest.upper()}".strip()
        yield f"| `{word.replace('|', chr(92) + '|')}` | {action.help or ''} |"


if __name__ == "__main__":
    print(PAGES[sys.argv[1]]())
