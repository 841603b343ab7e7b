"""System definitions in the database, where runs and rules find them."""

from dataclasses import asdict
from uuid import uuid4

from hutch.contract.wire.definitions import Target
from hutch_api.domain import system
from hutch_api.domain.system import SystemDefinition
from hutch_api.services import audit
from hutch_api.services.definitions import is_same, newest_of
from hutch_api.services.work import Site, Work
from hutch_api.store.conflicts import written
from hutch_api.store.run_tables import Definition


def ensure(site: Site) -> None:
    """Add the definitions that come with this version of hutch; again is fine.

    One that says something new is the next version under its name.
    """
    for one in system.DEFINITIONS:
        with site.look() as work:
            if _missing(work, one) is None:
                continue
        with site.begin() as work:
            row = _missing(work, one)
            # Another process adds the same at this moment: one of the two is enough.
            if row is not None and written(work.session, row, "name", "version"):
                audit.record(
                    work, None, "add-definition", name=row.name, version=row.version
                )


def _missing(work: Work, one: SystemDefinition) -> Definition | None:
    """Give the version that is to be added; None if the newest says the same."""
    newest = newest_of(work, one.name)
    row = _row(work, one, version=1 if newest is None else newest.version + 1)
    return None if newest is not None and is_same(newest, row) else row


def _row(work: Work, one: SystemDefinition, *, version: int) -> Definition:
    return Definition(
        id=uuid4(),
        name=one.name,
        version=version,
        owner_id=None,
        target=Target.PREVIEWS,
        title=one.title,
        image=system.IMAGE,
        argv=[one.module],
        mode=one.mode,
        inputs={one.input: one.type},
        output_type=None,
        parameters=dict(one.parameters),
        resources=asdict(one.resources),
        retries=one.retries,
        created_at=work.now,
    )
