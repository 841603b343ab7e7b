"""The same store with a database that knows nothing, and what a rebuild makes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from hutch_api.services import installation
from hutch_api.services.rebuild import Rebuilt, adopt, rebuild
from hutch_api.services.work import Site
from hutch_api.store import migration
from tests.conftest import opened


@contextmanager
def emptied(site: Site, place: Path) -> Iterator[Site]:
    """Lose the database of a site.

    Args:
        site: It is left as it is.
        place: Directory for the new database.
    """
    with opened(f"sqlite:///{place / uuid4().hex}.sqlite") as engine:
        migration.migrate(engine)
        empty = replace(site, engine=engine)
        with empty.begin() as work:
            installation.ensure(work)
        yield empty


def rebuilt(site: Site) -> Rebuilt:
    """Rebuild as ``hutch-api rebuild`` does."""
    assert adopt(site) == site.instance
    return rebuild(site)
