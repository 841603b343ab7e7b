"""What the file system tells of files and directories, as fsspec wants it told."""

from collections.abc import Iterator
from heapq import merge
from typing import Any

from hutch.contract import paths
from hutch.contract.problems import NotFoundError
from hutch.contract.wire.datasets import DatasetOut
from hutch.contract.wire.transfer import FileOut
from hutch.fs.datasets import Catalogue, Dataset
from hutch.fs.places import Place

Info = dict[str, Any]


def look(catalogue: Catalogue, place: Place) -> Info:
    """Tell about one place.

    Raises:
        NotFoundError: If there is nothing, or not for this caller.
    """
    if place.is_inside:
        row, dataset = catalogue.find(place)
        if not place.path:
            return of_dataset(row)
        file = dataset.listing.find([place.path])[place.path]
        if file is not None:
            return of_file(place.of(place.path), file)
        if not dataset.listing.is_directory(place.path):
            raise absent(place.path)
    elif place.owner:
        catalogue.require(place.owner)
    return of_directory(place.text)


def directly_in(catalogue: Catalogue, place: Place) -> Iterator[Info]:
    """Tell about what lies directly in a directory; a file is told by itself.

    Raises:
        NotFoundError: If there is nothing, or not for this caller.
    """
    if not place.owner:
        yield from map(of_directory, catalogue.owners())
    elif not place.is_inside:
        yield from map(of_dataset, catalogue.of(place.owner))
    else:
        _, dataset = catalogue.find(place)
        here = dataset.listing.directory(place.path)
        if here.is_empty and place.path:
            yield _file_at(dataset, place)
        yield from merge(
            (of_file(place.of(file.path), file) for file in here.files),
            (of_directory(f"{place.text}/{name}") for name in here.directories),
            key=lambda info: str(info["name"]),
        )


def below(catalogue: Catalogue, place: Place, *, withdirs: bool) -> dict[str, Info]:
    """Tell about all files below a place in a dataset, by their names.

    Args:
        catalogue: Where the dataset is found.
        place: A directory, or a file.
        withdirs: Also tell about directories, this one among them.

    Raises:
        NotFoundError: If there is nothing, or not for this caller.
    """
    row, dataset = catalogue.find(place)
    found: dict[str, Info] = {}
    for file in dataset.listing.below(place.path):
        name = place.of(file.path)
        found[name] = of_file(name, file)
        if withdirs:
            for above in paths.ancestors(file.path):
                if above.startswith(place.path):
                    name = place.of(above)
                    found.setdefault(name, of_directory(name))
    if not found and place.path:
        found[place.text] = _file_at(dataset, place)
    if withdirs and not place.path:
        found[place.text] = of_dataset(row)
    return found


def of_file(name: str, file: FileOut) -> Info:
    """Tell about a file."""
    return {
        "name": name,
        "size": file.size,
        "type": "file",
        "sha256": file.sha256,
        "version": file.version,
        "committed_at": file.committed_at,
    }


def of_directory(name: str) -> Info:
    """Tell about a directory."""
    return {"name": name, "size": 0, "type": "directory"}


def of_dataset(row: DatasetOut) -> Info:
    """Tell about a dataset."""
    made = of_directory(f"{row.owner}/{row.name}")
    return made | {"id": str(row.id), "state": row.state.value}


def absent(path: str) -> NotFoundError:
    """Make the error of a path that a dataset does not hold."""
    return NotFoundError(f"The dataset holds no {path!r}.", path=path)


def _file_at(dataset: Dataset, place: Place) -> Info:
    file = dataset.listing.find([place.path])[place.path]
    if file is None:
        raise absent(place.path)
    return of_file(place.text, file)
