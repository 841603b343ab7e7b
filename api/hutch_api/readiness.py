"""Bringing an installation to where it can start, and seeing that it is there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch_api.adapters import provisioning
from hutch_api.adapters.policies import Buckets
from hutch_api.adapters.probe import ProbeNeededError, Report, Target, quick_check
from hutch_api.adapters.probe import probe as run_probe
from hutch_api.adapters.provisioning import Place
from hutch_api.commands.exits import CommandError, Exit
from hutch_api.services import installation, scrub, system
from hutch_api.services.work import Site, Work
from hutch_api.settings import Settings, unknown
from hutch_api.site import accounts_api, open_site, read_instance, utc_now
from hutch_api.store import migration
from hutch_api.store.engine import make_engine
from hutch_api.store.tables import User


@dataclass(frozen=True, slots=True)
class Findings:
    """What an examination found.

    Attributes:
        lines: What was looked at, one line each.
        missing: What must be there and is not.
        alarms: Files of closed datasets that are not as they should be.
    """

    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)


def migrate(settings: Settings) -> None:
    """Bring the database to this version and give the installation its id."""
    engine = make_engine(settings.database_url.reveal())
    try:
        migration.migrate(engine)
        with Session(engine) as session, session.begin():
            installation.ensure(Work(session, utc_now()))
    finally:
        engine.dispose()


def init_store(settings: Settings) -> tuple[str, ...]:
    """Make buckets, identities and policies; tell what was not there before.

    Raises:
        CommandError: The settings do not name the store's administrator, or the
            database is not set up.
        StoreError: The store refused, or belongs to another installation.
        StoreUnavailableError: The store did not answer.
    """
    if settings.root is None:
        raise CommandError(
            "setting up the store needs its administrator: set HUTCH_S3_ROOT_KEY_ID "
            "and HUTCH_S3_ROOT_SECRET for this command",
            Exit.SETTINGS,
        )
    require_database(settings)
    return provisioning.init_store(
        _place(settings),
        root=settings.root,
        server=settings.server,
        reader=settings.reader,
    ).changes


def probe(settings: Settings) -> Report:
    """Try what hutch relies on, and keep the result for the next plain start.

    Raises:
        StoreError: The store is not set up, or another installation's.
        StoreUnavailableError: The store did not answer.
    """
    report = run_probe(_target(settings))
    site = open_site(settings)
    with site.begin() as work:
        installation.note_probe(work, report.to_record())
    site.engine.dispose()
    return report


def open_current(settings: Settings) -> Site:
    """Open the site for a command; the database has to be of this version.

    Raises:
        CommandError: It is not.
    """
    require_database(settings)
    return open_site(settings)


def open_ready(settings: Settings) -> Site:
    """Open the site for a process that serves or works, if everything is ready.

    The definitions that come with this version of hutch are added to it.

    Raises:
        CommandError: Something is missing; it is named.
        StoreUnavailableError: The store did not answer.
    """
    site = open_current(settings)
    with site.look() as work:
        recorded = installation.find(work).probe
    try:
        quick_check(_target(settings), recorded)
    except ProbeNeededError as error:
        raise CommandError(str(error), Exit.NOT_READY) from None
    except StoreUnavailableError:
        raise
    except StoreError as error:
        raise CommandError(error.detail, Exit.NOT_READY) from None
    system.ensure(site)
    return site


def require_database(settings: Settings) -> None:
    """Refuse a database that is not of this version.

    Raises:
        CommandError: It is empty, older or newer.
    """
    engine = make_engine(settings.database_url.reveal())
    try:
        if not migration.is_current(engine):
            raise CommandError(
                "the database is not of this version of hutch; run: hutch-api migrate",
                Exit.NOT_READY,
            )
    finally:
        engine.dispose()


def examine(settings: Settings, environ: Mapping[str, str]) -> Findings:
    """Look at settings, database and store; keep what the probe found."""
    found = Findings()
    found.lines.extend(f"warning  {name} is no setting" for name in unknown(environ))
    try:
        require_database(settings)
        found.lines.append("ok       database: it is of this version")
        found.alarms.extend(_alarms(settings))
        report = probe(settings)
    except CommandError as error:
        found.missing.append(str(error))
    except DBAPIError as error:
        found.missing.append(f"the database cannot be used: {error.orig}")
    except StoreError as error:
        found.missing.append(error.detail)
    else:
        found.lines.extend(report.lines())
        found.missing.extend(f"{o.name}: {o.remedy}" for o in report.missing)
    return found


def _alarms(settings: Settings) -> list[str]:
    engine = make_engine(settings.database_url.reveal())
    try:
        with Session(engine) as session:
            return scrub.alarms(Work(session, utc_now()))
    finally:
        engine.dispose()


def has_users(settings: Settings) -> bool:
    """Tell whether anybody could log in."""
    engine = make_engine(settings.database_url.reveal())
    try:
        with Session(engine) as session:
            return session.exec(select(col(User.id)).limit(1)).first() is not None
    finally:
        engine.dispose()


def _place(settings: Settings) -> Place:
    engine = make_engine(settings.database_url.reveal())
    try:
        instance = read_instance(engine)
    finally:
        engine.dispose()
    return Place(
        endpoint=settings.s3_url,
        instance=instance,
        buckets=Buckets(settings.s3_data_bucket, settings.s3_meta_bucket),
        region=settings.s3_region,
    )


def _target(settings: Settings) -> Target:
    return Target(
        place=_place(settings),
        api=accounts_api(settings),
        server=settings.server,
        reader=settings.reader,
        public_url=settings.s3_public_url,
        web_origin=settings.web_origin,
    )
