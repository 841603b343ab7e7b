"""Runs on the screen: how they are shown, waited for, and how that ends."""

import codecs
import io
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from hutch.cli import text
from hutch.cli.exits import Exit
from hutch.cli.reports import dataset_name, holds
from hutch.cli.screen import Screen, StoppedError
from hutch.client import Client
from hutch.contract.problems import HutchError
from hutch.contract.wire.definitions import Target
from hutch.contract.wire.runs import ENDED, AttemptOut, RunInputOut, RunOut, RunState

FAILED: Final = "the run failed or was cancelled; or a reason without its own number"
"""What 1 means where a run is waited for."""
INTERRUPTED: Final = "interrupted; a run that was begun goes on"
_STEPS: Final = 10
"""Steps of its progress that a run is shown to make."""


def add_waiting(parser: ArgumentParser) -> None:
    """Declare how long a command stays."""
    parser.add_argument(
        "--wait", action="store_true", help="wait until the run has ended"
    )


def short(run: RunOut) -> str:
    """Name a run as it can be typed again."""
    return str(run.id)[:8]


def state_of(run: RunOut) -> str:
    """Say how far a run is, and why it did not succeed."""
    why = run.reason is not None and run.reason.value != run.state.value
    return f"{run.state} ({run.reason})" if why else run.state.value


class Log:
    """Prints what a program wrote, line by line as it comes."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._attempt, self._rest = 1, ""
        self._decoder = _decoder()

    def __call__(self, attempt: int, data: bytes) -> None:
        """Take a piece of what an attempt wrote."""
        if attempt != self._attempt:
            self.close()
            self._attempt, self._decoder = attempt, _decoder()
            self._screen.note(f"attempt {attempt}")
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        for line in lines:
            self._screen.stream(line.expandtabs())

    def close(self) -> None:
        """Print a last line that has no end."""
        rest, self._rest = self._rest + self._decoder.decode(b"", final=True), ""
        if rest:
            self._screen.stream(rest.expandtabs())


class Steps:
    """Tells in plain lines how far a run is."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._told: tuple[Any, ...] = ()

    def __call__(self, run: RunOut) -> None:
        """Print a line if there is something new to say."""
        progress = -1 if run.progress is None else int(run.progress * _STEPS)
        now = (run.state, len(run.attempts), run.message, progress)
        if now != self._told and run.state not in ENDED:
            self._screen.note(f"{run.name}: {_now(run)}")
        self._told = now


def await_run(
    screen: Screen, client: Client, run: RunOut, *, follow: bool = False
) -> RunOut:
    """Wait until a run has ended.

    Args:
        screen: Is told how far it is.
        client: Logged in to the run's server.
        run: The run.
        follow: Print what its program writes, too.

    Raises:
        StoppedError: If the person does not want to wait any more.
    """
    watch = Steps(screen)
    with _going_on(screen, run):
        if not follow:
            return client.runs.wait(run.id, watch=watch)
        with closing(Log(screen)) as log:
            return client.runs.follow(run.id, log, watch=watch)


def show_end(screen: Screen, client: Client, run: RunOut) -> Exit:
    """Say how a run ended, and choose the command's ending."""
    if run.state is RunState.SUCCEEDED and run.dataset is not None:
        if not (screen.json or screen.quiet):
            made = client.datasets.get(run.dataset)
            screen.say(f"made {dataset_name(made)} ({made.id}): {holds(made)}")
            screen.say(f"digest {made.digest}")
        screen.made(run.dataset)
        return Exit.OK
    if run.state is RunState.SUCCEEDED:
        screen.say(f"made previews; next: hutch preview {run.inputs[0].dataset}")
        screen.made(run.id)
        return Exit.OK
    why = f": {run.detail.rstrip('.')}" if run.detail else ""
    reason = f" [{run.reason}]" if run.reason else ""
    screen.warn(f"the run {short(run)} for {run.name} {run.state}{why}{reason}")
    screen.say(f"next: hutch run logs {short(run)}, or hutch run show {short(run)}")
    return Exit.FAILED


def _made(run: RunOut) -> str:
    if run.target is Target.PREVIEWS:
        return f"previews; it is found as {run.name}"
    return run.name


def describe_run(screen: Screen, run: RunOut) -> None:
    """Print everything that is known of a run."""
    rows = [
        ("run", str(run.id)),
        ("definition", run.definition),
        ("image", run.image),
        ("owner", run.owner),
        ("makes", _made(run)),
        ("state", state_of(run)),
        ("created", text.moment(run.created_at)),
    ]
    if run.rule is not None:
        rows.append(("by rule", run.rule))
    if run.started_at is not None:
        rows.append(("started", text.moment(run.started_at)))
    if run.ended_at is not None:
        rows.append(("ended", text.moment(run.ended_at)))
    if run.state not in ENDED and (run.progress is not None or run.message):
        rows.append(("now", _now(run)))
    if run.detail:
        rows.append(("why", run.detail))
    if run.dataset is not None:
        rows.append(("dataset", str(run.dataset)))
    rows += [("input", _input(given)) for given in run.inputs]
    rows += [("parameter", f"{k}={v}") for k, v in text.flat(run.parameters)]
    screen.table(rows)
    if run.attempts:
        screen.show()
        screen.table(
            [_attempt(attempt) for attempt in run.attempts],
            head=("attempt", "runner", "node", "started", "ended", "exit", "why"),
        )


@contextmanager
def _going_on(screen: Screen, run: RunOut) -> Iterator[None]:
    """Say that a run goes on where nobody waits for it any more."""
    if run.state in ENDED:
        yield
        return
    left = (
        f"the run {short(run)} goes on; 'hutch run logs {short(run)} --follow' shows "
        f"it, 'hutch run cancel {short(run)}' ends it"
    )
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(f"interrupted; {left}", run=str(run.id)) from None
    except HutchError as error:
        error.facts.setdefault("run", str(run.id))
        screen.warn(left)
        raise


def _now(run: RunOut) -> str:
    words = run.state.value
    if len(run.attempts) > 1:
        words += f", attempt {len(run.attempts)}"
    if run.progress is not None:
        words += f", {run.progress:.0%}"
    return f"{words}: {run.message}" if run.message else words


def _input(given: RunInputOut) -> str:
    if given.dataset is None:
        return f"{given.name} = what the run {given.run} makes"
    return f"{given.name} = {given.dataset}"


def _attempt(attempt: AttemptOut) -> tuple[str, ...]:
    why = f"{attempt.reason}: {attempt.detail}" if attempt.reason else attempt.detail
    return (
        str(attempt.number),
        attempt.runner,
        attempt.node or "-",
        text.moment(attempt.started_at),
        text.moment(attempt.ended_at),
        "-" if attempt.exit_code is None else str(attempt.exit_code),
        why or "-",
    )


def _decoder() -> io.IncrementalNewlineDecoder:
    """Make what reads text that may be cut anywhere, with anybody's line ends."""
    return io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder("utf-8")("replace"), translate=True
    )
