"""``hutch runs``: list your runs of definitions, the newest first."""

from argparse import ArgumentParser
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from hutch.cli import text
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.progress import span
from hutch.cli.running import short, state_of
from hutch.cli.values import positive
from hutch.contract.wire.runs import ENDED, RunOut, RunPage, RunState

EPILOG = epilog(ok="the list is printed; it may be empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    state: str | None
    definition: str | None
    limit: int | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--state",
        choices=[state.value for state in RunState],
        help="only those in this state",
    )
    parser.add_argument(
        "--definition", metavar="D", help="only those of this definition"
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="at most this many (default: all)"
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    with desk.client() as client:
        walk = client.runs.iterate(
            state=None if options.state is None else RunState(options.state),
            definition=options.definition,
        )
        found = tuple(islice(walk, options.limit))
    desk.screen.document(RunPage(items=found))
    desk.screen.table(
        [
            (
                short(one),
                one.definition,
                one.name,
                state_of(one),
                _done(one),
                text.moment(one.created_at),
                _took(one.started_at, one.ended_at),
            )
            for one in found
        ],
        head=("id", "definition", "makes", "state", "done", "created", "took"),
        right=frozenset({4}),
    )
    if not found:
        desk.screen.say("no run; next: hutch definition list, and hutch run DEFINITION")
    return Exit.OK


def _done(run: RunOut) -> str:
    if run.progress is None or run.state in ENDED:
        return "-"
    return f"{run.progress:.0%}"


def _took(began: datetime | None, ended: datetime | None) -> str:
    if began is None or ended is None:
        return "-"
    return span((ended - began).total_seconds())
