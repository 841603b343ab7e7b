"""``hutch push``: send what changed in a working directory.

Only what changed is sent. A file that was deleted here stays in the dataset unless
--delete is given. A file that somebody else changed meanwhile is refused unless
--force is given. Interrupted, it goes on where it stopped when you run it again.

With --watch it stays and sends each file when it is finished, as during a measurement:
when its writer closes it, or where nobody tells (network file systems), when it has
stayed as it is for a while. It waits while the server, the store or the network is
away, and ends when the dataset is closed. With --json each event is a document in a
line of its own; the last one is the report.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

from hutch.cli import text
from hutch.cli.commands.status import add_checksum, add_directory
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.progress import listening
from hutch.cli.reports import show_problems
from hutch.cli.screen import UsageError
from hutch.cli.values import positive, seconds
from hutch.sync.pushing import push
from hutch.watch.settling import SETTLE_S

EPILOG = epilog(
    Exit.SOME_FAILED,
    Exit.STATE,
    Exit.CONFLICT,
    ok="everything that is here is in the dataset",
    state="the dataset is closed, or being closed or deleted",
    conflict="others changed or are pushing these files: pull, or --force",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    directory: Path | None
    delete: bool
    checksum: bool
    force: bool
    jobs: int | None
    watch: bool
    settle: float | None
    poll: bool
    until_idle: float | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_directory(parser)
    parser.add_argument(
        "--delete",
        action="store_true",
        help="also take out of the dataset what was deleted here",
    )
    add_checksum(parser)
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace what others changed meanwhile; take over their uploads if the "
        "dataset is yours",
    )
    add_jobs(parser)
    _add_watch(parser)


def add_jobs(parser: ArgumentParser) -> None:
    """Declare how much happens at a time."""
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="transfers at a time (default: as many as are found to be good)",
    )


def _add_watch(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--watch",
        action="store_true",
        help="go on, and send each file when it is finished, until Ctrl-C",
    )
    parser.add_argument(
        "--settle",
        type=seconds,
        metavar="SECONDS",
        help="with --watch: a file of which no close is seen must stay as it is for "
        f"so long (default: {SETTLE_S:g})",
    )
    parser.add_argument(
        "--poll",
        action="store_true",
        help="with --watch: look at all files again and again; chosen by itself on "
        "network file systems",
    )
    parser.add_argument(
        "--until-idle",
        type=seconds,
        metavar="SECONDS",
        help="with --watch: end when nothing new came for so long",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    _require_fitting(options)
    if options.watch:
        from hutch.cli.watching import run_watch  # noqa: PLC0415 - starts slower

        return run_watch(options, desk)
    workdir = desk.workdir(options.directory)
    screen = desk.screen
    with desk.bound(workdir) as client, listening(screen, "push") as tell:
        report = push(
            workdir,
            client,
            delete=options.delete,
            checksum=options.checksum,
            force=options.force,
            jobs=options.jobs,
            tell=tell,
        )
    screen.document(report)
    done = [f"sent {text.count(report.sent, 'file')}, {text.size(report.bytes)}"]
    if report.removed:
        done.append(f"removed {text.count(report.removed, 'file')}")
    done.append(f"{report.unchanged:,} unchanged")
    screen.say("; ".join(done))
    ending = show_problems(screen, report.problems)
    if report.kept:
        gone = text.count(len(report.kept), "file")
        screen.say(f"{gone} deleted here, kept in the dataset; --delete removes them")
    if ending is Exit.OK and (report.sent or report.removed):
        screen.say("next: hutch close, or change files and hutch push again")
    elif ending is Exit.SOME_FAILED:
        screen.say("next: hutch push, to send the rest")
    return ending


def _require_fitting(options: Options) -> None:
    """Refuse options that do not go together."""
    if options.watch and (options.delete or options.checksum):
        raise UsageError(
            "--watch only adds: push with --delete or --checksum when it has ended"
        )
    if not options.watch and (options.settle or options.poll or options.until_idle):
        raise UsageError("--settle, --poll and --until-idle go with --watch only")
