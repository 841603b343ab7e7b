"""A server that lies about names cannot make a clone or a pull touch anything else."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hutch import clone, make_workdir, pull
from hutch.contract.problems import HutchError
from hutch.errors import CorruptDataError, LocalChangesError, ServerAnswerError
from hutch.models import PullReport
from hutch.transfer import downloads
from tests.client.hostile import Asked, Said, saying
from tests.client.live import read
from tests.client.test_hostile import DATASET, Liar, _client, _dataset
from tests.laws.conftest import Count
from tests.laws.input.names.hostile import (
    LOOKALIKES,
    NOWHERE,
    ODD,
    TWINS,
    UNPORTABLE,
    picture,
)
from tests.servers import wait_until

PATIENCE_S = 60.0
LIES = NOWHERE | ODD
HALVES = ("half a letter", "the other half")


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """Surround the target with things that must stay as they are."""
    around = tmp_path / "around"
    for name in ("secret", "evil", "etc/passwd", "tmp/evil", "sub/deep/file"):
        (around / name).parent.mkdir(parents=True, exist_ok=True)
        (around / name).write_bytes(b"as it was")
    (around / "link").symlink_to("secret")
    before = picture(around)
    yield around
    assert picture(around) == before


@pytest.fixture
def target(canary: Path) -> Path:
    """Give the place of a working directory, five levels below ``tmp_path``."""
    return canary.parent / "1/2/3/target"


def _clone(files: list[tuple[str, bytes]], target: Path) -> PullReport:
    target.parent.mkdir(parents=True, exist_ok=True)
    liar = Liar([])
    liar.rows = [_row(path, data) for path, data in sorted(files)]
    liar.bytes = dict(files)
    with saying(liar) as script, _client(script) as client:
        liar.url = script.url
        report: PullReport = clone(client, _dataset(), target)
        return report


def _row(path: str, data: bytes) -> dict[str, Any]:
    return Liar([("x", data)]).rows[0] | {"path": path}


@pytest.mark.parametrize("lie", [lie for lie in LIES if lie not in HALVES])
def test_a_clone_refuses_the_name_and_takes_the_rest(
    canary: Path, target: Path, lie: str, count: Count
) -> None:
    path = LIES[lie]
    report = _clone([(path, b"evil"), ("good", b"good")], target)
    (refused,) = report.problems
    assert refused.path == path
    assert isinstance(refused.error, CorruptDataError)
    assert repr(path)[1:50].rstrip("'") in refused.error.detail
    assert read(target) == {"good": b"good"}
    assert sorted(p.name for p in target.parent.iterdir()) == ["target"]
    count("hostile names at clone", 1, "names")


@pytest.mark.parametrize("lie", HALVES)
def test_a_name_that_is_no_text_is_no_answer(
    canary: Path, target: Path, lie: str, count: Count
) -> None:
    with pytest.raises(ServerAnswerError):
        _clone([(LIES[lie], b"evil"), ("good", b"good")], target)
    assert read(target) == {}
    count("hostile names at clone", 1, "names")


@pytest.mark.parametrize("lie", LOOKALIKES | UNPORTABLE)
def test_a_name_that_only_looks_hostile_stays_inside(
    canary: Path, target: Path, lie: str, count: Count
) -> None:
    path = (LOOKALIKES | UNPORTABLE)[lie]
    report = _clone([(path, b"odd")], target)
    assert report.problems == ()
    assert (target / path).read_bytes() == b"odd"
    count("hostile names at clone", 1, "names")


def test_a_name_that_comes_twice_is_no_list(canary: Path, target: Path) -> None:
    first, second = TWINS["the same twice"]
    with pytest.raises(ServerAnswerError, match="not in order"):
        _clone([(first, b"1"), (second, b"2")], target)
    assert read(target) == {}


@pytest.mark.parametrize("twins", [t for t in TWINS if t != "the same twice"])
def test_of_two_that_clash_one_is_named(
    canary: Path, target: Path, twins: str, count: Count
) -> None:
    first, second = TWINS[twins]
    report = _clone([(first, b"1"), (second, b"2")], target)
    refused = [p.path for p in report.problems]
    kept = read(target)
    assert len(refused) + len(kept) == 2
    assert set(refused) <= {first, second}
    assert all(isinstance(p.error, HutchError) for p in report.problems)
    count("clashing names at clone", 1, "pairs")


KINDS = ("a file", "a directory", "nothing", "itself")


def _link(place: Path, kind: str, canary: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    leads = {
        "a file": canary / "secret",
        "a directory": canary / "sub",
        "nothing": canary / "not-there",
        "itself": place,
    }[kind]
    place.symlink_to(leads)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", ["a", "a/deep", "a/deep/file"])
def test_a_pull_follows_no_link(
    canary: Path, target: Path, kind: str, at: str, count: Count
) -> None:
    path = "a/deep/file"
    target.mkdir(parents=True)
    liar = Liar([(path, b"evil"), ("good", b"good")])
    with saying(liar) as script, _client(script) as client:
        liar.url = script.url
        workdir = make_workdir(target, dataset=DATASET, server=client.url)
        _link(target / at, kind, canary)
        report = pull(workdir, client, restore=True)
    assert [(p.path, type(p.error)) for p in report.problems] == [
        (path, LocalChangesError)
    ]
    assert (target / at).is_symlink()
    assert (target / "good").read_bytes() == b"good"
    count("links in the target", 1, "links")


def _put_in_place(place: Path, kind: str, canary: Path, *, aside: Path) -> None:
    """Put a link where the clone may be making a directory at the same time."""
    for number in itertools.count():
        with suppress(FileNotFoundError):
            place.rename(aside / f"aside-{number}")
        with suppress(FileExistsError):
            _link(place, kind, canary)
            return


class Held(Liar):
    """Holds back the bytes of the last file until the test has done its deed."""

    def __init__(self, files: list[tuple[str, bytes]]) -> None:
        super().__init__(files)
        self.asked, self.go = threading.Event(), threading.Event()

    def __call__(self, asked: Asked) -> Said:
        if asked.path.endswith(f"/store/{len(self.rows) - 1}"):
            self.asked.set()
            assert self.go.wait(PATIENCE_S)
        return super().__call__(asked)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each file its name before the next one is fetched."""
    monkeypatch.setattr(downloads, "GROUP", 1)


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", ["a", "a/deep", "a/deep/file", "."])
def test_a_link_put_in_during_a_clone_is_not_followed(
    canary: Path, target: Path, kind: str, at: str, count: Count
) -> None:
    target.parent.mkdir(parents=True)
    liar = Held([("a/before", b"1"), ("a/deep/file", b"evil")])
    ended: list[PullReport] = []
    with saying(liar) as script, _client(script) as client:
        liar.url = script.url

        def run() -> None:
            with suppress(HutchError):
                ended.append(clone(client, _dataset(), target))

        thread = threading.Thread(target=run)
        thread.start()
        assert liar.asked.wait(PATIENCE_S)
        wait_until((target / "a/before").exists, what="the first file")
        place = target / at
        _put_in_place(place, kind, canary, aside=target.parent)
        liar.go.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert place.is_symlink()
    if at != "." and ended:
        assert "a/deep/file" in {p.path for p in ended[0].problems}
    count("links put in during a clone", 1, "links")
