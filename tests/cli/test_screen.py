"""What is printed, for whom, and where."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from hutch.cli import text
from hutch.cli.progress import Lines, listening, span
from hutch.cli.screen import Screen, UsageError
from hutch.errors import CloseRefusedError, InternalError, PathInvalidError
from hutch.models import Problem
from hutch.progress import Moved, Planned, Settled, ignore


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def screens(
    *, json: bool = False, quiet: bool = False
) -> tuple[Screen, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Screen(json=json, quiet=quiet, stdout=out, stderr=err), out, err


def speak(screen: Screen) -> None:
    screen.show("answer")
    screen.say("remark")
    screen.note("progress")
    screen.warn("warning")
    screen.document({"a": 1})


def test_a_person_gets_answer_and_remarks() -> None:
    screen, out, err = screens()
    speak(screen)
    assert out.getvalue() == "answer\nremark\n"
    assert err.getvalue() == "progress\nhutch: warning\n"


def test_quiet_leaves_the_answer_and_warnings() -> None:
    screen, out, err = screens(quiet=True)
    speak(screen)
    assert out.getvalue() == "answer\n"
    assert err.getvalue() == "hutch: warning\n"


def test_a_program_gets_one_document_and_nothing_else() -> None:
    screen, out, err = screens(json=True)
    speak(screen)
    assert json.loads(out.getvalue()) == {"a": 1}
    assert err.getvalue() == ""


def test_an_error_names_its_code_and_its_reasons() -> None:
    screen, _, err = screens()
    reasons = ["one", {"reason": "upload", "detail": "two"}]
    screen.fail(CloseRefusedError("It cannot be closed.", reasons=reasons))
    assert err.getvalue().splitlines() == [
        "hutch: It cannot be closed. [close-refused]",
        "  - one",
        "  - two",
    ]


def test_an_error_for_a_program_is_a_problem_document() -> None:
    screen, out, err = screens(json=True)
    screen.fail(UsageError("no", place="here"))
    assert out.getvalue() == ""
    assert json.loads(err.getvalue()) == {
        "type": "urn:hutch:problem:usage",
        "title": "The command line is not right.",
        "detail": "no",
        "place": "here",
    }


def test_a_failure_of_the_server_names_the_request_to_look_for() -> None:
    screen, _, err = screens()
    screen.fail(InternalError("It failed.", request_id="abc"))
    screen.fail(PathInvalidError("bad", request_id="def"))
    assert err.getvalue().splitlines() == [
        "hutch: It failed. [internal] (request abc)",
        "hutch: bad [path-invalid]",
    ]


def test_failed_files_are_problem_documents_inside_a_report() -> None:
    screen, out, _ = screens(json=True)
    screen.document((Problem("a b", PathInvalidError("bad", path="a b")),))
    (problem,) = json.loads(out.getvalue())
    assert problem["path"] == "a b"
    assert problem["error"]["type"] == "urn:hutch:problem:path-invalid"


def test_a_file_is_named_once_in_its_error() -> None:
    screen, _, err = screens()
    screen.fail_file("x.h5", PathInvalidError("is bad"))
    screen.fail_file("x.h5", PathInvalidError("x.h5 is bad"))
    assert (
        err.getvalue()
        == "hutch: x.h5: is bad [path-invalid]\nhutch: x.h5 is bad [path-invalid]\n"
    )


def test_a_defect_shows_no_traceback_unless_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HUTCH_DEBUG", raising=False)
    screen, _, err = screens()
    screen.defect(ZeroDivisionError("x"))
    assert "Traceback" not in err.getvalue()
    assert "ZeroDivisionError" in err.getvalue()
    monkeypatch.setenv("HUTCH_DEBUG", "1")
    screen, _, err = screens()
    screen.defect(ZeroDivisionError("x"))
    assert "ZeroDivisionError: x" in err.getvalue()


def test_a_terminal_does_not_obey_what_others_have_written() -> None:
    screen, out, err = screens()
    screen.show("\x1b[2Jname\x9b1mé\nline")
    screen.warn("\x07")
    assert out.getvalue() == "\\x1b[2Jname\\x9b1mé\nline\n"
    assert err.getvalue() == "hutch: \\x07\n"


def test_columns_are_aligned_by_what_is_seen() -> None:
    rows = [("日本", "1"), ("a\nb", "100")]
    assert list(text.table(rows, head=("name", "n"), right=frozenset({1}))) == [
        "name    n",
        "日本    1",
        "a\\nb  100",
    ]


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 * 1024**3, "3.0 GiB")],
)
def test_a_size_is_short(count: int, shown: str) -> None:
    assert text.size(count) == shown


def test_an_end_is_near_far_or_over() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    for span_, words in (
        (timedelta(minutes=5), "(in 5 min)"),
        (timedelta(hours=5), "(in 5 h)"),
        (timedelta(days=5), "(in 5 days)"),
        (timedelta(0), "(expired)"),
    ):
        assert text.until(now + span_, now=now).endswith(words)


def test_attributes_are_shown_as_they_are_set() -> None:
    attributes = {"b": {"c": 1, "d": {}}, "a": "x"}
    assert list(text.flat(attributes)) == [("a", "x"), ("b.c", "1"), ("b.d", "{}")]


def test_progress_is_a_plain_line_where_nobody_watches() -> None:
    screen, out, err = screens()
    lines = Lines(screen, "push", pause_s=0)
    lines(Planned(files=2, bytes=2048))
    lines(Moved("a", 1024))
    lines(Settled("a"))
    assert out.getvalue() == ""
    assert (
        err.getvalue()
        .splitlines()[-1]
        .startswith("push: 1 of 2 files, 1.0 KiB of 2.0 KiB, ")
    )


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with listening(Screen(stdout=io.StringIO(), stderr=terminal), "push") as tell:
        tell(Planned(files=1, bytes=4096))
        tell(Moved("a", 4096))
        tell(Settled("a"))
    assert "push" in terminal.getvalue()
    assert "1/1 files" in terminal.getvalue()


@pytest.mark.parametrize(("json", "quiet"), [(True, False), (False, True)])
def test_nobody_is_told_where_nobody_wants_it(json: bool, quiet: bool) -> None:  # noqa: FBT001 - parameters of the test
    with listening(Screen(stderr=Terminal(), json=json, quiet=quiet), "push") as tell:
        assert tell is ignore


def test_a_span_is_rough() -> None:
    assert [span(s) for s in (5.9, 125, 7300)] == ["5 s", "2 min", "2 h 1 min"]
