"""A tool in the middle of its work fails at the next request when its account ends."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from hutch.cli.exits import Exit
from tests.e2e.stage import Person, write
from tests.servers import wait_until
from tests.tools.real.conftest import Hutch, Seen
from tests.tools.real.peers import Aws, Mc, Tool

pytestmark = pytest.mark.slow

FILES = {f"f{number:02}": b"x" * 1_000 for number in range(40)}
FREE = 8
"""Requests about files that pass before the end."""
Record = Callable[[str, object], None]


def revoke(owner: Person, reader: Person) -> None:
    """End the account by name, as its owner."""
    del owner
    [account] = reader.json("s3", "list", dataset_of(reader))["items"]
    reader.hutch("s3", "revoke", account["id"])


def unshare(owner: Person, reader: Person) -> None:
    """Take the right away."""
    owner.hutch("unshare", "tooth", f"user:{reader.name}")


def log_out(_owner: Person, reader: Person) -> None:
    """End the token that the account came from."""
    reader.hutch("logout")


def close(owner: Person, _reader: Person) -> None:
    """Close the dataset, dropping what the tool has written."""
    owner.hutch("close", "tooth", "--drop", "--empty")


def dataset_of(person: Person) -> str:
    [dataset] = person.json("ls")["items"]
    return str(dataset["id"])


ENDINGS: Final[Mapping[str, Callable[[Person, Person], None]]] = {
    "revoke": revoke,
    "unshare": unshare,
    "log out": log_out,
    "close": close,
}
AFTER: Final = {
    "unshare": (Exit.NOT_FOUND, "not-found"),
    "log out": (Exit.NOT_LOGGED_IN, "not-logged-in"),
    "close": (Exit.STATE, "dataset-closed"),
}


@pytest.fixture
def shared(anna: Person, ben: Person) -> tuple[Person, Person]:
    """Anna's dataset, which Ben may write to."""
    anna.pushed("tooth", FILES)
    anna.hutch("share", "tooth", f"user:{ben.name}", "write")
    return anna, ben


def running(
    hutch: Hutch, tool: Tool, words: list[str], end: Callable[[], None]
) -> float:
    """Run a tool, end its account in the middle, and look at the rest of it.

    Returns:
        Seconds from the answer to whoever ended the account until the first refusal.
    """
    hutch.watch.hold_after(FREE)
    del hutch.watch.seen[:]
    with tool.start(words) as process:
        assert hutch.watch.is_middle.wait(60), "it ended before its middle"
        # Those that passed may still be on their way.
        wait_until(lambda: len(files_seen(hutch)) == FREE, what="the first answers")
        end()
        ended_at = time.monotonic()
        hutch.watch.go_on()
        ended = tool.ended(process)
    assert ended.status != 0, ended.said
    files = files_seen(hutch)
    before = [seen for seen in files if seen.begun < ended_at]
    after = [seen for seen in files if seen.begun >= ended_at]
    assert {seen.status for seen in before} <= {200, 206}
    assert len(before) == FREE
    assert {seen.status for seen in after} == {403}
    return min(seen.answered for seen in after) - ended_at


def files_seen(hutch: Hutch) -> list[Seen]:
    return [seen for seen in tuple(hutch.watch.seen) if seen.is_of_file]


def test_a_running_tool_fails_when_its_account_is_revoked(
    hutch: Hutch,
    shared: tuple[Person, Person],
    kind: type[Tool],
    tmp_path: Path,
    record_property: Record,
) -> None:
    owner, reader = shared
    tool = kind(reader, f"{owner.name}/tooth")
    down = tool.down(tool.url, tmp_path / "target")
    took = running(hutch, tool, down, lambda: revoke(owner, reader))
    record_property("seconds until the first refusal", round(took, 4))
    # The right is still there: asked again there are new keys, and it goes on.
    if kind is Mc:
        tool.prepare()
    tool.run(down)
    got = {p.name: p.read_bytes() for p in (tmp_path / "target").rglob("f*")}
    assert got == FILES


@pytest.mark.parametrize("how", AFTER)
@pytest.mark.parametrize("store_server", ["minio"], indirect=True)
def test_whatever_ends_the_account_ends_a_running_tool(
    hutch: Hutch,
    shared: tuple[Person, Person],
    how: str,
    tmp_path: Path,
    record_property: Record,
) -> None:
    owner, writer = shared
    name = f"{owner.name}/tooth"
    tool = Aws(writer, name, write=True)
    write(tmp_path / "source", FILES)
    up = tool.up(tmp_path / "source", tool.url + "new/")
    took = running(hutch, tool, up, lambda: ENDINGS[how](owner, writer))
    record_property("seconds until the first refusal", round(took, 4))
    # The next one is told why, by the tool itself.
    ending, code = AFTER[how]
    del hutch.watch.seen[:]
    assert f"[{code}]" in tool.refused(up)
    assert hutch.watch.seen == []  # the store was not even asked
    dataset = Path(tool.url).name
    words = ("s3", "credentials", dataset, "--write")
    writer.refused(ending, code, *words)
