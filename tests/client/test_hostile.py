"""A server that lies cannot make a clone write where it should not."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from hutch import Client, clone, connect
from hutch.contract.wire.datasets import DatasetOut
from hutch.errors import (
    CorruptDataError,
    LocalChangesError,
    ServerAnswerError,
    TransferError,
)
from hutch.transfer.checksums import Hasher
from tests.client.hostile import Asked, Said, Script, saying
from tests.client.live import read

NOW = "2026-01-01T00:00:00Z"
DATASET = uuid4()


def _row(path: str, data: bytes) -> dict[str, Any]:
    hasher = Hasher()
    hasher.update(data)
    sums = hasher.sums()
    return {
        "path": path,
        "size": len(data),
        "sha256": sums.sha256,
        "crc64nvme": sums.crc64nvme,
        "version": "v1",
        "confirmed": False,
        "committed_at": NOW,
        "committed_by": "mallory",
    }


class Liar:
    """Claims to hold files, and gives out bytes for them."""

    def __init__(self, files: list[tuple[str, bytes]]) -> None:
        self.rows = [_row(path, data) for path, data in files]
        self.bytes = dict(files)
        self.url = ""

    def __call__(self, asked: Asked) -> Said:
        path = urlsplit(asked.path).path
        if path.endswith("/files"):
            return Said(body={"items": self.rows, "revision": 1})
        if path.endswith("/downloads"):
            files = json.loads(asked.body)["files"]
            return Said(
                body={
                    "files": [f | {"request": self._request(f["path"])} for f in files],
                    "revision": 1,
                }
            )
        number = int(path.rpartition("/")[2])
        data = self.bytes[self.rows[number]["path"]]
        span = asked.headers["range"].removeprefix("bytes=")
        first = int(span.split("-")[0])
        return Said(206, data[first:], {"Content-Range": f"bytes {span}/*"})

    def _request(self, path: str) -> dict[str, Any]:
        number = next(i for i, row in enumerate(self.rows) if row["path"] == path)
        return {
            "method": "GET",
            "url": f"{self.url}/store/{number}",
            "headers": {},
            "expires_in": 600,
        }


def _dataset() -> DatasetOut:
    fields: dict[str, Any] = dict.fromkeys(DatasetOut.__dataclass_fields__)
    return DatasetOut(**(fields | {"id": DATASET}))


def _clone(
    files: list[tuple[str, bytes]], target: Path, liar: Liar | None = None
) -> Any:
    liar = liar or Liar(files)
    with saying(liar) as script, _client(script) as client:
        liar.url = script.url
        return clone(client, _dataset(), target)


def _client(script: Script) -> Client:
    return connect(script.url, token="hutch_x")


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "/etc/evil",
        "a/../../evil",
        ".hutch/config.json",
        ".HUTCH/journal.sqlite",
        "a//b",
        "a\\..\\evil",
        "line\nbreak",
        "u\u0308",
        "\u202eevil",
        "x/" + "n" * 256,
        "",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    target = tmp_path / "target"
    report = _clone(sorted([(path, b"evil"), ("good", b"good")]), target)
    assert [(p.path, type(p.error)) for p in report.problems] == [
        (path, CorruptDataError)
    ]
    assert read(target) == {"good": b"good"}
    assert [p.name for p in tmp_path.iterdir()] == ["target"]


def test_paths_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    report = _clone([("A", b"1"), ("a", b"2")], tmp_path / "t")
    assert [p.path for p in report.problems] == ["a"]
    assert read(tmp_path / "t") == {"A": b"1"}


def test_a_file_is_no_directory_as_well(tmp_path: Path) -> None:
    report = _clone([(path, b"x") for path in ("a", "a/b")], tmp_path / "t")
    assert report.fetched == 1
    assert [type(p.error) for p in report.problems] == [LocalChangesError]


@pytest.mark.parametrize("order", [["b", "a"], ["a", "a"]])
def test_a_list_out_of_order_is_not_believed(tmp_path: Path, order: list[str]) -> None:
    # Beside the files here, one that comes too late would be taken for gone.
    with pytest.raises(ServerAnswerError, match="not in order"):
        _clone([(path, b"x") for path in order], tmp_path / "t")


def test_other_bytes_than_promised_do_not_get_a_name(tmp_path: Path) -> None:
    liar = Liar([("a", b"promised"), ("b", b"fine")])
    liar.bytes["a"] = b"altered!"
    report = _clone([], tmp_path / "t", liar)
    assert [(p.path, type(p.error)) for p in report.problems] == [
        ("a", CorruptDataError)
    ]
    assert read(tmp_path / "t") == {"b": b"fine"}


@pytest.mark.parametrize(
    "sent", [b"promised" + b"x" * 10_000_000, b"prom"], ids=["more", "fewer"]
)
def test_more_or_fewer_bytes_than_promised_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("hutch.transfer.download.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("hutch.transfer.download.LONGEST_PAUSE_S", 0.01)
    liar = Liar([("a", b"promised")])
    liar.bytes["a"] = sent
    report = _clone([], tmp_path / "t", liar)
    assert [type(p.error) for p in report.problems] == [TransferError]
    assert read(tmp_path / "t") == {}


def test_the_token_does_not_go_to_the_store(tmp_path: Path) -> None:
    liar = Liar([("a", b"1")])
    with saying(liar) as script, _client(script) as client:
        liar.url = script.url
        clone(client, _dataset(), tmp_path / "t")
        store = [a for a in script.asked if a.path.startswith("/store")]
    assert store
    assert not any("authorization" in a.headers for a in store)
