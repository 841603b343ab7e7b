"""``hutch verify``: read files again and compare them with what is recorded.

For a working directory (the default) the files here are read. For a dataset they are
fetched from the store, nothing is written, and checksums that are right are recorded
as confirmed. With --lineage the records of the dataset and of all its ancestors are
fetched and hashed, and what the server's database says is compared with them.
"""

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

from hutch.cli import text
from hutch.cli.commands.push import add_jobs
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog, exit_of
from hutch.cli.progress import listening
from hutch.cli.reports import show_problems
from hutch.cli.screen import Screen
from hutch.client import Client
from hutch.contract.wire.datasets import DatasetOut
from hutch.errors import NoWorkdirError
from hutch.models import LineageCheck, VerifyReport
from hutch.sync.lineage import verify_lineage
from hutch.sync.verifying import verify_dataset, verify_workdir
from hutch.workdir.directory import Workdir

EPILOG = epilog(
    Exit.SOME_FAILED,
    Exit.STATE,
    Exit.MISMATCH,
    ok="everything is as recorded",
    some_failed="some files could not be read; run the same command again",
    mismatch="something is not as recorded; it is named",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    place: str | None
    lineage: bool
    jobs: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The answer for programs."""

    files: VerifyReport
    lineage: tuple[LineageCheck, ...] | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "place",
        metavar="DIR|DATASET",
        nargs="?",
        help="a working directory or a dataset (default: the directory around here)",
    )
    parser.add_argument(
        "--lineage", action="store_true", help="also check where it comes from"
    )
    add_jobs(parser)


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    workdir = _workdir(options.place, desk)
    if workdir is not None:
        with desk.bound(workdir) as client:
            return _verify(
                options, desk, client, client.datasets.get(workdir.dataset), workdir
            )
    with desk.dataset(options.place) as (client, dataset):
        return _verify(options, desk, client, dataset, None)


def _workdir(place: str | None, desk: Desk) -> Workdir | None:
    if place is None:
        return desk.workdir()
    if not Path(place).is_dir():
        return None
    try:
        return desk.workdir(Path(place))
    except NoWorkdirError:
        return None


def _verify(
    options: Options,
    desk: Desk,
    client: Client,
    dataset: DatasetOut,
    workdir: Workdir | None,
) -> Exit:
    screen = desk.screen
    with listening(screen, "verify") as tell:
        if workdir is None:
            report = verify_dataset(client, dataset, jobs=options.jobs, tell=tell)
        else:
            report = verify_workdir(workdir, client, jobs=options.jobs, tell=tell)
    checks = tuple(verify_lineage(client, dataset)) if options.lineage else None
    screen.document(Verified(files=report, lineage=checks))
    endings = {show_problems(screen, report.problems)}
    if Exit.CONFLICT in endings:
        endings = {Exit.MISMATCH}  # a local change: that is what was asked for
    read = f"read {text.count(report.files, 'file')}, {text.size(report.bytes)}"
    screen.say(f"{read}; {report.confirmed:,} newly confirmed")
    endings |= {_show_check(screen, check) for check in checks or ()}
    endings.discard(Exit.OK)
    if not endings:
        screen.say("everything is as recorded")
        return Exit.OK
    return max(endings)


def _show_check(screen: Screen, check: LineageCheck) -> Exit:
    name = f"{check.name or 'a dataset that you may not read'} ({check.dataset})"
    if check.errors:
        for error in check.errors:
            screen.fail_file(check.name or name, error)
        return max(exit_of(error) for error in check.errors)
    screen.say(f"{name}: {check.skipped or 'digest and seal are right'}")
    return Exit.OK
