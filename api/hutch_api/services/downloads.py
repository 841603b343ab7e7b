"""Sign the requests that fetch files, always in the version that is pinned."""

from uuid import UUID

from sqlmodel import col, select

from hutch.contract.problems import FileChangedError, NotFoundError, to_problem
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right
from hutch.contract.wire.transfer import (
    DownloadOut,
    DownloadsIn,
    DownloadsOut,
    FileOut,
    FileRef,
    SignedRequest,
)
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of
from hutch_api.domain.lifecycle import require_readable
from hutch_api.services import access
from hutch_api.services.files import file_out, user_names
from hutch_api.services.work import Site, Work
from hutch_api.store.rows import FILES, among, read_files
from hutch_api.store.tables import Dataset, File


def sign_downloads(
    site: Site, actor: Actor, dataset: UUID, wanted: DownloadsIn
) -> DownloadsOut:
    """Sign GETs of files in the versions that the caller knows.

    A version that is no longer pinned is ``file-changed`` for its item; the caller
    fetches that row anew.
    """
    with site.look() as work:
        row = _readable(work, actor, dataset)
        rows = work.session.exec(
            select(File.path, File.version).where(
                File.dataset_id == dataset,
                among(work.session, col(File.path), [f.path for f in wanted.files]),
            )
        ).all()
    pinned = dict(rows)
    return DownloadsOut(
        files=tuple(
            _sign(site, dataset, ref, pinned.get(ref.path)) for ref in wanted.files
        ),
        revision=row.revision,
    )


def _sign(site: Site, dataset: UUID, ref: FileRef, pinned: str | None) -> DownloadOut:
    if pinned == ref.version:
        request = site.objects.sign_get(key_of(dataset, ref.path), ref.version)
        return DownloadOut(path=ref.path, version=ref.version, request=request)
    error = FileChangedError(
        f"{ref.path!r} was {'removed from' if pinned is None else 'changed in'} the "
        "dataset meanwhile; list its files again",
        path=ref.path,
        version=pinned,
    )
    return DownloadOut(path=ref.path, version=ref.version, problem=to_problem(error))


def head_file(work: Work, actor: Actor, dataset: UUID, path: str) -> FileOut:
    """Tell about one file.

    Raises:
        NotFoundError: The dataset holds no such file, or is not there for the actor.
    """
    _readable(work, actor, dataset)
    found = read_files(
        work.session,
        FILES.where(col(File.dataset_id) == dataset, col(File.path) == path),
    )
    if not found:
        raise NotFoundError(f"the dataset holds no file {path!r}", path=path)
    [file] = found
    return file_out(file, user_names(work, [file.committed_by]))


def sign_file(
    site: Site, actor: Actor, dataset: UUID, path: str
) -> tuple[FileOut, SignedRequest]:
    """Tell about one file and sign a GET of it.

    Raises:
        NotFoundError: As ``head_file``.
    """
    with site.look() as work:
        file = head_file(work, actor, dataset, path)
    return file, site.objects.sign_get(key_of(dataset, file.path), file.version)


def _readable(work: Work, actor: Actor, dataset: UUID) -> Dataset:
    row = access.find(work, actor, dataset, right=Right.READ, scope=Scope.READ)
    require_readable(row.state, name=row.name)
    return row
