"""A job of the local executor that is about to run its program."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hutch_api.domain import system
from tests.derivations.local.near import PROGRAM, Near


@pytest.fixture
def near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Near]:
    code = tmp_path / "code"
    monkeypatch.setattr(system, "MODULES", frozenset({PROGRAM}))
    ours = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{code}{os.pathsep}{ours}")
    monkeypatch.setenv("HUTCH_S3_SERVER_SECRET", "a secret of the runner")
    made = Near(tmp_path / "runner", code)
    yield made
    made.end()
    assert made.executor.held() == set()
    made.executor.close()
