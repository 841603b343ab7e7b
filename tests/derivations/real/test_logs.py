"""What programs write: fit for a terminal, without secrets, and not without end."""

from collections.abc import Callable
from uuid import UUID

import pytest

from hutch_api.services.run_logs import MOST_BYTES
from tests.derivations.real.stage import Ended, Person, Stage

pytestmark = pytest.mark.timeout(900)
CLEAN = b"""\
colour red
title after title
clipboard after clipboard
unended|
next line is there
eight 31mbits
nested 31mred
backspace bell null device 1q
over\rwritten
token ***
divided ***
coloured ***
signed http://store/b/k?X-Amz-Credential=***&X-Amz-Signature=***
bytes \xff\xfe\xc3(
last line without an end"""
TOKEN = b"hutch_" + b"Aa1" * 15 + b"Z"
Said = Callable[[str], Ended]


@pytest.fixture(scope="module")
def said(stage: Stage, anna: Person, scan: UUID) -> Said:
    """Tell how a program ended that said something; all of them run at once."""
    kinds = ("tricks", "much", "nothing", "long-line")
    runs = {kind: stage.start(anna, scan, "talk", kind) for kind in kinds}
    return lambda kind: stage.wait(anna, runs[kind])


def test_a_log_holds_nothing_that_a_terminal_obeys_and_no_secret(said: Said) -> None:
    ended = said("tricks")
    assert ended.end == ("succeeded", None)
    assert ended.log == CLEAN.replace(b"|", b" ")


def test_a_log_has_an_end(stage: Stage, anna: Person, said: Said) -> None:
    ended = said("much")
    assert ended.end == ("succeeded", None)
    assert len(ended.run.attempts) == 1
    assert 0 < len(ended.log) <= MOST_BYTES
    assert anna.client.runs.log(ended.run.id).truncated


def test_what_is_not_kept_counts_too(stage: Stage, anna: Person, said: Said) -> None:
    ended = said("nothing")
    assert ended.end == ("succeeded", None)
    assert set(ended.log) == {ord("\n")}
    assert anna.client.runs.log(ended.run.id).truncated


def test_a_long_line_hides_no_secret(said: Said) -> None:
    ended = said("long-line")
    assert ended.end == ("succeeded", None)
    assert len(ended.log) > MOST_BYTES // 2
    assert TOKEN not in ended.log
    assert ended.log.count(b"***") > 1_000
