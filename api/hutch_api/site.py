"""The composition root: from settings to a ``Site``."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Engine, inspect
from sqlmodel import Session

from hutch.contract.problems import ConflictError
from hutch_api.adapters.accounts import open_accounts
from hutch_api.adapters.s3 import Buckets, create_s3_store
from hutch_api.adapters.stores import detect
from hutch_api.ports.accounts import AccountsApi
from hutch_api.services import installation
from hutch_api.services.work import Site, Work
from hutch_api.settings import Settings
from hutch_api.store.engine import make_engine
from hutch_api.store.tables import Instance


def utc_now() -> datetime:
    """Give the time, as the clock of a site."""
    return datetime.now(UTC)


def open_site(settings: Settings) -> Site:
    """Put together what use cases need; the database has to be set up.

    Raises:
        ConflictError: The database is not set up.
        StoreError: The store makes no accounts.
        StoreUnavailableError: The store does not answer.
    """
    engine = make_engine(settings.database_url.reveal())
    instance = read_instance(engine)
    objects = create_s3_store(
        internal_url=settings.s3_url,
        public_url=settings.s3_public_url,
        executor_url=settings.s3_executor_url,
        buckets=Buckets(settings.s3_data_bucket, settings.s3_meta_bucket),
        server=settings.server,
        reader=settings.reader,
        region=settings.s3_region,
    )
    return Site(
        engine=engine,
        objects=objects,
        within=objects.for_executor(),
        accounts=open_accounts(
            accounts_api(settings),
            endpoint=settings.s3_url,
            server=settings.server,
            instance=instance,
            bucket=settings.s3_data_bucket,
            region=settings.s3_region,
        ),
        keys=settings.server_keys,
        instance=instance,
        clock=utc_now,
        portable_paths=settings.portable_paths,
    )


def accounts_api(settings: Settings) -> AccountsApi:
    """Say how the store makes accounts; ask it if the settings do not say.

    Raises:
        StoreError: It has no way that hutch knows.
        StoreUnavailableError: It does not answer.
    """
    if settings.s3_accounts is not None:
        return settings.s3_accounts
    return detect(settings.s3_url, settings.server, region=settings.s3_region)


def read_instance(engine: Engine) -> UUID:
    """Read the id of the installation that a database belongs to.

    Raises:
        ConflictError: The database is not set up.
    """
    if not inspect(engine).has_table(str(Instance.__tablename__)):
        raise ConflictError("the database is not set up; run: hutch-api migrate")
    with Session(engine) as session:
        return installation.find(Work(session, utc_now())).id
