"""The memory of a working directory: ``.hutch/journal.sqlite``.

It knows the files as they were last synchronised, and the uploads that are under
way. Losing it loses no data: the next push then takes every file for new.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Self
from uuid import UUID

from hutch.errors import WorkdirError
from hutch.workdir.directory import Workdir
from hutch.workdir.walk import Stamp

FORMAT: Final = 1
"""Kept in ``user_version``. A later format migrates; an older hutch refuses it."""

_TABLES: Final = """
CREATE TABLE files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, sha256 TEXT NOT NULL,
    crc64nvme TEXT NOT NULL, version TEXT NOT NULL, recorded_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (
    path TEXT PRIMARY KEY, push TEXT NOT NULL, intent TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL, sha256 TEXT, crc64nvme TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE parts (
    intent TEXT NOT NULL, number INTEGER NOT NULL, etag TEXT NOT NULL,
    crc64nvme TEXT NOT NULL, PRIMARY KEY (intent, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE push (
    id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
"""

PAGE: Final = 1_000
"""Entries read at a time: a dataset may have millions."""
SETTLED_NS: Final = 2_000_000_000
"""A file changed less than this before it was recorded may change again unseen:
clocks of file systems tick coarsely (FAT: 2 s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file as it was last the same here and in the dataset.

    Attributes:
        version: Version id in the store: the base of the next push.
        recorded_ns: When this was written down, in nanoseconds since 1970.
    """

    path: str
    stamp: Stamp
    sha256: str
    crc64nvme: str
    version: str
    recorded_ns: int

    def trusts(self, stamp: Stamp) -> bool:
        """Tell whether a file with this stamp need not be read again."""
        old_enough = stamp.mtime_ns + SETTLED_NS < self.recorded_ns
        return old_enough and stamp == self.stamp

    def renewed(self, stamp: Stamp, *, now_ns: int) -> Self:
        """Note that a file with this stamp was read and is the same."""
        return replace(self, stamp=stamp, recorded_ns=now_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload that is under way.

    Attributes:
        sha256: Known once every byte was sent; then only the finish is missing.
        crc64nvme: As ``sha256``.
    """

    path: str
    push: UUID
    intent: UUID
    stamp: Stamp
    sha256: str | None = None
    crc64nvme: str | None = None


class Journal:
    """The open journal; usable from several threads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def entries(self) -> Iterator[Entry]:
        """Read all files, in the order of their paths' bytes.

        Others may write meanwhile: what they change behind the place that the
        reading has reached is not seen.
        """
        after = ""
        while True:
            rows = self._read(
                "SELECT * FROM files WHERE path > ? ORDER BY path LIMIT ?",
                (after, PAGE),
            )
            yield from map(_entry, rows)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def entry(self, path: str) -> Entry | None:
        """Read one file; None if it is not known."""
        rows = self._read("SELECT * FROM files WHERE path = ?", (path,))
        return _entry(rows[0]) if rows else None

    def record(self, entries: Iterable[Entry]) -> None:
        """Note files as synchronised; their uploads are over."""
        rows = [_row(e) for e in entries]
        if not rows:
            return
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?,?,?)", rows
            )
            _end_uploads(connection, [str(row[0]) for row in rows])

    def forget(self, paths: Iterable[str]) -> None:
        """Note that neither side has these files."""
        with self._writing() as connection:
            connection.executemany(
                "DELETE FROM files WHERE path = ?", [(path,) for path in paths]
            )

    def push(self) -> UUID | None:
        """Read the id of the push that this directory goes on with; None: none."""
        rows = self._read("SELECT id FROM push")
        return UUID(rows[0][0]) if rows else None

    def start_push(self, push: UUID) -> None:
        """Note a new push; the uploads of the one before are lost."""
        with self._writing() as connection:
            for table in ("push", "uploads", "parts"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names above
            connection.execute("INSERT INTO push VALUES (?)", (str(push),))

    def uploads(self) -> dict[str, Upload]:
        """Read what was under way, by path."""
        rows = self._read("SELECT * FROM uploads")
        return {
            row[0]: Upload(
                path=row[0],
                push=UUID(row[1]),
                intent=UUID(row[2]),
                stamp=Stamp(*row[3:7]),
                sha256=row[7],
                crc64nvme=row[8],
            )
            for row in rows
        }

    def note_uploads(self, uploads: Iterable[Upload]) -> None:
        """Note that files are about to be sent, or were."""
        rows = [
            (
                u.path,
                str(u.push),
                str(u.intent),
                u.stamp.size,
                u.stamp.mtime_ns,
                u.stamp.ctime_ns,
                u.stamp.inode,
                u.sha256,
                u.crc64nvme,
            )
            for u in uploads
        ]
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO uploads VALUES (?,?,?,?,?,?,?,?,?)", rows
            )

    def end_uploads(self, paths: Iterable[str]) -> None:
        """Note that uploads are over, whatever became of them."""
        with self._writing() as connection:
            _end_uploads(connection, list(paths))

    def note_part(self, intent: UUID, number: int, *, etag: str, crc: str) -> None:
        """Note that the store has acknowledged a part."""
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO parts VALUES (?,?,?,?)",
                (str(intent), number, etag, crc),
            )

    def parts(self, intent: UUID) -> dict[int, tuple[str, str]]:
        """Read the parts that the store has acknowledged: number to (etag, crc)."""
        rows = self._read(
            "SELECT number, etag, crc64nvme FROM parts WHERE intent = ?",
            (str(intent),),
        )
        return {number: (etag, crc) for number, etag, crc in rows}

    def _read(self, query: str, values: tuple[str | int, ...] = ()) -> list[tuple]:  # type: ignore[type-arg]  # rows of several shapes
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection:
            yield self._connection


@contextmanager
def open_journal(workdir: Workdir) -> Iterator[Journal]:
    """Open the journal of a working directory, making it if there is none.

    Raises:
        WorkdirError: If it cannot be read, or a newer hutch wrote it.
    """
    path = workdir.hidden / "journal.sqlite"
    try:
        connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
    except sqlite3.Error as e:
        raise WorkdirError(f"{path} cannot be opened: {e}.") from e
    try:
        _prepare(connection)
        yield Journal(connection)
    except sqlite3.DatabaseError as e:
        raise WorkdirError(f"{path} cannot be used: {e}. {_advice(e)}") from e
    finally:
        connection.close()


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > FORMAT:
        raise WorkdirError(
            f"The journal was written by a newer hutch (format {found}); update hutch."
        )
    if found == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {FORMAT}; COMMIT;"
        )


def _advice(cause: sqlite3.DatabaseError) -> str:
    if isinstance(cause, sqlite3.OperationalError):  # of the system, not of the data
        return "Make it writable or make room, then run this again."
    return (
        "If it is damaged, clone the dataset into another directory and copy your "
        "changes there."
    )


def _entry(row: tuple) -> Entry:  # type: ignore[type-arg]  # a row of files
    return Entry(
        path=row[0],
        stamp=Stamp(*row[1:5]),
        sha256=row[5],
        crc64nvme=row[6],
        version=row[7],
        recorded_ns=row[8],
    )


def _row(entry: Entry) -> tuple[str | int, ...]:
    stamp = entry.stamp
    return (
        entry.path,
        stamp.size,
        stamp.mtime_ns,
        stamp.ctime_ns,
        stamp.inode,
        entry.sha256,
        entry.crc64nvme,
        entry.version,
        entry.recorded_ns,
    )


def _end_uploads(connection: sqlite3.Connection, paths: list[str]) -> None:
    keys = [(path,) for path in paths]
    connection.executemany(
        "DELETE FROM parts WHERE intent IN (SELECT intent FROM uploads WHERE path = ?)",
        keys,
    )
    connection.executemany("DELETE FROM uploads WHERE path = ?", keys)
