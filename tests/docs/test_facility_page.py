"""The page on running a server works on PostgreSQL and MinIO, as it is written."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from hutch_api import settings
from tests.docs.pages import DOCS, blocks
from tests.docs.terminal import Session, session
from tests.programs import find_postgresql
from tests.servers import (
    DatabaseServer,
    StoreServer,
    free_port,
    random_credentials,
)

PAGE = DOCS / "how-to" / "run-a-server.md"


@pytest.fixture
def facility(
    minio: StoreServer, postgresql: DatabaseServer, tmp_path: Path
) -> Iterator[Session]:
    """An empty database and an empty store, with the settings for them."""
    name, port = f"facility_{uuid4().hex}", free_port()
    restored = f"restored_{uuid4().hex}"
    environ = {
        "PGHOST": str(postgresql.directory),
        "PGUSER": postgresql.user,
        "PGDATABASE": name,
        "HUTCH_DATABASE_URL": postgresql.create(name),
        "HUTCH_SERVER_KEYS": f"1:{secrets.token_hex(32)}",
        "HUTCH_PORT": str(port),
        "HUTCH_S3_URL": minio.url,
        "HUTCH_S3_DATA_BUCKET": f"data-{uuid4().hex}",
        "HUTCH_S3_META_BUCKET": f"meta-{uuid4().hex}",
        "HUTCH_S3_ROOT_KEY_ID": minio.root.key_id,
        "HUTCH_S3_ROOT_SECRET": minio.root.secret,
    }
    for role in ("SERVER", "READER"):
        pair = random_credentials()
        environ[f"HUTCH_S3_{role}_KEY_ID"] = pair.key_id
        environ[f"HUTCH_S3_{role}_SECRET"] = pair.secret
    swaps = {"8400": str(port), "restored": restored}
    with session(tmp_path, environ=environ, swaps=swaps) as administrator:
        path = (
            f"{Path(find_postgresql('pg_dump')).parent}:{administrator.start['PATH']}"
        )
        administrator.start["PATH"] = path
        yield administrator
    with postgresql.connect() as connection:
        for database in (name, restored):
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def test_the_page_on_running_a_server_works_as_it_is_written(
    facility: Session,
) -> None:
    up = facility.terminal("up")
    up.environ = {k: v for k, v in up.environ.items() if not k.startswith("HUTCH_")}
    for block in blocks(PAGE):
        if block.language == "console" and not block.why_not:
            facility.follow(block)


def test_the_settings_that_the_page_shows_exist() -> None:
    known = {variable.name for variable in settings.variables()}
    lines = [
        line
        for block in blocks(PAGE)
        if block.language == "ini"
        for line in block.text.splitlines()
    ]
    assert lines
    names = {line.partition("=")[0].removesuffix("_FILE") for line in lines}
    assert names <= known
