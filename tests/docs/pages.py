"""Code blocks of the documents, as the tests read them.

A fenced block of ``console`` holds commands after a prompt and what they print; one of
``sh`` or ``python`` is a script. ``<!-- not run: reason -->`` before a block leaves it
out. Other comments before a block are read by the page's own test.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
_FENCE: Final = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\s*$")
_REMARK: Final = re.compile(r"^<!-- (?P<text>.*) -->$")
_PROMPT: Final = re.compile(r"^(?P<who>[a-z]*)\$ (?P<command>.*)$")
_NOT_RUN: Final = "not run: "


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        remark: Text of the comment right before it; empty if there is none.
        line: Line of its fence in the page, from 1.
    """

    page: Path
    language: str
    text: str
    remark: str
    line: int

    @property
    def why_not(self) -> str:
        """Why it is not run; empty if it is."""
        marked = self.remark.startswith(_NOT_RUN)
        return self.remark.removeprefix(_NOT_RUN) if marked else ""

    @property
    def place(self) -> str:
        """Where a reader finds it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Step:
    """A command in a console block, and what it is said to print.

    Attributes:
        who: What stands before the dollar sign: whose terminal it is.
        shown: The lines after the command; ``…`` stands for anything.
    """

    who: str
    command: str
    shown: str
    block: Block


def blocks(page: Path) -> Iterator[Block]:
    """Read the fenced blocks of a page, in order."""
    opened: tuple[str, str, int] | None = None
    remark, body = "", list[str]()
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is not None:
            indent, language, begun = opened
            if fence:
                yield Block(page, language, "\n".join(body) + "\n", remark, begun)
                opened, remark, body = None, "", []
            else:
                body.append(line.removeprefix(indent))
        elif fence:
            opened = (fence["indent"], fence["language"], number)
        elif found := _REMARK.match(line.strip()):
            remark = found["text"]
        elif line.strip():
            remark = ""


def steps(block: Block) -> Iterator[Step]:
    """Read the commands of a console block."""
    who = command = None
    shown = list[str]()
    for line in block.text.splitlines():
        if command is not None and command.endswith("\\"):
            command += f"\n{line}"
        elif prompt := _PROMPT.match(line):
            if who is not None and command is not None:
                yield Step(who, command, "\n".join(shown), block)
            who, command, shown = prompt["who"], prompt["command"], []
        else:
            assert command is not None, f"{block.place} begins without a prompt"
            shown.append(line)
    assert who is not None, f"{block.place} has no command"
    assert command is not None
    yield Step(who, command, "\n".join(shown), block)


def shows(shown: str, printed: str) -> bool:
    """Compare what a page shows with what was printed.

    The number of blanks between words does not count: columns move with the lengths
    of names. ``…`` stands for anything in a line, alone for any number of lines.
    """
    pattern = ""
    for line in _plain(shown):
        if line == "…":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".+?".join(map(re.escape, line.split("…"))) + r"\n"
    return re.fullmatch(pattern, "".join(f"{x}\n" for x in _plain(printed))) is not None


def _plain(text: str) -> list[str]:
    lines = [" ".join(line.split()) for line in text.strip("\n").splitlines()]
    return [line for line in lines if line]
