"""What the seal of a dataset does not cover, kept in the meta bucket as well.

Name, owner, keywords and state may change after a close. ``about.json`` follows: the
change marks the row (``about_at``), and the worker writes the record once more, so
that a lost database is rebuilt as it was.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from sqlmodel import col, select

from hutch.contract import records as forms
from hutch.contract.problems import StoreError
from hutch.contract.wire.datasets import State
from hutch_api.domain.layout import record_of
from hutch_api.services import access
from hutch_api.services.work import Site, Work
from hutch_api.store.tables import Dataset, User

LEASE: Final = timedelta(minutes=5)
"""Time for one small write; another worker would only write the same."""
_TIMES: Final = ("created_at", "updated_at", "closed_at", "deleted_at")
_RECORDED: Final = (State.CLOSED, State.DELETING, State.DELETED)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of a dataset beside what its seal covers; users by name."""

    name: str
    name_is_unique: bool
    owner: str
    creator: str
    description: str
    keywords: list[str]
    correction: bool
    state: State
    revision: int
    files: int
    bytes: int
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    deleted_at: datetime | None

    @classmethod
    def of(cls, work: Work, row: Dataset) -> Self:
        """Describe a dataset as it is now."""
        return cls(
            name=row.name,
            name_is_unique=row.name_is_unique,
            owner=work.session.get_one(User, row.owner_id).name,
            creator=work.session.get_one(User, row.creator_id).name,
            description=row.description,
            keywords=row.keywords,
            correction=row.correction,
            state=State(row.state),
            revision=row.revision,
            files=row.files,
            bytes=row.bytes,
            created_at=row.created_at,
            updated_at=row.updated_at,
            closed_at=row.closed_at,
            deleted_at=row.deleted_at,
        )

    def as_closed(self, at: datetime) -> Self:
        """Describe the dataset as it will be when its close is committed."""
        return replace(self, state=State.CLOSED, updated_at=at, closed_at=at)


def write(site: Site, dataset: UUID, about: About) -> None:
    """Write the record."""
    times = {n: v.isoformat() for n in _TIMES if (v := getattr(about, n))}
    body = {"format": 1, "instance": str(site.instance), "dataset": str(dataset)}
    document = forms.write_document({**asdict(about), **times, **body})
    site.objects.put_record(record_of(dataset, forms.ABOUT), document)


def read(site: Site, dataset: UUID) -> About:
    """Read what ``write`` wrote.

    Raises:
        StoreError: It is missing, damaged, or of something else.
    """
    data = site.objects.get_record(record_of(dataset, forms.ABOUT))
    try:
        return _decode(site, dataset, data)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the record about dataset {dataset} cannot be used: {error}",
            dataset=str(dataset),
        ) from error


def _decode(site: Site, dataset: UUID, data: bytes | None) -> About:
    if data is None:
        raise ValueError("it is missing")
    body = forms.read_document(data)
    if body["dataset"] != str(dataset) or body["instance"] != str(site.instance):
        raise ValueError("it is of another dataset or installation")
    body["state"] = State(body["state"])
    for name in _TIMES:
        text = body[name]
        body[name] = None if text is None else datetime.fromisoformat(text)
    return About(**{name: body[name] for name in About.__slots__})


def changed(work: Work, row: Dataset) -> None:
    """Note in a change's own transaction that the record has to follow it."""
    if row.digest is not None and row.state in _RECORDED:
        row.about_at = work.now


def write_changed(site: Site) -> bool:
    """Write the record of one dataset that has changed; tell whether there was one.

    Raises:
        StoreUnavailableError: The store failed; it comes up again.
    """
    with site.begin() as work:
        row = work.session.exec(
            select(Dataset)
            .where(col(Dataset.about_at) <= work.now)
            .order_by(col(Dataset.about_at))
            .limit(1)
            .with_for_update(skip_locked=True)
        ).first()
        if row is None:
            return False
        row.about_at = leased_until = work.now + LEASE
        dataset, about = row.id, About.of(work, row)
    write(site, dataset, about)
    with site.begin() as work:
        access.lock_datasets(work, [dataset])
        row = work.session.get_one(Dataset, dataset)
        # Whoever overtook this one may have been overwritten with what was before.
        row.about_at = None if row.about_at == leased_until else work.now
    return True
