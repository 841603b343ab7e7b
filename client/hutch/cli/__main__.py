"""Where ``hutch`` starts: understand the line, run the command, choose the exit."""

import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from hutch.cli import parser
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, exit_of
from hutch.cli.screen import Screen, StoppedError, UsageError
from hutch.contract.problems import HutchError
from hutch.errors import UnreadableFileError

GARBAGE: Final = 50_000
"""Objects after which cycles are looked for: each look reads all that is young."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``hutch`` with these arguments.

    Args:
        argv: Words after the program's name; None means those of the process.

    Returns:
        The exit status, as in ``hutch.cli.exits``.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # What is loaded stays until the end, and little of the rest refers in circles.
    gc.freeze()
    gc.set_threshold(GARBAGE)
    _open_what_is_closed()
    _set_encoding(json="--json" in words)
    with _interruptible():
        return int(_run(words))


def _run(words: Sequence[str]) -> Exit:
    # Before the line is understood, the words themselves say who is listening.
    screen = Screen(json="--json" in words, quiet=False)
    try:
        try:
            namespace = parser.build(parser.chosen(words)).parse_args(words)
            screen = Screen(json=namespace.json, quiet=namespace.quiet)
            desk = Desk(screen=screen, server=namespace.server)
            ending: Exit = namespace.command.run(parser.options_of(namespace), desk)
        except HutchError as error:
            ending = exit_of(error)
            screen.fail(error)
        except KeyboardInterrupt:
            ending = Exit.INTERRUPTED
            screen.fail(
                StoppedError("interrupted; run the same command again to go on")
            )
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - no traceback reaches a person
            refused = _explained(error)
            ending = exit_of(refused) if refused else Exit.FAILED
            if refused:
                screen.fail(refused)
            else:
                screen.defect(error)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has gone (``| head``). Python would complain once
        # more when it flushes at its end, so stdout now leads nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        ending = Exit.FAILED
    return ending


@contextmanager
def _interruptible() -> Iterator[None]:
    """Stop tidily at the first Ctrl-C, and at once at the second.

    The first waits for answers that may be minutes away; the journal bears the second
    as it bears a crash.
    """

    def leave(_signal: int, _frame: FrameType | None) -> None:
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # a bar hides the cursor
        os._exit(Exit.INTERRUPTED)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, leave)
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), b"\nstopping; Ctrl-C again stops at once\n")
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may, and is, interrupted
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _explained(error: Exception) -> HutchError | None:
    """Say what a word or a file that was named is not fit for; None: it is a defect."""
    if isinstance(error, UnicodeEncodeError):
        return _not_text(error)
    if isinstance(error, OSError) and error.filename is not None:
        shown = os.fsdecode(error.filename)[:200]
        reason = error.strerror or type(error).__name__
        return UnreadableFileError(f"{shown!r} cannot be used: {reason}.", path=shown)
    return None


def _not_text(error: UnicodeEncodeError) -> UsageError:
    """Say which word cannot travel: its bytes are no text, or this locale has none."""
    shown = error.object[:200].encode("ascii", "backslashreplace").decode()
    if error.encoding == "utf-8":
        return UsageError(f"'{shown}' is not valid UTF-8; write it in UTF-8")
    return UsageError(
        f"'{shown}' cannot be written in this locale ({error.encoding}); "
        "set LC_ALL=C.UTF-8"
    )


def _open_what_is_closed() -> None:
    """Let streams that the caller has closed (``>&-``) lead nowhere.

    Python has None for them, and the next file opened would get their number.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it is a stream of the process until its end
            setattr(sys, name, nowhere)


def _set_encoding(*, json: bool) -> None:
    """Make output that fails on no name: JSON is UTF-8, the rest may be escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                encoding="utf-8" if json else None, errors="backslashreplace"
            )


if __name__ == "__main__":
    sys.exit(main())
