"""What a program leaves below /out: refused with a reason, or sent as it lies there."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hutch.contract.wire.runs import RunOut
from hutch.sync.pulling import clone
from tests.derivations.real.stage import SMALL, Ended, Person, Stage
from tests.e2e.stage import tree

pytestmark = pytest.mark.timeout(900)
REFUSED = {
    "link": r"'link' is a symbolic link",
    "link-up": r"'link' is a symbolic link",
    "hard-link": r"'a' is a hard link",
    "pipe": r"'pipe' is a pipe",
    "socket": r"'socket' is a socket",
    "backslash": r"U\+005C",
    "control": r"'a\\x1b\[2Jb' holds the character U\+001B",
    "bytes": r"not valid UTF-8",
    "marker": r"ends in __XLDIR__",
    "long": r"has 1003 bytes, 1 to 900 are allowed",
    "case": r"'a' differs from 'A' only in case",
    "unreadable": r"'a' cannot be read: Permission denied",
    "closed-directory": r"'d/a' cannot be read: Permission denied",
    "closed-output": r"\.hutch is no directory that can be read",
    "sparse-many": r"more than 16 MiB",
    "hidden-link": r"\.hutch is no directory",
    "hidden-file": r"\.hutch is no directory",
    "hidden-pipe": r"attributes\.json is no ordinary file",
    "hidden-locked": r"\.hutch cannot be removed: Permission denied",
    "attributes-directory": r"attributes\.json is no ordinary file",
    "attributes-link": r"attributes\.json cannot be read",
    "attributes-text": r"attributes\.json is not JSON",
    "attributes-deep": r"attributes\.json is not JSON",
    "attributes-nested": r"more than 8 levels deep",
    "attributes-large": r"more than 1048576 bytes",
    "attributes-nan": r"attributes\.json is not JSON",
    "attributes-surrogate": r"attributes\.json is not JSON",
    "many": r"more than 10000 files",
    "deep": r"more than 64 directories deep",
}
"""What is left, as the program calls it, and what people are told."""
WIDE = replace(SMALL, scratch_mib=256)
Left = Callable[[str], Ended]


@pytest.fixture(scope="module")
def left(stage: Stage, anna: Person, scan: UUID) -> Iterator[Left]:
    """Tell how a run ended that left something; all of them run at once."""
    runs: dict[str, RunOut] = {}
    for case in (*REFUSED, "sparse", "journal"):
        how: dict[str, Any] = {"resources": WIDE} if case == "many" else {}
        runs[case] = stage.start(anna, scan, "leave", case, **how)
    runs["ambush"] = stage.start(anna, scan, "ambush")
    runs["good"] = stage.start(anna, scan, "good")
    yield lambda case: stage.wait(anna, runs[case])
    assert stage.wait(anna, runs["good"]).end == ("succeeded", None)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_dataset_is_refused_with_its_reason(
    stage: Stage, left: Left, case: str
) -> None:
    ended = left(case)
    assert ended.end == ("failed", "output-rejected"), ended.run.detail
    with pytest.raises(AssertionError, match=REFUSED[case]):
        raise AssertionError(ended.run.detail)
    assert ended.log == b"left\n"
    assert [a.exit_code for a in ended.run.attempts] == [0], _told(ended)
    stage.require_no_output(ended.run.id)


def _told(ended: Ended) -> list[str]:
    return [one.detail for one in ended.run.attempts]


def test_a_file_is_not_larger_than_what_was_given(left: Left) -> None:
    ended = left("sparse")
    assert ended.end == ("failed", "error")
    assert b"File too large" in ended.log


def test_a_prepared_journal_changes_nothing(
    anna: Person, left: Left, tmp_path: Path
) -> None:
    assert files_of(anna, left("journal"), tmp_path) == {"a": b"the true content\n"}


def test_code_that_a_program_leaves_is_not_run(
    anna: Person, left: Left, tmp_path: Path
) -> None:
    found = files_of(anna, left("ambush"), tmp_path)
    assert "caught" not in found
    assert len(found) == 8


def files_of(person: Person, ended: Ended, directory: Path) -> dict[str, bytes]:
    """Fetch what a run has made."""
    assert ended.end == ("succeeded", None), ended.run.detail
    assert ended.run.dataset is not None
    made = person.client.datasets.get(ended.run.dataset)
    clone(person.client, made, directory / "made")
    return tree(directory / "made")
