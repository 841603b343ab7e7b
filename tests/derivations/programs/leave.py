"""Leaves below ``/out`` what cannot be a dataset, or looks as if it could not.

usage: leave.py CASE
"""

import os
import socket
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

OUT = Path("/out")
HIDDEN = OUT / ".hutch"
ATTRIBUTES = HIDDEN / "attributes.json"
TIB = 1024**4
WIDTH = 50_000
"""Files of a program that was told to leave at most 10,000."""


def write(name: str | bytes, content: bytes = b"content\n") -> None:
    """Write a file below the output, making its directories."""
    path = OUT / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def attributes(content: bytes) -> None:
    """Write attributes beside a file."""
    write("a")
    write(".hutch/attributes.json", content)


def link(target: str) -> None:
    """Leave a symbolic link."""
    write("a")
    (OUT / "link").symlink_to(target)


def hard_link() -> None:
    """Leave a file under two names."""
    write("a")
    (OUT / "b").hardlink_to(OUT / "a")


def listen() -> None:
    """Leave a socket."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(OUT / "socket"))


def locked() -> None:
    """Leave a directory of hutch's name that nobody may enter."""
    write("a")
    write(".hutch/locked/file")
    (HIDDEN / "locked").chmod(0)


def unreadable() -> None:
    """Leave a file that nobody may read."""
    write("a")
    (OUT / "a").chmod(0)


def closed_directory() -> None:
    """Leave a directory that nobody may enter, but read."""
    write("d/a")
    (OUT / "d").chmod(0o444)


def closed_output() -> None:
    """Let nobody into the output."""
    write("a")
    OUT.chmod(0)


def sparse() -> None:
    """Make a file of 10 TiB without writing any."""
    write("a")
    with (OUT / "sparse").open("wb") as file:
        file.truncate(10 * TIB)


def sparse_many() -> None:
    """Make sparse files, each as large as may be, of more than may be together."""
    for number in range(4):
        with (OUT / f"sparse{number}").open("wb") as file:
            file.truncate(16 * 1024 * 1024)


def many() -> None:
    """Leave far more files than were allowed."""
    for number in range(WIDTH):
        os.close(os.open(OUT / str(number), os.O_CREAT | os.O_WRONLY))


def journal() -> None:
    """Prepare a working directory that says that everything was sent already."""
    write("a", b"the true content\n")
    elsewhere = "00000000-0000-4000-8000-000000000000"
    write(
        ".hutch/config.json",
        f'{{"dataset": "{elsewhere}", "server": "http://192.0.2.1:1"}}'.encode(),
    )
    stat = (OUT / "a").stat()
    with sqlite3.connect(HIDDEN / "journal.sqlite") as database:
        database.execute(
            "CREATE TABLE files (path, version, size, mtime_ns, ctime_ns, inode, sum)"
        )
        database.execute(
            "INSERT INTO files VALUES ('a', '1', ?, ?, ?, ?, 'f')",
            (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino),
        )
    database.close()
    for name in ("state.sqlite", "lock", "config.new"):
        (HIDDEN / name).symlink_to("/etc/passwd")


def deep() -> None:
    """Leave a tree that is deeper than those of datasets."""
    os.chdir(OUT)
    for _ in range(100):
        os.mkdir("d" * 20)
        os.chdir("d" * 20)
    Path("a").write_bytes(b"a")


def two_cases() -> None:
    """Two names that are one on some machines."""
    write("A")
    write("a")


def hidden_link() -> None:
    """A link where hutch keeps its own."""
    write("a")
    HIDDEN.symlink_to("/in/scan")


def hidden_pipe() -> None:
    """Attributes that nobody would ever finish reading."""
    write("a")
    HIDDEN.mkdir()
    os.mkfifo(ATTRIBUTES)


def attributes_directory() -> None:
    """A directory where a file is read."""
    write("a")
    ATTRIBUTES.mkdir(parents=True)


def attributes_link() -> None:
    """Attributes that lie elsewhere."""
    write("a")
    HIDDEN.mkdir()
    ATTRIBUTES.symlink_to("/in/scan/a.txt")


CASES: dict[str, Callable[[], object]] = {
    "link": lambda: link("/etc/passwd"),
    "link-up": lambda: link("../../.."),
    "hard-link": hard_link,
    "pipe": lambda: os.mkfifo(OUT / "pipe"),
    "socket": listen,
    "backslash": lambda: write("a\\b"),
    "control": lambda: write("a\x1b[2Jb"),
    "bytes": lambda: write(b"a\xff\xfe"),
    "marker": lambda: write("d__XLDIR__/a"),
    "long": lambda: write("/".join(["n" * 250] * 4)),
    "case": two_cases,
    "unreadable": unreadable,
    "closed-directory": closed_directory,
    "closed-output": closed_output,
    "sparse": sparse,
    "sparse-many": sparse_many,
    "hidden-link": hidden_link,
    "hidden-file": lambda: write(".hutch"),
    "hidden-pipe": hidden_pipe,
    "hidden-locked": locked,
    "attributes-directory": attributes_directory,
    "attributes-link": attributes_link,
    "attributes-text": lambda: attributes(b"sample: tooth\n"),
    "attributes-deep": lambda: attributes(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "attributes-nested": lambda: attributes(b'{"a":' * 800 + b"1" + b"}" * 800),
    "attributes-large": lambda: attributes(b'{"a": "' + b"x" * 10_000_000 + b'"}'),
    "attributes-nan": lambda: attributes(b'{"a": NaN}'),
    "attributes-surrogate": lambda: attributes(b'{"a": "\\ud800"}'),
    "many": many,
    "deep": deep,
    "journal": journal,
}

CASES[sys.argv[1]]()
print("left", flush=True)
