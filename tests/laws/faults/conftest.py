"""A hutch between relays, in which waiting takes no time."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hutch.patience import Patience
from hutch.resources import datasets
from hutch.transfer import download, upload
from hutch_api.adapters.s3 import requests
from hutch_api.services import operations, store_accounts
from hutch_api.worker import loop
from tests.laws.faults.hall import Hall, opened, ready_of
from tests.servers import StoreServer


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses between attempts: how often is tried stays as it is."""
    moment = threading.Event()
    monkeypatch.setattr(Patience, "rest", lambda _self, _s: moment.wait(0.02))
    for module in (upload, download):
        monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.0)
        monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.0)
    monkeypatch.setattr(requests, "_PAUSE_S", 0.0)
    monkeypatch.setattr(datasets, "POLL_S", (0.02,))
    monkeypatch.setattr(store_accounts, "COLLECT_EVERY", timedelta())
    monkeypatch.setattr(operations, "RETRY", timedelta(milliseconds=50))
    monkeypatch.setattr(loop, "_LONGEST", timedelta(milliseconds=200))


@pytest.fixture
def hall(
    sqlite_engine: Engine, store_server: StoreServer, tmp_path: Path
) -> Iterator[Hall]:
    with opened(sqlite_engine, ready_of(store_server), tmp_path) as one:
        yield one
