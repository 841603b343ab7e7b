"""Whether the parts that requests need are there."""

from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select

from hutch.contract.problems import StoreError
from hutch.contract.wire.site import Readiness
from hutch_api.domain import instance, layout
from hutch_api.services.work import Site
from hutch_api.store import migration
from hutch_api.store.tables import Instance

OK: Final = "ok"
_UNKNOWN: Final = "cannot be asked"


def check(site: Site) -> Readiness:
    """Ask database and store, and say which part is not ready.

    Everybody may read the answer, so that it names no host and no key.
    """
    parts = {**_database(site), "store": _store(site)}
    return Readiness(ready=set(parts.values()) == {OK}, parts=parts)


def _database(site: Site) -> dict[str, str]:
    try:
        with site.look() as work:
            work.session.exec(select(1)).one()
        if not migration.is_current(site.engine):
            return {"database": OK, "migrations": "run 'hutch-api migrate'"}
        with site.look() as work:
            found = work.session.exec(select(Instance.id)).first()
    except SQLAlchemyError:
        return {"database": "does not answer", "migrations": _UNKNOWN}
    ours = found == site.instance
    return {"database": OK if ours else "is another site's", "migrations": OK}


def _store(site: Site) -> str:
    try:
        record = site.objects.get_record(layout.INSTANCE)
        if record is None:
            return "run 'hutch-api store init'"
        return OK if instance.decode(record) == site.instance else "is another site's"
    except (StoreError, ValueError):
        return "does not answer as it should"
