"""The test servers themselves."""

from sqlalchemy import Engine, text

from tests.servers import StoreServer


def test_each_database_has_all_tables_and_no_rows(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM datasets")).scalar() == 0


def test_each_store_listens_on_loopback_only(store_server: StoreServer) -> None:
    assert store_server.url.startswith("http://127.0.0.1:")
