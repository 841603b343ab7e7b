"""What other tools did in the store to a dataset that people work on.

The dataset goes on changing meanwhile. So some keys are listed first and looked up
then: whatever hutch itself has put there is in the rows by then.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final
from urllib.parse import quote, unquote
from uuid import UUID

from sqlmodel import col, select

from hutch.contract.problems import HutchError, InvalidInputError, to_problem
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import Right
from hutch.contract.wire.tools import StrayKind, StrayOut, StrayPage, require_key
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of, path_of, prefix_of
from hutch_api.domain.lifecycle import require_open
from hutch_api.ports.objects import Version
from hutch_api.services import access
from hutch_api.services.announcement import check_path
from hutch_api.services.arrival import listed
from hutch_api.services.comparison import Comparison, Difference, Oddity, compare
from hutch_api.services.files import pinned
from hutch_api.services.remains import dead_of
from hutch_api.services.work import Site
from hutch_api.store.indexes import IS_LIVE
from hutch_api.store.rows import among
from hutch_api.store.tables import Intent

KEYS: Final = 1_000
"""Keys that are listed before they are looked up."""
_ABSENT: Final = (Oddity.MISSING, Oddity.HIDDEN)


@dataclass(frozen=True, slots=True)
class Look:
    """Some keys of a dataset, compared with what it pins.

    Attributes:
        until: Last path that was looked at; None if it was the end.
        marked: Where others' delete markers lie over nothing.
    """

    differences: Sequence[Difference]
    until: str | None
    marked: Sequence[Difference]


def list_strays(
    site: Site, actor: Actor, dataset: UUID, *, after: str | None, limit: int
) -> StrayPage:
    """List a page of what differs; a call looks at so many keys and no more.

    Raises:
        NotFoundError: No such dataset for the actor.
        ConflictError: It is not open: there are closed and sweep for that.
        InvalidInputError: ``after`` is no cursor.
    """
    with site.look() as work:
        row = access.find(work, actor, dataset, right=Right.READ, scope=Scope.READ)
        require_open(row.state, name=row.name)
    seen = next(looks(site, dataset, after=_place(after)))
    found = seen.differences[:limit]
    until = found[-1].path if len(seen.differences) > limit else seen.until
    return StrayPage(
        items=tuple(_stray_out(site, d) for d in found),
        next=None if until is None else quote(until, safe="/"),
    )


def looks(
    site: Site, dataset: UUID, *, after: str = "", only: Collection[str] = ()
) -> Iterator[Look]:
    """Look at the keys of a dataset, some at a time, in the order of their bytes.

    Args:
        site: The site.
        dataset: Which one.
        after: Begin behind this path.
        only: Look at these paths only; empty means all.
    """
    prefix = prefix_of(dataset)
    rows: Iterator[Version]
    if only:
        rows = listed(site, prefix, sorted(key_of(dataset, path) for path in only))
    else:
        first = key_of(dataset, after) if after else None
        rows = site.objects.versions(prefix, first=first)
    for chunk, until in _chunks(dataset, rows, after=after):
        span = _Span(dataset, after, until, only)
        found = _compared(site, span, chunk)
        yield Look(_confirmed(site, dataset, found.differences), until, found.marked)
        after = until or ""


@dataclass(frozen=True, slots=True)
class _Span:
    """The paths of a dataset behind one and up to another, or only some of them."""

    dataset: UUID
    after: str
    until: str | None
    only: Collection[str]


def _chunks(
    dataset: UUID, rows: Iterable[Version], *, after: str
) -> Iterator[tuple[list[Version], str | None]]:
    """Take the rows of some keys at a time, with the last path; None at the end."""
    groups = (
        list(group)
        for key, group in groupby(rows, key=lambda v: v.key)
        if path_of(dataset, key) > after
    )
    while True:
        chunk = list(islice(groups, KEYS))
        taken = [version for group in chunk for version in group]
        if len(chunk) < KEYS:
            yield taken, None
            return
        yield taken, path_of(dataset, taken[-1].key)


def _compared(site: Site, span: _Span, rows: Sequence[Version]) -> Comparison:
    """Compare what was listed of some paths with what is known of them now."""
    dataset = span.dataset
    paths = {path_of(dataset, v.key) for v in rows}
    # Uploads first: one that ends before the files are read is among them then.
    with site.look() as work:
        busy = set(
            work.session.exec(
                select(Intent.path).where(
                    Intent.dataset_id == dataset,
                    IS_LIVE,
                    among(work.session, col(Intent.path), paths),
                )
            )
        )
    files = pinned(site, dataset, after=span.after, until=span.until)
    return compare(
        dataset,
        (
            file
            for file in files
            if file.path not in busy and (not span.only or file.path in span.only)
        ),
        (v for v in rows if path_of(dataset, v.key) not in busy),
        is_dead=dead_of(site, dataset, after=span.after),
        remove=lambda _: None,
        named=len(rows) + KEYS,
    )


def _confirmed(
    site: Site, dataset: UUID, differences: Sequence[Difference]
) -> Sequence[Difference]:
    """Ask again for what seemed to be missing: it may have come after the listing."""
    keys = [key_of(dataset, d.path) for d in differences if d.oddity in _ABSENT]
    if not keys:
        return differences
    there = {(v.key, v.version) for v in listed(site, prefix_of(dataset), keys)}
    return [
        d
        for d in differences
        if d.oddity not in _ABSENT or (key_of(dataset, d.path), d.base) not in there
    ]


def _place(cursor: str | None) -> str:
    """Read a cursor: a path, quoted, because tools make names of any characters."""
    if not cursor:
        return ""
    try:
        path = unquote(cursor, errors="strict")
        require_key("after", path)
    except ValueError as error:
        raise InvalidInputError(
            "after: is not a cursor; give the 'next' of the page before", field="after"
        ) from error
    return path


def _stray_out(site: Site, found: Difference) -> StrayOut:
    top = found.foreign[0] if found.foreign else None
    refused: HutchError | None = None
    if found.oddity is Oddity.ADDED:
        checked = check_path(found.path, portable=site.portable_paths)
        refused = checked if isinstance(checked, HutchError) else None
    return StrayOut(
        path=found.path,
        kind=StrayKind(found.oddity.value),
        size=0 if top is None else top.size,
        modified=None if top is None else top.modified,
        problem=None if refused is None else to_problem(refused),
    )
