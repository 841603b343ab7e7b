"""Bytes of many files by their paths, as they are in the datasets now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hutch.contract.problems import FileChangedError, HutchError, NotFoundError
from hutch.fs.datasets import Dataset
from hutch.fs.entries import absent
from hutch.fs.failures import is_directory, told_as
from hutch.fs.places import Place
from hutch.fs.reading import Span, span
from hutch.fs.session import Session

ROUNDS: Final = 2
"""A file that was replaced since it was listed is looked up anew, once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Bytes of a file, chosen as a slice does."""

    path: str
    start: int | None = None
    end: int | None = None


def gather(session: Session, wanted: Sequence[Wanted]) -> list[bytes | Exception]:
    """Read bytes of files: each of one version, all signed in one call a dataset.

    Returns:
        The bytes of each, or the error that a user of a file system expects.
    """
    got: dict[int, bytes | Exception] = {}
    todo = dict(enumerate(wanted))
    for _ in range(ROUNDS):
        spans, failed = _find(session, todo)
        got |= failed
        for number, data in zip(
            spans, session.reader.read(list(spans.values())), strict=True
        ):
            got[number] = data
            if isinstance(data, FileChangedError):
                spans[number].dataset.listing.forget()
        todo = {n: todo[n] for n in spans if isinstance(got[n], FileChangedError)}
        if not todo:
            break
    return [
        told_as(one.path, data) if isinstance(data, HutchError) else data
        for one, data in ((one, got[number]) for number, one in enumerate(wanted))
    ]


def _find(
    session: Session, todo: Mapping[int, Wanted]
) -> tuple[dict[int, Span], dict[int, Exception]]:
    """Find the versions there are now, those of a dataset together."""
    failed: dict[int, Exception] = {}
    inside: dict[Dataset, dict[int, str]] = {}
    for number, one in todo.items():
        try:
            place = Place.parse(one.path)
            if not place.is_inside:
                raise NotFoundError(f"{one.path!r} is no file.")
            _, dataset = session.catalogue.find(place)
        except HutchError as e:
            failed[number] = e
        else:
            inside.setdefault(dataset, {})[number] = place.path
    spans: dict[int, Span] = {}
    for dataset, paths in inside.items():
        try:
            files = dataset.listing.find(path for path in paths.values() if path)
            for number, path in paths.items():
                one = todo[number]
                file = files.get(path)
                if file is not None:
                    spans[number] = span(dataset, file, one.start, one.end)
                elif not path or dataset.listing.is_directory(path):
                    failed[number] = is_directory(one.path)
                else:
                    failed[number] = absent(path)
        except HutchError as e:
            failed |= {number: e for number in paths if number not in spans}
    return spans, failed
