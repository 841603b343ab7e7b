"""Making the previews of a dataset: which files, which pictures, and what is noted."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from hutch.client import Client, connect
from hutch.contract.wire.transfer import FileOut
from hutch.fs.datasets import Dataset
from hutch.fs.reading import Reader
from hutch.previews import flat, hdf5
from hutch.previews.job import PreviewJob
from hutch.previews.pictures import extent, picture
from hutch.previews.planes import Plane, UnreadableError
from hutch.previews.remote import RemoteFile

_LISTED: Final = 100_000
"""Files that are looked at by name at most."""
_NOTED: Final = 100
_LONGEST: Final = 200
_NAMES: Final = 1_000
"""Entries, and characters of them, that are noted at most: it is a preview itself."""

Reading = Callable[[RemoteFile, int], Iterator[Plane | UnreadableError]]
READERS: Final[Mapping[str, Reading]] = {
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".nxs", ".nx5", ".nexus"), hdf5.read),
    ".npy": flat.read_npy,
    **dict.fromkeys((".tif", ".tiff", ".png", ".jpg", ".jpeg"), flat.read_image),
}
"""What can be shown, by the end of its name."""


@dataclass(slots=True)
class Album:
    """The pictures of one job, and what is noted of them."""

    job: PreviewJob
    images: list[dict[str, Any]] = field(default_factory=list)
    unread: list[dict[str, str]] = field(default_factory=list)

    def add(self, file: FileOut, plane: Plane) -> None:
        """Draw a plane and note what it shows."""
        name = f"{len(self.images) + 1:04}.png"
        drawn = picture(plane.pixels, self.job.edge)
        between = extent(plane.pixels)
        (self.job.out / name).write_bytes(drawn)
        self.images.append(
            {
                "png": name,
                "file": file.path,
                "object": plane.inside[:_NAMES],
                "shape": list(plane.shape),
                "dtype": plane.dtype,
                "slice": plane.index,
                "min": None if between is None else between[0],
                "max": None if between is None else between[1],
            }
        )

    def skip(self, file: FileOut, error: Exception) -> None:
        """Note why a file, or something in it, is not shown."""
        if len(self.unread) < _NOTED:
            said = " ".join(str(error).split()) or type(error).__name__
            self.unread.append({"file": file.path, "reason": said[:_LONGEST]})

    def close(self, *, files: int) -> None:
        """Write down what is shown."""
        about = {
            "dataset": str(self.job.dataset),
            "files": files,
            "images": self.images,
            "unread": self.unread,
        }
        text = json.dumps(about, ensure_ascii=False, allow_nan=False, indent=1)
        # Names that are no text stand in files of others.
        (self.job.out / "index.json").write_bytes(text.encode("utf-8", "replace"))


def make(job: PreviewJob, tell: Callable[[float, str], None]) -> None:
    """Make the previews of a dataset.

    Args:
        job: What is to be done.
        tell: Is told how much is done, and which file is next.

    Raises:
        HutchError: The server or the store failed, or the job has ended.
    """
    warnings.simplefilter("ignore")  # of libraries, about files of others
    with connect(job.api, token=job.token) as client, closing(Reader()) as reader:
        candidates, files = _candidates(client, job)
        chosen = spread(candidates, job.images)
        album, dataset = Album(job), Dataset(client, job.dataset)
        for number, file in enumerate(chosen):
            tell(number / len(chosen), file.path)
            room = job.images - len(album.images)
            # What is left is for all that are still to come.
            quota = max(1, room // (len(chosen) - number))
            _show(album, RemoteFile(reader, dataset, file), file, quota)
        album.close(files=files)


def _show(album: Album, remote: RemoteFile, file: FileOut, quota: int) -> None:
    reading = READERS[ending_of(file.path)]
    try:
        for plane in islice(reading(remote, quota), quota):
            if isinstance(plane, UnreadableError):
                album.skip(file, plane)
            else:
                album.add(file, plane)
    except MemoryError:
        album.skip(file, UnreadableError("it needs more memory than there is"))
    except Exception as error:  # whatever a library says of a bad file
        if remote.failure is not None:
            raise remote.failure from error
        album.skip(file, error)


def _candidates(client: Client, job: PreviewJob) -> tuple[list[FileOut], int]:
    listed = list(islice(client.files.iterate(job.dataset), _LISTED))
    found = [one for one in listed if ending_of(one.path) in READERS and one.size]
    return found, len(listed)


def ending_of(path: str) -> str:
    """Tell what a name says of what is in the file."""
    name = path.rpartition("/")[2].lower()
    return name[name.rfind(".") :] if "." in name else ""


def spread(files: Sequence[FileOut], most: int) -> list[FileOut]:
    """Choose files that lie evenly among all of them."""
    if len(files) <= most:
        return list(files)
    return [files[number * len(files) // most] for number in range(most)]
