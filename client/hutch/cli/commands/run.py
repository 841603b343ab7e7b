"""``hutch run``: run a definition on datasets, or look after a run.

DEFINITION is a name, or NAME@VERSION; without a version the newest is run. INPUT is
what the definition calls an input, DATASET a closed dataset; INPUT=run:RUN takes what
another run makes, which may still be under way. A value of -p is JSON if it can be
read as JSON, and text otherwise; what is not given is the definition's default.

A run goes on by itself, with your rights, until its program ends; what it makes is a
closed dataset of the name N. What begins with hutch- came with hutch: it makes previews
and takes no name; 'hutch preview' is the shorter way. RUN is an id, the beginning of
one, or the name of the dataset that it makes, where the newest run for it is meant.
"""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hutch.cli import values
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.running import (
    FAILED,
    INTERRUPTED,
    Log,
    add_waiting,
    await_run,
    describe_run,
    short,
    show_end,
    state_of,
)
from hutch.cli.screen import Screen, UsageError
from hutch.client import Client
from hutch.contract.wire.definitions import RESERVED, SYSTEM, Target
from hutch.contract.wire.runs import ENDED, RunOut

EPILOG = epilog(
    Exit.STATE,
    Exit.CONFLICT,
    ok="the run is begun; with --wait or --follow: it has succeeded",
    failed=FAILED,
    state="an input is not closed, the image is not approved, or the run has ended",
    conflict="you have a dataset, or a run that makes one, of this name already",
    interrupted=INTERRUPTED,
)

USAGE: Final = """\
hutch run DEFINITION[@VERSION] INPUT=DATASET ... --name N [-p K=V ...] [options]
       hutch run show RUN [options]
       hutch run logs RUN [--follow] [--attempt N] [options]
       hutch run cancel RUN [options]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    words: list[str]
    parameters: list[tuple[tuple[str, ...], Any]]
    name: str | None
    wait: bool
    follow: bool
    attempt: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The answer of ``logs`` for programs.

    Attributes:
        attempt: Which one wrote it; None if none has begun, or all that there were.
        complete: There will be no more.
        truncated: The program wrote more than is kept.
    """

    run: RunOut
    attempt: int | None
    text: str
    complete: bool
    truncated: bool


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = USAGE
    parser.add_argument(
        "words",
        metavar="DEFINITION INPUT=DATASET …|show RUN|logs RUN|cancel RUN",
        nargs="*",
        help="what to run on what; or a run, and what to do with it",
    )
    parser.add_argument(
        "-p",
        "--parameter",
        dest="parameters",
        action="append",
        default=[],
        type=values.assignment,
        metavar="K=V",
        help="a parameter; may be given again",
    )
    parser.add_argument("--name", metavar="N", help="name of the dataset that is made")
    add_waiting(parser)
    parser.add_argument(
        "--follow",
        action="store_true",
        help="print what the program writes as it comes, until the run has ended",
    )
    parser.add_argument(
        "--attempt",
        type=values.positive,
        metavar="N",
        help="with 'logs': of this attempt (default: the last one)",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    if not options.words:
        raise UsageError("name a definition. 'hutch definition list' shows them")
    first, *rest = options.words
    _require_fitting(options, first)
    if first not in RESERVED:
        return _start(options, desk, first, _inputs(rest))
    if len(rest) != 1:
        raise UsageError(f"'hutch run {first}' takes one RUN. 'hutch runs' lists them")
    with desk.client() as client:
        found = client.find_run(rest[0])
        if first == "logs":
            _logs(options, desk.screen, client, found)
        elif first == "show":
            desk.screen.document(found)
            describe_run(desk.screen, found)
        else:
            _cancel(desk.screen, client, found)
    return Exit.OK


def start(
    client: Client,
    definition: str,
    *,
    name: str | None,
    inputs: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> RunOut:
    """Begin a run as somebody typed it.

    Raises:
        UsageError: If a name or the version is none.
    """
    try:
        return client.run(definition, name=name, inputs=inputs, parameters=parameters)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _start(
    options: Options, desk: Desk, definition: str, inputs: dict[str, str]
) -> Exit:
    screen = desk.screen
    try:
        parameters = values.without_removals(values.nested(options.parameters))
    except ArgumentTypeError as error:
        raise UsageError(str(error)) from None
    with desk.client() as client:
        begun = start(
            client,
            definition,
            name=options.name,
            inputs=inputs,
            parameters=parameters,
        )
        if not (options.wait or options.follow):
            screen.document(begun)
            screen.made(begun.id)
            tell_begun(screen, begun)
            return Exit.OK
        note_begun(screen, begun)
        ended = await_run(screen, client, begun, follow=options.follow)
        screen.document(ended)
        return show_end(screen, client, ended)


def tell_begun(screen: Screen, begun: RunOut) -> None:
    """Say what was begun, and how to look after it."""
    made = "previews" if begun.target is Target.PREVIEWS else begun.name
    screen.say(
        f"began the run {short(begun)} of {begun.definition}, which makes {made}"
    )
    screen.say(f"next: hutch run logs {short(begun)} --follow, or hutch runs")


def note_begun(screen: Screen, begun: RunOut) -> None:
    """Say what was begun where it is waited for."""
    screen.note(f"began the run {short(begun)} of {begun.definition}")


def _logs(options: Options, screen: Screen, client: Client, found: RunOut) -> None:
    if options.follow:
        _follow(screen, client, found)
        return
    number = options.attempt or (found.attempts[-1].number if found.attempts else None)
    state = client.runs.log(found.id, attempt=number)
    log, whole = Log(screen), bytearray()
    if number is not None:
        for data in client.runs.read_log(found.id, attempt=number):
            log(number, data)
            whole += data if screen.json else b""
    log.close()
    screen.document(
        Written(
            run=found,
            attempt=number,
            text=whole.decode("utf-8", "replace"),
            complete=_is_over(found, number),
            truncated=state.truncated,
        )
    )
    if number is None:
        screen.note(f"nothing yet: the run for {found.name} is {state_of(found)}")
    if state.truncated:
        screen.warn("the program wrote more than is kept; the rest of it is lost")


def _follow(screen: Screen, client: Client, found: RunOut) -> None:
    whole = bytearray()
    if screen.json:
        ended = client.runs.follow(found.id, lambda _attempt, data: whole.extend(data))
    else:
        ended = await_run(screen, client, found, follow=True)
    state = client.runs.log(ended.id) if ended.attempts else None
    truncated = state is not None and state.truncated
    screen.document(
        Written(
            run=ended,
            attempt=None,
            text=whole.decode("utf-8", "replace"),
            complete=True,
            truncated=truncated,
        )
    )
    if truncated:
        screen.warn("the program wrote more than is kept; the rest of it is lost")
    screen.note(f"the run for {ended.name} has ended: {state_of(ended)}")


def _is_over(found: RunOut, number: int | None) -> bool:
    """Tell whether an attempt writes nothing any more."""
    return found.state in ENDED or any(
        attempt.number == number and attempt.ended_at is not None
        for attempt in found.attempts
    )


def _cancel(screen: Screen, client: Client, found: RunOut) -> None:
    left = client.runs.cancel(found.id)
    screen.document(left)
    if left.state in ENDED:
        screen.say(f"cancelled the run {short(left)} for {left.name}")
    else:
        screen.say(
            f"the run {short(left)} for {left.name} is being cancelled; its program "
            "ends within seconds"
        )


def _inputs(words: list[str]) -> dict[str, str]:
    """Read ``INPUT=DATASET …``."""
    inputs: dict[str, str] = {}
    for word in words:
        name, equals, dataset = word.partition("=")
        if not (equals and name and dataset):
            raise UsageError(
                f"{word[:200]!r}: write INPUT=DATASET, such as scan=anna/tooth"
            )
        if name in inputs:
            raise UsageError(f"the input {name[:200]!r} was given already")
        inputs[name] = dataset
    return inputs


def _require_fitting(options: Options, first: str) -> None:
    """Refuse options that do not go together."""
    begins = first not in RESERVED
    if begins and options.name is None and not first.startswith(SYSTEM):
        raise UsageError("give --name: what the dataset that is made shall be called")
    if not begins and (options.name or options.parameters or options.wait):
        raise UsageError(f"--name, -p and --wait do not go with 'hutch run {first}'")
    if options.follow and first in {"show", "cancel"}:
        raise UsageError(f"--follow does not go with 'hutch run {first}'")
    if options.attempt is not None and (first != "logs" or options.follow):
        raise UsageError("--attempt goes with 'hutch run logs' only, without --follow")
