"""``hutch export``: write a closed dataset in a form that others read without hutch.

An RO-Crate is a directory with the files and ro-crate-metadata.json, which describes
them. That of a dataset which a run made follows the Process Run Crate profile: it tells
which program ran in which image, on which inputs, with which parameters. Interrupted,
an export goes on where it stopped when you run it again.
"""

from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hutch.cli import text
from hutch.cli.commands.push import add_jobs
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.progress import listening
from hutch.cli.reports import dataset_name, holds, show_problems
from hutch.cli.screen import Screen
from hutch.export.crate import CrateReport, export_crate

EPILOG = epilog(
    Exit.SOME_FAILED,
    Exit.STATE,
    Exit.CONFLICT,
    Exit.MISMATCH,
    ok="the dataset is there, described; its files are verified",
    state="the dataset is not closed, or was deleted",
    conflict="a file is in the way: one of yours, or one of the dataset",
    mismatch="the manifest or a file is not what is recorded",
)
RO_CRATE: Final = "ro-crate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str
    directory: Path | None
    format: str
    metadata_only: bool
    license: str | None
    jobs: int | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", metavar="DATASET", help="what to write")
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        type=Path,
        help="where to put it (default: its name)",
    )
    parser.add_argument(
        "--format",
        choices=[RO_CRATE],
        default=RO_CRATE,
        help=f"the form (default: {RO_CRATE})",
    )
    parser.add_argument(
        "--metadata-only",
        action="store_true",
        help="fetch no files; tell where they can be asked for",
    )
    parser.add_argument(
        "--license",
        type=_url,
        metavar="URL",
        help="licence of the data (default: say that none was stated)",
    )
    add_jobs(parser)


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    screen = desk.screen
    with desk.dataset(options.dataset) as (client, dataset):
        screen.say(f"{dataset_name(dataset)} ({dataset.state}): {holds(dataset)}")
        with listening(screen, "export") as tell:
            report = export_crate(
                client,
                dataset,
                options.directory or Path(dataset.name),
                licence_url=options.license,
                metadata_only=options.metadata_only,
                jobs=options.jobs,
                tell=tell,
            )
    screen.document(report)
    if report.metadata is None:
        return _show_missing(screen, report)
    screen.made(report.directory)
    form = "an RO-Crate" if report.profile is None else "a Process Run Crate"
    screen.say(f"{report.metadata} makes it {form}")
    if options.license is None:
        screen.say("it says that no licence was stated; --license URL states one")
    return Exit.OK


def _show_missing(screen: Screen, report: CrateReport) -> Exit:
    problems = () if report.fetched is None else report.fetched.problems
    ending = show_problems(screen, problems)
    screen.say(f"{text.count(len(problems), 'file')} missing: it is no RO-Crate yet")
    if ending is Exit.SOME_FAILED:
        screen.say("next: the same command again, to fetch the rest")
    return ending


def _url(word: str) -> str:
    """Read an address on the web.

    Raises:
        ArgumentTypeError: If it is none.
    """
    try:
        parts = urlsplit(word)
    except ValueError:
        parts = urlsplit("")
    good = parts.scheme in {"http", "https"} and parts.netloc
    if not good or not word.isascii() or not word.isprintable() or " " in word:
        raise ArgumentTypeError(
            f"{word!r}: write an address such as "
            "https://creativecommons.org/licenses/by/4.0/"
        )
    return word
