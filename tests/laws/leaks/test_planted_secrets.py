"""The search for secrets finds what is there, wherever it was left."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hutch_api.domain.tokens import new_text
from tests.leaks import (
    Issued,
    Kind,
    found_in_installation,
    found_in_processes,
)

TOKEN = new_text()
SECRETS = {
    Kind.TOKEN: TOKEN,
    Kind.PASSWORD: "correct horse, battery",
    Kind.SIGNATURE: "0123456789abcdef" * 4,
    Kind.ACCOUNT: "a" * 39 + "Z",
    Kind.INSTALLATION: "b" * 39 + "Y",
}


@pytest.fixture
def issued() -> Issued:
    found = Issued()
    for kind, text in SECRETS.items():
        found.note(kind, text)
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Make what looks like an installation in which all is well."""
    root = tmp_path / "server"
    root.mkdir(mode=0o700)
    (root / "hutch.json").touch(mode=0o600)
    kept = {"secrets": {"server_secret": SECRETS[Kind.INSTALLATION]}}
    (root / "hutch.json").write_text(json.dumps(kept))
    for place in ("log", "minio/.minio.sys"):
        (root / place).mkdir(parents=True)
    (root / "minio/.minio.sys/identity").write_text(SECRETS[Kind.ACCOUNT])
    return root


def into_log(root: Path, text: str) -> None:
    (root / "log/api.log").write_text(f"POST /v1/login\nsent {text}&more\n")


def into_database(root: Path, text: str) -> None:
    with closing(sqlite3.connect(root / "hutch.sqlite")) as connection:
        connection.execute("CREATE TABLE audit (facts TEXT)")
        connection.execute("INSERT INTO audit VALUES (?)", (text,))
        connection.commit()


def into_name(root: Path, text: str) -> None:
    (root / "log" / text).touch()


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("plant", [into_log, into_database, into_name])
def test_what_was_planted_is_found(
    issued: Issued, directory: Path, kind: Kind, plant: Callable[[Path, str], None]
) -> None:
    assert list(found_in_installation(issued, directory)) == []
    plant(directory, SECRETS[kind])
    (told,) = found_in_installation(issued, directory)
    assert kind in told
    assert SECRETS[kind] not in told or plant is into_name


@pytest.mark.parametrize("kind", [Kind.TOKEN, Kind.PASSWORD, Kind.SIGNATURE])
def test_the_store_may_keep_its_own_secrets_but_nobody_elses(
    issued: Issued, directory: Path, kind: Kind
) -> None:
    (directory / "minio/.minio.sys/other").write_text(SECRETS[kind])
    (told,) = found_in_installation(issued, directory)
    assert kind in told


@pytest.mark.parametrize("place", [".", "hutch.json"])
def test_a_directory_that_others_may_read_is_told(
    issued: Issued, directory: Path, place: str
) -> None:
    (directory / place).chmod(0o755)
    (told,) = found_in_installation(issued, directory)
    assert "others may" in told


@pytest.mark.parametrize("kind", Kind)
def test_a_secret_on_a_command_line_is_found(issued: Issued, kind: Kind) -> None:
    waiting = [sys.executable, "-c", "print(flush=True); input()", SECRETS[kind]]
    pipe = subprocess.PIPE
    with subprocess.Popen(waiting, stdin=pipe, stdout=pipe, env={}) as process:  # noqa: S603 - this Python
        assert process.stdout is not None
        process.stdout.readline()  # its command line can be seen from here on
        (told,) = found_in_processes(issued, [process.pid])
        process.communicate()
    assert kind in told


def test_what_passes_the_recorder_is_remembered() -> None:
    issued = Issued()
    address = f"https://s/k?X-Amz-Signature={SECRETS[Kind.SIGNATURE]}&x=1"
    body = {"token": TOKEN, "password": 'say "b" \\', "new": "ümlaut or so"}
    body["url"] = address
    issued.note_passing(json.dumps(body).encode())
    assert issued.texts[Kind.TOKEN] == {TOKEN.encode()}
    assert issued.texts[Kind.SIGNATURE] == {SECRETS[Kind.SIGNATURE].encode()}
    assert {b'say "b" \\', "ümlaut or so".encode()} <= issued.texts[Kind.PASSWORD]
