"""This installation: its id, and what the probe found out about its store."""

from typing import Any
from uuid import UUID, uuid4

from sqlmodel import select

from hutch.contract.problems import ConflictError
from hutch_api.services.work import Work
from hutch_api.store.tables import Instance


def ensure(work: Work) -> UUID:
    """Give the id of this installation; choose it if the database is new."""
    row = work.session.exec(select(Instance)).first()
    if row is None:
        row = Instance(id=uuid4(), created_at=work.now)
        work.session.add(row)
        work.session.flush()
    return row.id


def find(work: Work) -> Instance:
    """Fetch the record of this installation.

    Raises:
        ConflictError: The database is empty.
    """
    row = work.session.exec(select(Instance)).first()
    if row is None:
        raise ConflictError("the database is not set up; run: hutch-api migrate")
    return row


def note_probe(work: Work, result: dict[str, Any]) -> None:
    """Keep what the probe found, for the next plain start."""
    row = find(work)
    row.probe = result
    work.session.add(row)
