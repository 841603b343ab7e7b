"""What a dataset holds: pages of files, the manifest, and who confirmed it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlmodel import col, select

from hutch.contract import manifest as contract
from hutch.contract.problems import InvalidInputError
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right, State
from hutch.contract.wire.transfer import (
    ConfirmationsIn,
    ConfirmationsOut,
    FileOut,
    FilePage,
)
from hutch_api.domain.access import Actor
from hutch_api.domain.lifecycle import require_closed, require_readable
from hutch_api.services import access, audit, records
from hutch_api.services.work import Site, Work
from hutch_api.store.rows import FILES, FileRow, among, read_files
from hutch_api.store.tables import File, User

PAGE: Final = 5_000
"""Rows fetched at a time where all files of a dataset are walked."""


def list_files(
    work: Work, actor: Actor, dataset: UUID, *, after: str | None, limit: int
) -> FilePage:
    """List a page of files in the order of their paths' bytes.

    Args:
        work: The transaction.
        actor: Who asks.
        dataset: Which dataset.
        after: Last path of the page before; None begins.
        limit: Most files on the page.
    """
    row = access.find(work, actor, dataset, right=Right.READ, scope=Scope.READ)
    require_readable(row.state, name=row.name)
    files = page(work, dataset, after=after, limit=limit + 1)
    names = user_names(work, {f.committed_by for f in files[:limit]})
    return FilePage(
        items=tuple(file_out(f, names) for f in files[:limit]),
        revision=row.revision,
        next=files[limit - 1].path if len(files) > limit else None,
    )


def page(work: Work, dataset: UUID, *, after: str | None, limit: int) -> list[FileRow]:
    """Fetch files in the order of their paths, after one of them."""
    query = FILES.where(col(File.dataset_id) == dataset)
    if after is not None:
        query = query.where(col(File.path) > after)
    return read_files(work.session, query.order_by(col(File.path)).limit(limit))


def walk(site: Site, dataset: UUID) -> Iterator[FileRow]:
    """Walk all files of a dataset in short transactions.

    Only what does not change can be walked: a dataset that is closing or closed.
    """
    after: str | None = None
    while True:
        with site.look() as work:
            files = page(work, dataset, after=after, limit=PAGE)
        yield from files
        if len(files) < PAGE:
            return
        after = files[-1].path


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A path in the version that is pinned: all that a listing is compared with."""

    path: str
    version: str


def pinned(
    site: Site, dataset: UUID, *, after: str = "", until: str | None = None
) -> Iterator[PinnedFile]:
    """Walk what a dataset pins, as ``walk`` does, at a quarter of its cost.

    Args:
        site: The site.
        dataset: Which dataset.
        after: Begin behind this path.
        until: Last path to give; None means all.
    """
    query = select(File.path, File.version).where(File.dataset_id == dataset)
    if until is not None:
        query = query.where(col(File.path) <= until)
    query = query.order_by(col(File.path)).limit(PAGE)
    while True:
        with site.look() as work:
            rows = work.session.exec(query.where(col(File.path) > after)).all()
        yield from (PinnedFile(path, version) for path, version in rows)
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def entries(files: Iterable[FileRow]) -> Iterator[contract.Entry]:
    """See files as lines of a manifest."""
    return (contract.Entry(f.path, f.size, f.sha256) for f in files)


def manifest(site: Site, actor: Actor, dataset: UUID) -> Iterator[bytes]:
    """Write the manifest of a closed dataset, also of one deleted since.

    Raises:
        DatasetOpenError: It was never closed.
    """
    with site.look() as work:
        row = access.find(work, actor, dataset, right=Right.READ, scope=Scope.READ)
    if row.digest is None or row.state is State.CLOSED:
        require_closed(row.state, name=row.name)
        return contract.lines(entries(walk(site, dataset)))
    return records.read_manifest(site, dataset)


def confirm(
    work: Work, actor: Actor, dataset: UUID, wanted: ConfirmationsIn
) -> ConfirmationsOut:
    """Note that somebody has computed the recorded SHA-256 from the store's bytes.

    Raises:
        InvalidInputError: A sum differs from the recorded one; nothing is noted.
    """
    row = access.find(
        work, actor, dataset, right=Right.READ, scope=Scope.READ, lock=True
    )
    require_closed(row.state, name=row.name)
    files = {
        f.path: f
        for f in work.session.exec(
            select(File).where(
                File.dataset_id == dataset,
                among(work.session, col(File.path), [c.path for c in wanted.files]),
            )
        )
    }
    fresh = 0
    for given in wanted.files:
        file = files.get(given.path)
        if file is None or file.version != given.version:
            continue
        if file.sha256 != given.sha256:
            raise InvalidInputError(
                f"{given.path!r} is recorded with another sha256; run 'hutch verify' "
                "again and tell the owner if it fails",
                path=given.path,
            )
        if file.fault is not None:
            continue  # only the server itself takes back what it has found
        fresh += not file.confirmed
        file.confirmed, file.confirmed_at = True, work.now
    if fresh:
        audit.record(work, actor, "confirm", dataset, files=fresh)
    return ConfirmationsOut(confirmed=fresh)


def user_names(work: Work, people: Iterable[UUID]) -> Mapping[UUID, str]:
    """Fetch the names of users, such as those who committed files."""
    rows = work.session.exec(select(User.id, User.name).where(col(User.id).in_(people)))
    return dict(rows.all())


def file_out(file: FileRow, names: Mapping[UUID, str]) -> FileOut:
    """Show a file on the wire."""
    return FileOut(
        path=file.path,
        size=file.size,
        sha256=file.sha256,
        crc64nvme=file.crc64nvme,
        version=file.version,
        confirmed=file.confirmed,
        committed_at=file.committed_at,
        committed_by=names.get(file.committed_by, "?"),
        confirmed_at=file.confirmed_at,
        fault=file.fault,
    )
