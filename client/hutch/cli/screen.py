"""What a command says, and where: answers, remarks, errors, JSON.

A command does not ask who is listening. It *shows* the answer that was asked for,
*says* what is nice to know, and gives the *document* that programs read; the screen
decides what of that is printed. stdout belongs to the answer, stderr to the rest.
"""

import getpass
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, TextIO

import msgspec

from hutch.cli import text
from hutch.contract.problems import (
    DatabaseUnavailableError,
    HutchError,
    InternalError,
    StoreError,
    to_problem,
)

MOST_REASONS: Final = 20
"""Most reasons that a person is shown; programs get all of them."""


class Screen:
    """Prints for people, or for programs.

    Attributes:
        json: One JSON document on stdout instead of text; an error is a problem
            document on stderr.
        quiet: No remarks and no progress, only answers and errors.
    """

    def __init__(
        self,
        *,
        json: bool = False,
        quiet: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.json, self.quiet = json, quiet
        self._stdout, self._given_stderr = stdout or sys.stdout, stderr

    @property
    def _stderr(self) -> TextIO:
        # Looked up each time: a bar on the terminal puts itself in between.
        return self._given_stderr or sys.stderr

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees what is written to stderr at once."""
        return self._stderr.isatty()

    def show(self, line: str = "") -> None:
        """Print a line of the answer."""
        if not self.json:
            print(text.clean(line), file=self._stdout)

    def stream(self, line: str) -> None:
        """Print a line of an answer that comes bit by bit, at once."""
        if not self.json:
            print(text.clean(line), file=self._stdout, flush=True)

    def say(self, line: str = "") -> None:
        """Print a remark: what was done, what to do next."""
        if not self.quiet:
            self.show(line)

    def table(
        self,
        rows: Iterable[Sequence[str]],
        *,
        head: Sequence[str] = (),
        right: frozenset[int] = frozenset(),
    ) -> None:
        """Print aligned columns as a part of the answer."""
        if not self.json:
            for line in text.table(rows, head=head, right=right):
                self.show(line)

    def document(self, value: Any) -> None:
        """Print the answer for programs: a wire type or what consists of them."""
        if self.json:
            print(_json(value), file=self._stdout)

    def made(self, name: object) -> None:
        """Print only what was made, such as its id, where remarks are unwanted."""
        if self.quiet:
            self.show(str(name))

    def warn(self, line: str) -> None:
        """Print what the person should know although the command goes on."""
        if not self.json:
            print(f"hutch: {text.clean(line)}", file=self._stderr)

    def note(self, line: str) -> None:
        """Print a line about the progress of the work.

        The work goes on when nobody reads it any more (``2>&1 | head``).
        """
        if not (self.json or self.quiet):
            with suppress(BrokenPipeError):
                print(text.clean(line), file=self._stderr, flush=True)

    def fail(self, error: HutchError) -> None:
        """Print why the command ends: what, which file, what to do now."""
        if self.json:
            print(_json(to_problem(error)), file=self._stderr)
            return
        request = error.facts.get("request_id")
        # Only where somebody has to look into the server's log.
        trace = f" (request {request})" if request and _is_theirs(error) else ""
        self.warn(f"{error.detail} [{error.code}]{trace}")
        reasons = _reasons(error)
        if len(reasons) > 1:  # a single one is in the detail already
            for reason in reasons[:MOST_REASONS]:
                print(f"  - {text.clean(reason)}", file=self._stderr)
            if len(reasons) > MOST_REASONS:
                left = len(reasons) - MOST_REASONS
                print(f"  … and {left} more; --json lists them", file=self._stderr)

    def fail_file(self, path: str, error: HutchError) -> None:
        """Print why one file failed, while the others go on."""
        detail = error.detail if path in error.detail else f"{path}: {error.detail}"
        self.warn(f"{detail} [{error.code}]")

    def defect(self, error: Exception) -> None:
        """Print that hutch itself is wrong here; the traceback only on demand."""
        if os.environ.get("HUTCH_DEBUG"):
            traceback.print_exception(error, file=self._stderr)
        name = type(error).__name__
        self.fail(
            DefectError(
                f"hutch met a defect of its own ({name}); nothing that was "
                "acknowledged is lost. Run the command again with HUTCH_DEBUG=1 and "
                "report what it prints",
                kind=name,
            )
        )

    def ask(self, question: str) -> str | None:
        """Ask the person at the terminal; None if there is none."""
        if not (sys.stdin.isatty() and self.is_terminal):
            return None
        print(text.clean(question), end="", file=self._stderr, flush=True)
        return sys.stdin.readline().rstrip("\n")

    def ask_secret(self, question: str) -> str | None:
        """Ask for a password without showing it; None if nobody is there."""
        if not sys.stdin.isatty():
            return None
        return getpass.getpass(text.clean(question), stream=self._stderr)


def _is_theirs(error: HutchError) -> bool:
    return isinstance(error, InternalError | StoreError | DatabaseUnavailableError)


def _reasons(error: HutchError) -> list[str]:
    given = error.facts.get("reasons")
    return [
        str(reason.get("detail", reason)) if isinstance(reason, dict) else str(reason)
        for reason in (given if isinstance(given, list | tuple) else ())
    ]


def _json(value: Any) -> str:
    return text.clean_json(msgspec.json.encode(value, enc_hook=_simpler).decode())


def _simpler(value: Any) -> Any:
    return to_problem(value) if isinstance(value, HutchError) else str(value)


class DefectError(HutchError):
    """Something that hutch did not foresee."""

    code, title = "defect", "The command failed; this is a defect of hutch."


class StoppedError(HutchError):
    """The person pressed Ctrl-C."""

    code, title = "interrupted", "The command was interrupted."


class UsageError(HutchError):
    """The command line cannot be understood, or a value in it is not right."""

    code, title = "usage", "The command line is not right."
