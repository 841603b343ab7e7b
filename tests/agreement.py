"""The invariant below every test: database and store say the same."""

from collections.abc import Collection, Iterator
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.wire.datasets import State
from hutch_api.domain.layout import key_of, prefix_of
from hutch_api.services.remains import ENDED, dead_of
from hutch_api.services.work import Site
from hutch_api.store.tables import (
    LIVE_INTENTS,
    Account,
    AccountState,
    Dataset,
    File,
    Intent,
    User,
)


def disagreements(
    site: Site,
    *,
    foreign: bool = False,
    owners: Collection[str] | None = None,
    datasets: Collection[UUID] | None = None,
) -> list[str]:
    """Name everything in which store and database differ.

    Args:
        site: The site.
        foreign: Other tools have written and deleted on purpose: versions and uploads
            that nobody knows, or that are gone, are no finding.
        owners: Look only at the datasets of these users; None looks at all.
        datasets: Look only at these; None looks at all.
    """
    query = select(Dataset.id)
    if owners is not None:
        query = query.join(User, col(User.id) == col(Dataset.owner_id)).where(
            col(User.name).in_(owners)
        )
    if datasets is not None:
        query = query.where(col(Dataset.id).in_(datasets))
    with site.look() as work:
        chosen = list(work.session.exec(query).all())
    found = [line for d in chosen for line in _of_dataset(site, d, foreign=foreign)]
    return [*found, *_of_accounts(site)]


def _of_dataset(site: Site, dataset: object, *, foreign: bool) -> Iterator[str]:
    with site.look() as work:
        files = work.session.exec(select(File).where(File.dataset_id == dataset)).all()
        intents = work.session.exec(
            select(Intent).where(Intent.dataset_id == dataset)
        ).all()
        row = work.session.get_one(Dataset, dataset)
    pinned = {(f.path, f.version) for f in files}
    counted = (row.files, row.bytes) == (len(files), sum(f.size for f in files))
    if not counted and row.state not in {State.DELETING, State.DELETED}:
        yield f"{row.name}: counts {row.files} files, holds {len(files)}"
    prefix = prefix_of(row.id)
    listed = list(site.objects.versions(prefix))
    there = {(v.key.removeprefix(prefix), v.version) for v in listed}
    if not foreign:
        yield from (f"{row.name}: {p} is pinned, not stored" for p, _ in pinned - there)
    is_dead = dead_of(site, row.id)
    arriving = {i.path for i in intents if i.state in LIVE_INTENTS}
    for version in listed:
        path = version.key.removeprefix(prefix)
        if (path, version.version) in pinned or foreign:
            continue
        if path not in arriving and not is_dead(path, version):
            yield f"{row.name}: {path} is stored, but nobody knows it"
    uploads = {i.upload for i in intents if i.state in LIVE_INTENTS}
    pending = {i.path for i in intents if i.state in ENDED and not i.cleared}
    for path in {i.path for i in intents} - pending:
        for upload in site.objects.uploads(key_of(row.id, path)):
            if upload not in uploads and not foreign:
                yield f"{row.name}: {path} has an upload that nobody knows"


def _of_accounts(site: Site) -> Iterator[str]:
    with site.look() as work:
        known = set(
            work.session.exec(
                select(Account.key_id).where(col(Account.state) != AccountState.GONE)
            ).all()
        )
    for key_id in site.accounts.key_ids():
        if key_id not in known:
            yield "a store account that nobody knows"
