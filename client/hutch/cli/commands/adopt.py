"""``hutch adopt``: take in what other tools wrote, overwrote or deleted in the store.

S3 tools work past hutch (see 'hutch s3'). Until it is adopted, what they did is not
part of the dataset, and keeps it from being closed. The server reads every file once,
to know its checksum. Names that no file may have are listed and left alone. With
--drop it is undone instead: the dataset's own files are the newest again.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from hutch.cli import text
from hutch.cli.commands.clone import add_include
from hutch.cli.commands.close import add_dataset
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.progress import watching
from hutch.cli.reports import dataset_name, show_problems, show_strays
from hutch.cli.screen import Screen
from hutch.client import Client
from hutch.contract.problems import from_problem
from hutch.contract.wire.datasets import AdoptedOut, DatasetOut, OperationOut
from hutch.contract.wire.tools import AdoptIn, StrayOut
from hutch.contract.wire.transfer import MAX_BATCH
from hutch.models import Problem
from hutch.workdir.patterns import chooser

EPILOG = epilog(
    Exit.SOME_FAILED,
    Exit.STATE,
    Exit.CONFLICT,
    ok="all of it is part of the dataset now, or is undone",
    some_failed="some of it was left alone; the reasons are listed",
    state="the dataset is not open",
    conflict="nothing but names that clash is left, or others adopt already",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str | None
    include: list[str]
    drop: bool
    dry_run: bool


@dataclass(slots=True, kw_only=True)
class Adopted:
    """The answer for programs."""

    adopted: int = 0
    removed: int = 0
    dropped: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, done: AdoptedOut) -> None:
        """Count what one operation did."""
        self.adopted += done.adopted
        self.removed += done.removed
        self.dropped += done.dropped
        for problem in done.problems:
            error = from_problem(problem)
            self.problems.append(Problem(str(error.facts.get("path", "?")), error))


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset(parser)
    add_include(parser)
    parser.add_argument(
        "--drop", action="store_true", help="remove it instead of taking it in"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only list what there is"
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    screen = desk.screen
    with desk.dataset(options.dataset) as (client, dataset):
        if options.dry_run:
            chosen = tuple(_chosen(client, dataset, options))
            screen.document(chosen)
            show_strays(screen, chosen)
            return Exit.OK
        done = Adopted()
        with watching(screen, "adopt") as watch:
            for operation in _operations(client, dataset, options):
                ended = client.datasets.wait(operation, watch=watch)
                done.add(ended.result or AdoptedOut())
    screen.document(done)
    _tell(screen, dataset, done)
    return show_problems(screen, done.problems)


def _operations(
    client: Client, dataset: DatasetOut, options: Options
) -> Iterator[OperationOut]:
    """Begin one operation after another; without patterns there is one."""
    if not options.include:
        yield client.strays.adopt(dataset.id, AdoptIn(drop=options.drop))
        return
    paths = [stray.path for stray in _chosen(client, dataset, options)]
    rest = iter(paths)
    while batch := tuple(islice(rest, MAX_BATCH)):
        yield client.strays.adopt(dataset.id, AdoptIn(paths=batch, drop=options.drop))


def _chosen(
    client: Client, dataset: DatasetOut, options: Options
) -> Iterator[StrayOut]:
    matches = chooser(options.include)
    return (s for s in client.strays.iterate(dataset.id) if matches(s.path))


def _tell(screen: Screen, dataset: DatasetOut, done: Adopted) -> None:
    name = dataset_name(dataset)
    if done.dropped:
        screen.say(f"undid {text.count(done.dropped, 'change')} in {name}")
    if done.adopted:
        screen.say(f"took {text.count(done.adopted, 'file')} into {name}")
    if done.removed:
        screen.say(f"took {text.count(done.removed, 'file')} out of {name}")
    if done.adopted or done.removed:
        screen.say("next: hutch pull, where you work on it")
    elif not (done.dropped or done.problems):
        screen.say(f"other tools have changed nothing in {name}")
