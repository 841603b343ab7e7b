"""Every command and every program that the documents show works as it is shown."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, Block, blocks, shows, steps
from tests.docs.terminal import BIN, Session
from tests.tools.real.peers import Aws, DebianAws, Mc, Rclone, S5cmd, Tool, require

PAGES = [
    "explanation/identity.md",
    "how-to/aws.md",
    "how-to/beamline.md",
    "how-to/boto3.md",
    "how-to/correct-closed-data.md",
    "how-to/derive-with-containers.md",
    "how-to/fsspec.md",
    "how-to/mc.md",
    "how-to/previews.md",
    "how-to/python.md",
    "how-to/rclone.md",
    "how-to/run-containers.md",
    "how-to/s5cmd.md",
    "how-to/share-with-a-group.md",
    "how-to/when-something-fails.md",
]
ELSEWHERE = {
    "tutorial/first-dataset.md",
    "how-to/run-a-server.md",
    "how-to/prove-and-rebuild.md",
}
"""Pages with a test of their own."""
RUN = {"console", "sh", "python"}
TOOLS_OF: Mapping[str, Sequence[type[Tool]]] = {
    "how-to/aws.md": (Aws, DebianAws),
    "how-to/mc.md": (Mc,),
    "how-to/rclone.md": (Rclone,),
    "how-to/s5cmd.md": (S5cmd,),
}


@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_the_page_works(name: str, reader: Session) -> None:
    give_tools(reader, TOOLS_OF.get(name, ()))
    for block in blocks(DOCS / name):
        if block.language in RUN and not block.why_not:
            follow(reader, block)


def give_tools(reader: Session, tools: Sequence[type[Tool]]) -> None:
    """Put tools of others on the path of everybody's shell."""
    beside = reader.home / ".tools"
    beside.mkdir()
    for tool in tools:
        require(tool.name, tool.program)
        if not tool.program.is_relative_to("/usr/bin"):  # shown as it lies there
            (beside / tool.program.name).symlink_to(tool.program)
    for terminal in reader.terminals.values():
        terminal.environ["PATH"] = f"{BIN}:{beside}:{terminal.environ['PATH']}"


def follow(reader: Session, block: Block) -> None:
    """Do what a block shows."""
    if block.language == "console":
        reader.follow(block)
    elif block.language == "python":
        reader.python(block)
    else:
        reader.script(block)


def all_pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))


def test_every_page_with_commands_is_run() -> None:
    generated = {"reference/cli.md", "reference/hutch-api.md"}
    shown = {
        str(page.relative_to(DOCS))
        for page in all_pages()
        if any(block.language in RUN for block in blocks(page))
    }
    assert shown - generated - ELSEWHERE == set(PAGES)


def test_every_block_says_its_language() -> None:
    bare = [b.place for page in all_pages() for b in blocks(page) if not b.language]
    decisions_and_trees = ("docs/reference/types.md", "docs/decisions/")
    assert [p for p in bare if not p.startswith(decisions_and_trees)] == []


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ("closed …", "closed ida/tooth\n", True),
        ("a  b", "a      b\n", True),
        ("…\nlast", "1\n2\nlast\n", True),
        ("…", "", True),
        ("", "", True),
        ("closed …", "closed\n", False),
        ("closed", "closed\nand more\n", False),
        ("closed", "open\n", False),
        ("", "something\n", False),
        ("1 file", "1 file", True),
        ("a.c", "abc\n", False),
    ],
)
def test_what_is_shown_is_compared(shown: str, printed: str, *, fits: bool) -> None:
    assert shows(shown, printed) is fits


def test_a_console_block_is_read_command_by_command(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = (
        "1. do\n\n    ```console\n    ida$ a \\\n      b\n    out\n    $ c\n    ```\n"
    )
    page.write_text(f"<!-- not run: why -->\n```sh\nrm\n```\n{text}")
    left_out, block = blocks(page)
    assert left_out.why_not == "why"
    assert block.why_not == ""
    found = [(s.who, s.command, s.shown) for s in steps(block)]
    assert found == [("ida", "a \\\n  b", "out"), ("", "c", "")]
