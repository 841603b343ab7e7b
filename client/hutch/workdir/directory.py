"""A local directory bound to a dataset by ``.hutch/``."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from hutch.contract.paths import WORKDIR
from hutch.errors import NoWorkdirError, WorkdirBusyError, WorkdirError

FORMAT: Final = 1
"""Of ``config.json``: fields may be added, with a default."""
_UNFINISHED: Final = "config.new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What ``.hutch/config.json`` holds. Never a secret.

    Attributes:
        include: Patterns that a clone was limited to; empty means all files.
        complete: A clone has fetched everything at least once.
    """

    dataset: UUID
    server: str
    format: int = FORMAT
    include: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Workdir:
    """A working directory.

    Attributes:
        root: The directory, absolute.
        config: To what it is bound.
    """

    root: Path
    config: Config

    @property
    def dataset(self) -> UUID:
        """Id of the dataset it is bound to."""
        return self.config.dataset

    @property
    def server(self) -> str:
        """Address of the server, without a slash at its end."""
        return self.config.server

    @property
    def hidden(self) -> Path:
        """The directory ``.hutch``."""
        return self.root / WORKDIR


def make_workdir(
    directory: Path,
    *,
    dataset: UUID,
    server: str,
    include: tuple[str, ...] = (),
    complete: bool = True,
) -> Workdir:
    """Bind a directory to a dataset; it is made if needed, its files stay.

    Call ``require_unbound`` before making the dataset, so that none is made in vain.

    Raises:
        WorkdirError: If it is a working directory already, lies in one, or cannot
            be written.
    """
    require_unbound(directory)
    config = Config(
        dataset=dataset,
        server=server.rstrip("/"),
        include=tuple(include),
        complete=complete,
    )
    try:
        root = directory.resolve()
        root.mkdir(parents=True, exist_ok=True)
        (root / WORKDIR).mkdir(exist_ok=True)
    except OSError as e:
        raise unfit(directory, e) from e
    workdir = Workdir(root, config)
    write_config(workdir)
    return workdir


def require_unbound(directory: Path) -> None:
    """Refuse a place that is, or lies in, a working directory, or is no directory.

    Raises:
        WorkdirError: If it is or does.
    """
    root = directory.resolve()
    if os.path.lexists(root) and not root.is_dir():
        raise WorkdirError(f"{directory} is no directory. Name a directory.")
    for place in (root, *root.parents):
        if is_bound(place):
            raise WorkdirError(
                f"{directory} belongs to the working directory {place}; one cannot "
                "lie in another. Choose another directory.",
                root=str(place),
            )


def is_bound(place: Path) -> bool:
    """Tell whether a directory is a working directory, be it a damaged one.

    One that was killed before it was bound has a ``.hutch`` that holds no file yet.
    """
    try:
        return any(path.name != _UNFINISHED for path in (place / WORKDIR).iterdir())
    except OSError:
        return os.path.lexists(place / WORKDIR)


def write_config(workdir: Workdir) -> None:
    """Write ``config.json`` as a whole.

    Raises:
        WorkdirError: If it cannot be written.
    """
    path = workdir.hidden / "config.json"
    temporary = path.with_name(_UNFINISHED)
    text = msgspec.json.format(msgspec.json.encode(workdir.config))
    try:
        with temporary.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as e:
        raise unfit(workdir.root, e) from e


def unbind(workdir: Workdir) -> None:
    """Make a working directory a plain one; its files stay.

    The binding goes last, so that whoever is killed before can go on.

    Raises:
        WorkdirError: If ``.hutch`` cannot be removed.
    """
    config = workdir.hidden / "config.json"
    try:
        for path in workdir.hidden.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != config:
                path.unlink()
        config.unlink()
        workdir.hidden.rmdir()
    except OSError as e:
        raise WorkdirError(
            f"{workdir.hidden} cannot be removed: {e.strerror}. Remove it by hand; "
            "the other files are as they should be."
        ) from e


def open_workdir(root: Path) -> Workdir:
    """Read the binding of a working directory.

    Raises:
        NoWorkdirError: If it is none.
        WorkdirError: If the binding cannot be read.
    """
    path = root / WORKDIR / "config.json"
    try:
        config = msgspec.json.decode(path.read_bytes(), type=Config)
    except (FileNotFoundError, NotADirectoryError):
        raise _none(root) from None
    except (OSError, msgspec.DecodeError) as e:
        raise WorkdirError(
            f"{path} cannot be read ({e}). Restore it, or clone the dataset anew."
        ) from e
    if config.format > FORMAT:
        raise WorkdirError(
            f"{root} was made by a newer hutch (format {config.format}); update hutch."
        )
    return Workdir(root.resolve(), config)


def find_workdir(start: Path) -> Workdir:
    """Find the working directory that ``start`` lies in.

    Raises:
        NoWorkdirError: If no directory from ``start`` upwards is one.
    """
    here = start.resolve()
    for place in (here, *here.parents):
        if (place / WORKDIR / "config.json").is_file():
            return open_workdir(place)
    raise _none(start)


@contextmanager
def locked(workdir: Workdir) -> Iterator[None]:
    """Keep other processes from working in the directory meanwhile.

    The lock is the kernel's: it ends with the process, however that ends.

    Raises:
        WorkdirBusyError: If another process holds it; ``pid`` says which.
    """
    path = workdir.hidden / "lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as e:
        raise unfit(workdir.root, e) from e
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(handle, 32, 0).decode(errors="replace").strip()
            raise WorkdirBusyError(
                f"Process {pid or '?'} is working in {workdir.root}. Wait until it "
                "ends, then run this again.",
                pid=int(pid) if pid.isdecimal() else None,
            ) from None
        except OSError as e:
            raise WorkdirError(
                f"{path} cannot be locked: {e.strerror}. Put the working directory on "
                "a file system that has locks."
            ) from e
        with suppress(OSError):  # on a full disk: whose it is only helps people
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def unfit(directory: Path, cause: OSError) -> WorkdirError:
    """Make the error of a working directory in which hutch cannot write."""
    return WorkdirError(
        f"{directory} cannot be a working directory: {cause.strerror}. Make it "
        "writable or make room, then run this again."
    )


def _none(start: Path) -> NoWorkdirError:
    return NoWorkdirError(
        f"{start} is not in a working directory. 'hutch init' or 'hutch clone' makes "
        "one."
    )
