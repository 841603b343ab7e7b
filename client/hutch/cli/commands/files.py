"""``hutch files``: list the files of a dataset, in the order of their paths.

What the server found CORRUPT, MISSING or UNREADABLE when it read a closed dataset
again is marked. With --sha256sum the lines are those of sha256sum, so that a tree
that any tool has fetched can be checked by 'sha256sum --check'. The sums are those of
the server; they are no file of the dataset.
"""

from argparse import ArgumentParser
from dataclasses import dataclass

from hutch.cli import text
from hutch.cli.commands.close import add_dataset
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.contract.wire.transfer import FilePage

EPILOG = epilog(ok="the list is printed; it may be empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str | None
    sha256: bool


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset(parser)
    parser.add_argument(
        "--sha256",
        "--sha256sum",
        action="store_true",
        help="print checksums as sha256sum does",
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    screen = desk.screen
    with desk.dataset(options.dataset) as (client, dataset):
        if screen.json:
            items = tuple(client.files.iterate(dataset.id))
            screen.document(FilePage(items=items, revision=dataset.revision))
            return Exit.OK
        # Printed as the pages come: a dataset may hold millions.
        for file in client.files.iterate(dataset.id):
            fault = f"  {file.fault.upper()}" if file.fault else ""
            screen.show(
                f"{file.sha256}  {file.path}"
                if options.sha256
                else f"{text.size(file.size):>11}  {file.path}{fault}"
            )
    return Exit.OK
