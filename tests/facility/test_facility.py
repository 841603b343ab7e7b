"""``serve``, ``worker`` and the commands as a facility runs them."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import Database
from tests.facility.installation import (
    answers,
    hutch_api,
    plain_environ,
    running,
    store_environ,
)
from tests.servers import DatabaseServer, StoreServer, free_port, wait_until

PASSWORD = "correct horse battery staple\n"


@pytest.fixture(scope="module")
def facility(
    minio: StoreServer,
    postgresql: DatabaseServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """Set up a facility by its commands; give the environment of its processes."""
    name = f"facility_{uuid4().hex}"
    home = tmp_path_factory.mktemp("facility")
    environ = store_environ(minio, home) | {
        "HUTCH_DATABASE_URL": postgresql.create(name),
        "HUTCH_PORT": str(free_port()),
    }
    root = {
        "HUTCH_S3_ROOT_KEY_ID": minio.root.key_id,
        "HUTCH_S3_ROOT_SECRET": minio.root.secret,
    }
    for words in (("migrate",), ("store", "init")):
        done = hutch_api(*words, environ=environ | root)
        assert done.returncode == 0, done.stderr + done.stdout
    yield environ
    with postgresql.connect() as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_api_and_worker_run_on_minio_and_postgresql(
    facility: dict[str, str], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        for command in ("serve", "worker"):
            log = tmp_path / f"{command}.log"
            stack.enter_context(running(command, facility, log))
        wait_until(lambda: answers(facility), seconds=90, what="the API")
    logs = "".join(log.read_text() for log in tmp_path.glob("*.log"))
    kinds = ("SECRET", "SERVER_KEYS")
    secret = {n: text for n, text in facility.items() if n.endswith(kinds)}
    assert [name for name, text in secret.items() if text in logs] == []


def test_the_doctor_finds_all_well(facility: dict[str, str]) -> None:
    found = hutch_api("doctor", "--json", environ=facility)
    assert found.returncode == 0, found.stdout + found.stderr
    assert json.loads(found.stdout)["missing"] == []


def test_setting_up_again_changes_nothing(
    facility: dict[str, str], minio: StoreServer
) -> None:
    root = {
        "HUTCH_S3_ROOT_KEY_ID": minio.root.key_id,
        "HUTCH_S3_ROOT_SECRET": minio.root.secret,
    }
    again = hutch_api("store", "init", environ=facility | root)
    assert again.returncode == 0, again.stderr
    assert "made" not in again.stdout


def test_setting_up_needs_the_administrator(facility: dict[str, str]) -> None:
    refused = hutch_api("store", "init", environ=facility)
    assert refused.returncode == 3
    assert "HUTCH_S3_ROOT_KEY_ID" in refused.stderr


def test_a_user_is_added_disabled_enabled_and_given_a_role(
    facility: dict[str, str],
) -> None:
    add = ("user", "add", "mira", "--role", "beamline", "--password-stdin")
    assert hutch_api(*add, environ=facility, typed=PASSWORD).returncode == 0
    again = hutch_api(*add, environ=facility, typed=PASSWORD)
    assert again.returncode == 1
    assert "mira" in again.stderr
    for verb, disabled in (("disable", True), ("enable", False)):
        done = hutch_api("user", verb, "mira", environ=facility)
        assert done.returncode == 0, done.stderr
        listed = json.loads(
            hutch_api("user", "list", "--json", environ=facility).stdout
        )
        assert listed == [{"name": "mira", "role": "beamline", "disabled": disabled}]
    given = hutch_api("user", "role", "mira", "admin", environ=facility)
    assert given.stdout == "mira has the role admin, from the next request on\n"
    listed = json.loads(hutch_api("user", "list", "--json", environ=facility).stdout)
    assert listed == [{"name": "mira", "role": "admin", "disabled": False}]
    new = ("user", "passwd", "mira", "--password-stdin")
    assert hutch_api(*new, environ=facility, typed=PASSWORD).returncode == 0
    for words in (("disable", "nobody-here"), ("role", "nobody-here", "admin")):
        nobody = hutch_api("user", *words, environ=facility)
        assert nobody.returncode == 1
        assert nobody.stderr == "hutch-api: there is no user nobody-here\n"
    for bad in (("role", "mira", "king"), ("add", "ada", "--role", "king")):
        unknown = hutch_api("user", *bad, environ=facility)
        assert unknown.returncode == 2
        assert "there is no role 'king'; known are user, beamline" in unknown.stderr


def test_without_a_terminal_a_password_comes_from_stdin_by_name(
    facility: dict[str, str],
) -> None:
    refused = hutch_api("user", "add", "ida", environ=facility)
    assert refused.returncode == 2
    assert "--password-stdin" in refused.stderr


def test_a_sweep_of_nothing_is_fine(facility: dict[str, str]) -> None:
    assert hutch_api("sweep", environ=facility).returncode == 0
    unknown = hutch_api("sweep", str(uuid4()), environ=facility)
    assert unknown.returncode == 1
    assert "Traceback" not in unknown.stderr


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_nothing_starts_on_an_empty_database(
    facility: dict[str, str], command: str, tmp_path: Path
) -> None:
    empty = {"HUTCH_DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite'}"}
    refused = hutch_api(command, environ=facility | empty)
    assert refused.returncode == 4
    assert "hutch-api migrate" in refused.stderr


def test_nothing_starts_on_buckets_of_another_installation(
    facility: dict[str, str], sqlite_database: Database
) -> None:
    other = {"HUTCH_DATABASE_URL": sqlite_database.url}
    migrated = hutch_api("migrate", environ=facility | other)
    assert migrated.returncode == 0, migrated.stderr
    for words in (("serve",), ("doctor",)):
        refused = hutch_api(*words, environ=facility | other)
        assert refused.returncode == 4, refused.stderr


def test_nothing_starts_when_the_settings_were_not_probed(
    facility: dict[str, str],
) -> None:
    changed = {"HUTCH_S3_PUBLIC_URL": "http://localhost:1"}
    refused = hutch_api("serve", environ=facility | changed)
    assert refused.returncode == 4
    assert "hutch-api doctor" in refused.stderr


def test_a_store_that_is_away_is_named(facility: dict[str, str]) -> None:
    away = {"HUTCH_S3_URL": f"http://127.0.0.1:{free_port()}"}
    refused = hutch_api("serve", environ=facility | away)
    assert refused.returncode in {4, 5}
    assert "store" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_is_away_is_named(
    facility: dict[str, str], tmp_path: Path
) -> None:
    url = f"postgresql+psycopg://hutch:geheim@/hutch?host={tmp_path}"
    refused = hutch_api("serve", environ=facility | {"HUTCH_DATABASE_URL": url})
    assert refused.returncode == 5
    assert "database" in refused.stderr
    assert "geheim" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_missing_settings_are_all_named(tmp_path: Path) -> None:
    refused = hutch_api("serve", environ=plain_environ(tmp_path))
    assert refused.returncode == 3
    for name in ("HUTCH_DATABASE_URL", "HUTCH_S3_URL", "HUTCH_SERVER_KEYS"):
        assert name in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_openapi_document_needs_no_settings(tmp_path: Path) -> None:
    printed = hutch_api("openapi", environ=plain_environ(tmp_path))
    assert json.loads(printed.stdout)["openapi"] == "3.1.0"
