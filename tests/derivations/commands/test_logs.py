"""The library that runs definitions, and logs as the store gives them."""

import signal
from collections.abc import Iterator
from contextlib import closing
from typing import IO

import pytest

from hutch import Client
from hutch.cli.exits import Exit
from hutch.contract.problems import StoreUnavailableError
from hutch.contract.wire.runs import RunState
from hutch.contract.wire.transfer import SignedRequest
from hutch.errors import AmbiguousError, NotFoundError
from hutch.transfer import records
from hutch.transfer.carrier import Carrier
from hutch_api.services import run_logs
from tests.carrier.scripted import Store, store
from tests.derivations.commands.playing import Hall, Play
from tests.e2e.stage import Person, ended


def test_a_run_is_found_by_what_people_type(hall: Hall, anna: Person) -> None:
    with anna.client() as client:
        old = client.run("copy", name="cafe", inputs={"scan": "scan"})
        client.runs.cancel(old.id)
        new = client.run("copy@1", name="cafe", inputs={"scan": client.find("scan")})
        other = client.run("copy", name="other", inputs={"scan": new})
        assert other.state is RunState.WAITING
        assert client.find_run("cafe").id == new.id
        for text in (str(old.id), str(old.id)[:13].upper(), old.id.hex[:12]):
            assert client.find_run(text).id == old.id
        with pytest.raises(NotFoundError, match="hutch runs"):
            client.find_run("nothing")
        client.run("copy", name=str(new.id)[:8], inputs={"scan": "run:cafe"})
        with pytest.raises(AmbiguousError, match="fits several runs"):
            client.find_run(str(new.id)[:8])


def test_a_library_waits_and_reads_the_log(hall: Hall, anna: Person) -> None:
    pieces = tuple(f"{n} {'x' * 2_000}\n".encode() for n in range(120))
    with anna.client() as client:
        with hall.board.playing(Play(log=pieces)):
            ended = client.run("copy", name="r", inputs={"scan": "scan"}, wait=True)
        assert ended.state is RunState.SUCCEEDED
        assert tuple(client.runs.read_log(ended.id)) == pieces
        assert len(client.runs.log(ended.id).chunks) == 100
        heard: list[bytes] = []
        client.runs.follow(ended.id, lambda _attempt, data: heard.append(data))
        assert tuple(heard) == pieces
        queued = client.run("copy", name="s", inputs={"scan": ended})
        with pytest.raises(TimeoutError):
            client.runs.wait(queued.id, timeout_s=0.01)
        _require_pages(client)


def _require_pages(client: Client) -> None:
    walked = [run.id for run in client.runs.iterate(limit=1)]
    assert walked == [run.id for run in client.runs.list().items]


def test_a_line_is_there_while_the_program_runs(hall: Hall, anna: Person) -> None:
    words = ("run", "copy", "scan=scan", "--name", "r", "--follow")
    site = hall.board.world.site
    with anna.start(*words) as process:
        lease = hall.board.take_soon().lease
        run_logs.write(site, lease, b"one\n")
        assert _line(process.stdout) == "one\n"
        process.send_signal(signal.SIGINT)
        told = ended(process, exits=Exit.INTERRUPTED)
    assert told.out == ""
    short = str(lease.run)[:8]
    assert f"the run {short} goes on" in told.err
    assert anna.json("run", "show", short)["state"] == "running"


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


# Pieces, whatever a store says

PIECE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch) -> Iterator[Carrier]:
    monkeypatch.setattr(records, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(records, "ATTEMPTS", 3)
    with closing(Carrier(jobs=1)) as made:
        yield made


def _never() -> SignedRequest:
    raise AssertionError("nobody refused")


def _fetch(carrier: Carrier, place: Store) -> bytes:
    return records.fetch_record(carrier, place.request("GET"), _never)


def test_a_piece_comes_over_one_connection_without_a_token(carrier: Carrier) -> None:
    with store() as place:
        place.treatments = (place.saying(PIECE, PIECE),)
        assert [_fetch(carrier, place) for _ in range(2)] == [b"hello"] * 2
        assert place.connections == 1
    assert not any(b"authorization" in head.lower() for head in place.heads)


def test_an_address_that_has_expired_is_asked_for_again(carrier: Carrier) -> None:
    with store() as place:
        place.treatments = (place.saying(REFUSED), place.saying(PIECE))
        fresh = place.request("GET", fresh="yes")
        got = records.fetch_record(carrier, place.request("GET"), lambda: fresh)
        assert got == b"hello"
        assert b"fresh: yes" in place.heads[1]


def test_a_connection_that_broke_is_tried_again(carrier: Carrier) -> None:
    with store() as place:
        place.treatments = (place.saying(PIECE[:-1]), place.saying(PIECE))
        assert _fetch(carrier, place) == b"hello"


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhello",
        b"HTTP/1.1 307 Go\r\nLocation: http://evil\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["no-length", "chunked", "huge", "more", "elsewhere", "none"],
)
def test_what_is_no_piece_is_not_taken_for_one(carrier: Carrier, said: bytes) -> None:
    with store() as place:
        place.treatments = (place.saying(said),)
        with pytest.raises(StoreUnavailableError, match="log"):
            _fetch(carrier, place)
