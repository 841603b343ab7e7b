"""What ended uploads and replaced files leave in the store, and its removal."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from typing import Final, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, delete, tuple_, update
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from hutch.contract.paths import ancestors
from hutch.contract.problems import StoreError
from hutch_api.domain.layout import key_of, prefix_of
from hutch_api.ports.objects import Version
from hutch_api.services.arrival import is_ours
from hutch_api.services.comparison import BATCH, PASSES
from hutch_api.services.parallel import in_parallel
from hutch_api.services.work import Site, Work
from hutch_api.store.indexes import IS_ENDED, IS_LIVE, IS_MULTIPART, IS_UNCLEARED
from hutch_api.store.rows import Upload, among
from hutch_api.store.tables import (
    Intent,
    IntentState,
    Superseded,
    Verb,
)

ENDED: Final = (IntentState.DONE, IntentState.ABORTED)
PAGE: Final = 5_000
"""Rows held at a time."""

_UNCLEARED: Final = (IS_ENDED, IS_UNCLEARED)
_Row = TypeVar("_Row", Superseded, Intent)
_log = logging.getLogger(__name__)


def dead_of(
    site: Site, dataset: UUID, *, after: str = ""
) -> Callable[[str, Version], bool]:
    """Make the test for versions that are ours and have no use any more.

    Those are superseded ones, and what an ended upload left. Everything else that is
    not pinned is somebody's data.

    Args:
        site: The site.
        dataset: Which dataset.
        after: It is asked about paths behind this one only.

    Returns:
        The test, for one pass over a listing: it is asked in the order of the paths,
        and holds a page of rows, however many there are.
    """
    behind = col(Superseded.path) > after
    superseded = _InOrder(
        _walk(site, _superseded_after(dataset, behind)), lambda s: s.path
    )
    wanted = (*_UNCLEARED, col(Intent.path) > after)
    ended = _InOrder(_walk(site, _intents_after(dataset, *wanted)), lambda i: i.path)

    def is_dead(path: str, version: Version) -> bool:
        if any(s.version == version.version for s in superseded.at(path)):
            return True
        return any(is_left(site, intent, version) for intent in ended.at(path))

    return is_dead


def is_left(site: Site, intent: Upload, version: Version) -> bool:
    """Tell whether an ended upload left this version, and the dataset never had it."""
    return (
        not version.is_marker
        and version.version != intent.version
        and version.intent in {None, intent.id}
        and is_ours(site, intent, version)
    )


class _InOrder(Generic[_Row]):
    """Rows sorted by path, looked up by paths that only grow."""

    def __init__(self, rows: Iterator[_Row], path_of: Callable[[_Row], str]) -> None:
        self._groups: Iterator[tuple[str, Iterator[_Row]]] = groupby(rows, path_of)
        self._path = ""
        self._rows: Sequence[_Row] = ()

    def at(self, path: str) -> Sequence[_Row]:
        """Give the rows of a path."""
        while self._path < path:
            found = next(self._groups, None)
            if found is None:
                return ()
            self._path, self._rows = found[0], list(found[1])
        return self._rows if self._path == path else ()


def _walk(
    site: Site, after: Callable[[_Row | None], SelectOfScalar[_Row]]
) -> Iterator[_Row]:
    """Walk rows in pages, each in a transaction of its own."""
    last: _Row | None = None
    while True:
        with site.look() as work:
            rows = work.session.exec(after(last).limit(PAGE)).all()
        yield from rows
        if len(rows) < PAGE:
            return
        last = rows[-1]


def _superseded_after(
    dataset: UUID, *which: ColumnElement[bool]
) -> Callable[[Superseded | None], SelectOfScalar[Superseded]]:
    place = tuple_(col(Superseded.path), col(Superseded.version))

    def after(last: Superseded | None) -> SelectOfScalar[Superseded]:
        query = select(Superseded).where(Superseded.dataset_id == dataset, *which)
        if last is not None:
            query = query.where(place > (last.path, last.version))
        return query.order_by(col(Superseded.path), col(Superseded.version))

    return after


def _intents_after(
    dataset: UUID, *which: ColumnElement[bool]
) -> Callable[[Intent | None], SelectOfScalar[Intent]]:
    place = tuple_(col(Intent.path), col(Intent.id))

    def after(last: Intent | None) -> SelectOfScalar[Intent]:
        query = select(Intent).where(Intent.dataset_id == dataset, *which)
        if last is not None:
            query = query.where(place > (last.path, last.id))
        return query.order_by(col(Intent.path), col(Intent.id))

    return after


def end_uploads(site: Site, dataset: UUID) -> None:
    """Abort in the store whatever multipart uploads a dataset's ended intents left.

    The store is asked about every key that ever had one: the request that opens an
    upload may come to it twice, and then nobody knows the id of the other.

    Raises:
        StoreUnavailableError: The store failed; asking again goes on.
    """
    for intent in _walk(site, _intents_after(dataset, *_UNCLEARED)):
        end_upload(site, intent)
    multipart = _intents_after(dataset, IS_MULTIPART)
    paths = (path for path, _ in groupby(_walk(site, multipart), lambda i: i.path))
    while batch := list(islice(paths, PAGE)):
        in_parallel(partial(_end_unnamed, site, dataset), batch)


def end_upload(site: Site, intent: Upload) -> bool:
    """Abort the multipart upload of an ended intent; one that is gone is fine.

    An intent that ended before its upload's id was noted may have one all the same:
    it is found by its key.

    Returns:
        Whether nothing is left of it; else it is to be tried again later.
    """
    if intent.verb is not Verb.MULTIPART:
        return True
    if intent.upload is None:
        return _end_unnamed(site, intent.dataset_id, intent.path)
    site.objects.abort_upload(key_of(intent.dataset_id, intent.path), intent.upload)
    return True


def _end_unnamed(site: Site, dataset: UUID, path: str) -> bool:
    """Abort the uploads of a key that no live intent names.

    Listed first and looked up then, such an upload is nobody's, unless one is being
    opened there now.

    Returns:
        Whether none is left; else it is to be tried again later.
    """
    key = key_of(dataset, path)
    listed = site.objects.uploads(key)
    with site.look() as work:
        live = work.session.exec(
            select(Intent.upload).where(
                Intent.dataset_id == dataset,
                Intent.path == path,
                IS_LIVE,
            )
        ).all()
    if None in live:
        return False
    for upload in set(listed).difference(live):
        site.objects.abort_upload(key, upload)
    return True


def end_upload_now(site: Site, intent: Upload) -> None:
    """Abort an ended intent's upload as a courtesy; the worker repeats it."""
    try:
        end_upload(site, intent)
    except StoreError as error:
        _log.info("an upload is left to the worker: %s", error.code)


def free_above(site: Site, dataset: UUID, paths: Iterable[str]) -> None:
    """Delete superseded versions that lie where directories are to be.

    MinIO lists nothing below the key of an object, so that a file pushed there would
    never be seen. Whoever still reads such a version by an address from before gets
    nothing more and asks anew.

    Raises:
        StoreUnavailableError: The store failed; announcing again repeats it.
    """
    free_keys(site, dataset, {a for path in paths for a in ancestors(path)})


def free_keys(site: Site, dataset: UUID, paths: Collection[str]) -> None:
    """Delete superseded versions of some paths at once, as ``free_above`` does.

    Raises:
        StoreUnavailableError: The store failed.
    """
    if not paths:
        return
    with site.look() as work:
        found = work.session.exec(
            select(Superseded).where(
                Superseded.dataset_id == dataset,
                among(work.session, col(Superseded.path), paths),
            )
        ).all()
    if not found:
        return
    site.objects.delete((key_of(dataset, s.path), s.version) for s in found)
    with site.begin() as work:
        for row in found:
            work.session.delete(work.session.merge(row))


def forget(work: Work, dataset: UUID) -> None:
    """Note that the store holds nothing dead of a dataset any more.

    Only where no URL can bring anything back: its accounts are gone. An upload that
    was being opened while its intent ended may still appear; the worker looks again.
    """
    work.session.exec(delete(Superseded).where(col(Superseded.dataset_id) == dataset))
    work.session.exec(
        update(Intent)
        .where(
            col(Intent.dataset_id) == dataset,
            *_UNCLEARED,
            (col(Intent.verb) != Verb.MULTIPART) | col(Intent.upload).is_not(None),
        )
        .values(cleared=True)
    )


def clear(
    site: Site,
    dataset: UUID,
    *,
    tell: Callable[[int], None],
    remove: Callable[[Sequence[Version]], None] | None = None,
) -> int:
    """Delete every version below a dataset's prefix, until none is listed.

    Again and again, because on MinIO an object can hide others until it is gone.

    Args:
        site: The site.
        dataset: Which dataset.
        tell: Called with the number of versions deleted so far.
        remove: Deletes versions; None does it and says nothing.

    Returns:
        How many versions were deleted.

    Raises:
        StoreError: Whatever is deleted, the store goes on listing more.
    """
    deleted = 0
    remove = remove or partial(delete_versions, site)
    for _ in range(PASSES):
        before = deleted
        listed = iter(site.objects.versions(prefix_of(dataset)))
        while batch := list(islice(listed, BATCH)):
            remove(batch)
            deleted += len(batch)
            tell(deleted)
        if deleted == before:
            return deleted
    raise StoreError(
        f"the store goes on listing versions below dataset {dataset}, which is to go",
        dataset=str(dataset),
    )


def delete_versions(site: Site, versions: Sequence[Version]) -> None:
    """Delete exactly these versions."""
    if versions:
        site.objects.delete([(v.key, v.version) for v in versions])
