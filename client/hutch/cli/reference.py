"""Writes ``docs/reference/cli.md`` from the parsers: ``python -m hutch.cli.reference``.

The help and the page have one source, so that they cannot disagree; a test compares
the page in the repository with what this prints.
"""

import sys
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Iterator
from inspect import cleandoc

from hutch.cli import parser
from hutch.cli.exits import EXITS, MEANING, Exit

HEAD = """\
# Command line

<!-- Written by `python -m hutch.cli.reference`; edit the parsers, not this page. -->

{description}

## For every command

{options}

With `--json` stdout holds exactly one JSON document, whose keys are those of the
wire types and reports named in the code; it is complete even if single files failed
(their `error` is a problem document). An error that stops a command is one problem
document on stderr, as the API gives it, and stdout stays empty. Only `push --watch`
prints a document in each line, as things happen. Paths, sizes and
times in it are not shortened.

{environment}

## Exit status

{endings}

### Problem codes and their exit status

{codes}
"""


def write() -> str:
    """Write the page."""
    top = parser.build()
    commands = parser.children(top)
    head = HEAD.format(
        description=parser.DESCRIPTION.strip(),
        options=_arguments(top, everywhere=True),
        environment=f"```text\n{parser.EPILOG.strip()}\n```",
        endings=_table(
            ("status", "meaning"),
            ((str(int(ending)), meaning) for ending, meaning in MEANING.items()),
        ),
        codes=_table(
            ("code", "status"),
            sorted(
                (f"`{error.code}`", f"{int(ending)} ({_words(ending)})")
                for error, ending in EXITS.items()
            ),
        ),
    )
    return "\n".join([head, *(_section(name, commands[name]) for name in commands)])


def _section(name: str, command: ArgumentParser) -> str:
    parts = [f"## hutch {name}", "", cleandoc(command.description or "")]
    for leaf in parser.leaves(command):
        if parser.children(leaf):
            continue
        if leaf is not command:
            parts += ["", f"### {leaf.prog}", "", leaf.description or ""]
        parts += ["", f"```text\n{_usage(leaf)}\n```", "", _arguments(leaf)]
    parts += ["", f"```text\n{(command.epilog or '').strip()}\n```", ""]
    return "\n".join(parts)


def _usage(leaf: ArgumentParser) -> str:
    if leaf.usage:
        return leaf.usage
    words = [leaf.prog]
    for action in _own(leaf):
        word = _word(action)
        words.append(word if action.required else f"[{word}]")
    return " ".join([*words, "[options]"])


def _word(action: Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return f"{value} …" if action.nargs == "+" else value
    return " ".join(filter(None, [action.option_strings[-1], value]))


def _value(action: Action) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper()


def _arguments(leaf: ArgumentParser, *, everywhere: bool = False) -> str:
    rows = [
        (f"`{_word(action)}`", str(action.help))
        for action in _own(leaf, everywhere=everywhere)
    ]
    return _table(("argument", "what it does"), rows) if rows else "No arguments."


def _own(leaf: ArgumentParser, *, everywhere: bool = False) -> Iterator[Action]:
    for action in parser.actions(leaf):
        is_everywhere = action.dest in {"json", "quiet", "server", "version"}
        if action.dest == "help" or isinstance(action.choices, dict):
            continue
        if is_everywhere is everywhere and action.help != SUPPRESS:
            yield action


def _table(
    head: tuple[str, str], rows: Iterator[tuple[str, str]] | list[tuple[str, str]]
) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    lines += [f"| {_cell(first)} | {_cell(second)} |" for first, second in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _words(ending: Exit) -> str:
    return ending.name.lower().replace("_", " ")


if __name__ == "__main__":
    sys.stdout.write(write())
