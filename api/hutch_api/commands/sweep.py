"""Compare closed and deleted datasets with the store, and drop what is foreign."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch.contract.wire.datasets import State
from hutch_api.commands.exits import CommandError, Exit
from hutch_api.commands.place import add_place, read_settings
from hutch_api.readiness import open_current
from hutch_api.services.sweep import sweep
from hutch_api.services.work import Site
from hutch_api.store.tables import Dataset


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)
    parser.add_argument(
        "datasets",
        nargs="*",
        metavar="ID",
        help="ids of datasets; without any, all that are closed or deleted",
    )


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Sweep what is named, or what is due."""
    try:
        wanted = [UUID(text) for text in options.datasets]
    except ValueError:
        raise CommandError("a dataset is named by its id here", Exit.USAGE) from None
    site = open_current(read_settings(options, environ))
    alarms = 0
    for dataset in _swept(site, wanted):
        try:
            swept = sweep(site, dataset)
        except StoreUnavailableError:
            raise
        except StoreError as error:  # the others are swept all the same
            print(f"{dataset}  STOPPED: {error.detail}")
            alarms += 1
            continue
        print(f"{dataset}  removed {swept.removed}, missing {swept.missing}")
        for path in swept.paths:
            print(f"  MISSING {path}")
        alarms += swept.missing
    return Exit.FAILED if alarms else Exit.OK


def _swept(site: Site, wanted: list[UUID]) -> list[UUID]:
    done = [State.CLOSED, State.DELETED]
    with site.look() as work:
        query = select(Dataset.id).where(col(Dataset.state).in_(done))
        found = work.session.exec(query.order_by(col(Dataset.id))).all()
    if other := sorted(set(wanted).difference(found)):
        raise CommandError(f"{other[0]} is not a closed or deleted dataset")
    return wanted or list(found)
