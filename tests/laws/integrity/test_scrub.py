"""The scrub: what it confirms, what it finds, and what it may cost."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import select

from hutch.contract.problems import StoreError
from hutch.contract.wire.datasets import Fault, State
from hutch.contract.wire.transfer import Confirmation, ConfirmationsIn
from hutch_api.adapters.memory import MemoryStore
from hutch_api.domain.layout import key_of
from hutch_api.services import deletion, files, scrub
from hutch_api.services.catalogue import get_dataset
from hutch_api.services.scrub import LEASE, REQUEST, RESTS, alarms, scrub_once
from hutch_api.store.tables import Audit, Dataset, File
from tests.conftest import Clock
from tests.laws.conftest import Count
from tests.laws.integrity.damage import flipped
from tests.transfer.flow import Flow, sha256
from tests.transfer.foreign import Foreign

pytestmark = pytest.mark.foreign
PLENTY = 24 * 1024**3
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def file_of(flow: Flow, dataset: UUID, path: str) -> File:
    with flow.site.look() as work:
        return work.session.get_one(File, (dataset, path))


def row_of(flow: Flow, dataset: UUID) -> Dataset:
    with flow.site.look() as work:
        return work.session.get_one(Dataset, dataset)


def audited(flow: Flow, action: str) -> list[dict[str, object]]:
    with flow.site.look() as work:
        query = select(Audit).where(Audit.action == action).order_by(Audit.id)  # type: ignore[arg-type]
        return [row.facts for row in work.session.exec(query)]


def saved_up(flow: Flow, clock: Clock, budget: int = PLENTY) -> None:
    """Let the allowance fill, from whatever it was."""
    scrub_once(flow.site, budget=budget, stop=lambda: True)
    clock.move(LEASE + HOUR)


def scrubbed(flow: Flow, clock: Clock) -> None:
    saved_up(flow, clock)
    while scrub_once(flow.site, budget=PLENTY):
        pass


def flip(flow: Flow, foreign: Foreign, dataset: UUID, path: str, data: bytes) -> None:
    """Put one flipped bit in place of a file, as the store's administrator and DBA."""
    pinned = file_of(flow, dataset, path).version
    foreign.put(key_of(dataset, path), flipped(data))
    listed = flow.site.objects.versions(key_of(dataset, path))
    [version] = [v.version for v in listed if v.version != pinned]
    flow.site.objects.delete([(key_of(dataset, path), pinned)])
    with flow.site.begin() as work:
        work.session.get_one(File, (dataset, path)).version = version


def lose(flow: Flow, dataset: UUID, path: str) -> None:
    version = file_of(flow, dataset, path).version
    flow.site.objects.delete([(key_of(dataset, path), version)])


def test_what_is_as_recorded_is_confirmed(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1", "b": b"22", "empty": b""})
    scrubbed(flow, clock)
    with flow.site.look() as work:
        shown = get_dataset(work, ada, dataset)
        page = files.list_files(work, ada, dataset, after=None, limit=9)
    assert (shown.scrubbed_at, shown.faults) == (clock(), 0)
    assert [(f.confirmed, f.confirmed_at, f.fault) for f in page.items] == [
        (True, clock(), None)
    ] * 3
    [round_] = audited(flow, "scrub")
    assert round_["files"] == round_["confirmed"] == 3
    assert round_["bytes"] == 3


def test_what_differs_is_told_to_everybody_who_must_know(
    flow: Flow, foreign: Foreign, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"first", "b": b"second", "c": b"third"})
    flip(flow, foreign, dataset, "a", b"first")
    lose(flow, dataset, "b")
    with caplog.at_level(logging.ERROR):
        scrubbed(flow, clock)
    found = {p: file_of(flow, dataset, p) for p in "abc"}
    assert {p: f.fault for p, f in found.items()} == {
        "a": Fault.CORRUPT,
        "b": Fault.MISSING,
        "c": None,
    }
    assert [f.confirmed for f in found.values()] == [False, False, True]
    assert row_of(flow, dataset).faults == 2
    [alarm] = audited(flow, "scrub-fault")
    assert alarm["paths"] == ["a", "b"]
    [round_] = audited(flow, "scrub")
    told = {k: round_[k] for k in ("confirmed", "corrupt", "missing", "unreadable")}
    assert told == {"confirmed": 1, "corrupt": 1, "missing": 1, "unreadable": 0}
    with flow.site.look() as work:
        [line] = alarms(work)
    assert line == f"dataset {dataset}: 'a' is corrupt, 'b' is missing"
    logged = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(logged) == 2


def test_what_was_mended_is_believed_again_and_by_the_scrub_only(
    flow: Flow, foreign: Foreign, clock: Clock
) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"first"})
    flip(flow, foreign, dataset, "a", b"first")
    scrubbed(flow, clock)
    file = file_of(flow, dataset, "a")
    claim = Confirmation(path="a", version=file.version, sha256=file.sha256)
    with flow.site.begin() as work:
        files.confirm(work, ada, dataset, ConfirmationsIn(files=(claim,)))
    claimed = file_of(flow, dataset, "a")
    assert (claimed.fault, claimed.confirmed) == (Fault.CORRUPT, False)
    foreign.put(key_of(dataset, "a"), b"first")
    versions = list(flow.site.objects.versions(key_of(dataset, "a")))
    with flow.site.begin() as work:
        row = work.session.get_one(File, (dataset, "a"))
        [row.version] = [v.version for v in versions if v.version != file.version]
    clock.move(timedelta(days=1))
    scrubbed(flow, clock)
    assert file_of(flow, dataset, "a").fault is None
    assert row_of(flow, dataset).faults == 0


@pytest.mark.rules
def test_only_closed_datasets_are_read_the_oldest_round_first(
    flow: Flow, clock: Clock
) -> None:
    ada = flow.user("ada")
    flow.push(ada, flow.dataset(ada, "open").id, {"a": b"1"})
    gone = flow.closed(ada, {"a": b"1"}, "gone")
    deletion.delete(flow.site, ada, gone)
    old = flow.closed(ada, {"a": b"1"}, "old")
    scrubbed(flow, clock)
    new = flow.closed(ada, {"a": b"1"}, "new")
    clock.move(RESTS + HOUR)
    order = list(read_by(flow, lambda: scrub_once(flow.site, budget=PLENTY)))
    assert order == [key_of(new, "a"), key_of(old, "a")]


def read_by(flow: Flow, step: Callable[[], bool]) -> Iterator[str]:
    """Which keys are read, step by step, until there is nothing to do."""
    store = flow.site.objects
    assert isinstance(store, MemoryStore)
    seen: list[str] = []
    read = store.read

    def reading(key: str, version: str) -> Iterator[bytes]:
        seen.append(key)
        return read(key, version)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "read", reading)
        while step():
            yield from seen
            seen.clear()


@pytest.mark.rules
def test_two_workers_never_read_more_than_the_budget_and_nothing_twice(
    flow: Flow, clock: Clock, count: Count, scaled: Callable[[int, int], int]
) -> None:
    ada = flow.user("ada")
    sizes = {f"f{n:03}": 1000 * (n % 7) for n in range(scaled(60, 400))}
    one = flow.closed(ada, {p: b"x" * s for p, s in sizes.items()}, "one")
    two = flow.closed(ada, {p: b"y" * s for p, s in sizes.items()}, "two")
    cost = {key_of(d, p): s + REQUEST for d in (one, two) for p, s in sizes.items()}
    budget = 24 * 5 * REQUEST  # some five files an hour
    hour = budget // 24
    scrub_once(flow.site, budget=budget)
    began, spent, seen = clock(), 0, list[str]()
    turns = 0
    while len(seen) < len(cost):
        clock.move(
            timedelta(minutes=7 + 30 * (turns % 5))
        )  # idle times are not saved up
        keys = list(read_by(flow, lambda: scrub_once(flow.site, budget=budget)))
        spent_now = sum(cost[key] for key in keys)
        assert spent_now <= hour
        spent += spent_now
        seen += keys
        turns += 1
        assert spent <= budget * ((clock() - began) / timedelta(days=1))
    assert sorted(seen) == sorted(cost)
    count("scrub: files read within the budget", len(seen))


@pytest.mark.rules
def test_a_file_beyond_the_budget_is_paid_off(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    flow.closed(ada, {"large": b"x" * (100 * REQUEST)}, "large")
    clock.move(timedelta(seconds=1))
    flow.closed(ada, {"small": b"x"}, "small")
    budget = 24 * 2 * REQUEST
    saved_up(flow, clock, budget)
    assert scrub_once(flow.site, budget=budget)
    assert not scrub_once(flow.site, budget=budget)
    clock.move(timedelta(hours=50))
    assert not scrub_once(flow.site, budget=budget)
    clock.move(timedelta(hours=2))
    assert scrub_once(flow.site, budget=budget)


@pytest.mark.rules
def test_without_a_budget_nothing_is_read(flow: Flow, clock: Clock) -> None:
    flow.closed(flow.user("ada"), {"empty": b""})
    saved_up(flow, clock)
    assert not scrub_once(flow.site, budget=0)


@pytest.mark.rules
def test_two_workers_hold_different_datasets(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    datasets = {flow.closed(ada, {"a": b"1"}, name) for name in ("one", "two")}
    saved_up(flow, clock)
    taken = [scrub._take(flow.site, PLENTY) for _ in range(3)]
    assert {t.dataset for t in taken if t} == datasets
    assert taken[2] is None


class KilledError(BaseException):
    """As if the process were gone: nothing of it is noted any more."""


@pytest.mark.rules
def test_whoever_is_next_goes_on_after_a_kill(
    flow: Flow, clock: Clock, monkeypatch: pytest.MonkeyPatch, count: Count
) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {f"f{n}": b"1" for n in range(9)})
    monkeypatch.setattr(scrub, "SLICE_FILES", 3)
    saved_up(flow, clock)
    kills = 0
    store = flow.site.objects
    assert isinstance(store, MemoryStore)
    for at in range(1, 40):
        calls = iter(range(1, 10_000))

        def before(_: str, calls: Iterator[int] = calls, at: int = at) -> None:
            if next(calls) == at % 8 + 1:
                raise KilledError

        with monkeypatch.context() as killed:
            killed.setattr(store, "before", before)
            note = scrub._note

            def dying(*given: object, note: Callable[..., None] = note) -> None:
                if isinstance(sys.exception(), KilledError):
                    raise KilledError
                note(*given)

            killed.setattr(scrub, "_note", dying)
            with suppress(KilledError):
                while scrub_once(flow.site, budget=PLENTY):
                    pass
        kills += 1
        clock.move(LEASE + timedelta(seconds=1))
        if row_of(flow, dataset).scrubbed_at:
            break
    while scrub_once(flow.site, budget=PLENTY):
        pass
    row = row_of(flow, dataset)
    assert row.scrubbed_at is not None
    assert all(file_of(flow, dataset, f"f{n}").confirmed for n in range(9))
    assert len(audited(flow, "scrub")) == 1
    count("scrub: kills gone on after", kills)


@pytest.mark.rules
@pytest.mark.parametrize("failures", [1, 2])
def test_what_the_store_has_and_does_not_give_is_unreadable_the_second_time(
    flow: Flow,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failures: int,
) -> None:
    dataset = flow.closed(flow.user("ada"), {"a": b"1", "b": b"2"})
    saved_up(flow, clock)
    store, left = flow.site.objects, [None] * failures
    read = store.read

    def failing(key: str, version: str) -> Iterator[bytes]:
        if key == key_of(dataset, "a") and left:
            left.pop()
            raise StoreError("a bad sector")
        return read(key, version)

    monkeypatch.setattr(store, "read", failing)
    with caplog.at_level(logging.ERROR):
        scrub_once(flow.site, budget=PLENTY)
    given = failures == 1
    found = [file_of(flow, dataset, p) for p in "ab"]
    assert [f.fault for f in found] == [None if given else Fault.UNREADABLE, None]
    assert [f.confirmed for f in found] == [given, True]
    with flow.site.look() as work:
        told = alarms(work)
    assert told == ([] if given else [f"dataset {dataset}: 'a' is unreadable"])
    logged = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    alarm = f"scrub: file 'a' of dataset {dataset} is unreadable"
    assert logged == ([] if given else [alarm])


@pytest.mark.rules
@pytest.mark.parametrize("waited", [LEASE / 2 - SECOND, LEASE / 2])
def test_a_lease_is_renewed_when_half_of_it_is_over(
    flow: Flow, clock: Clock, monkeypatch: pytest.MonkeyPatch, waited: timedelta
) -> None:
    dataset = flow.closed(flow.user("ada"), {"a": b"12"})
    saved_up(flow, clock)
    leases = []

    def slow(_key: str, _version: str) -> Iterator[bytes]:
        leases.append(row_of(flow, dataset).scrub_until)
        clock.move(waited)
        yield b"1"
        leases.append(row_of(flow, dataset).scrub_until)
        yield b"2"

    monkeypatch.setattr(flow.site.objects, "read", slow)
    began = clock()
    scrub_once(flow.site, budget=PLENTY)
    renewed = LEASE + (waited if waited == LEASE / 2 else timedelta())
    assert leases == [began + LEASE, began + renewed]
    assert file_of(flow, dataset, "a").confirmed


@pytest.mark.rules
def test_whoever_lost_the_lease_notes_nothing(
    flow: Flow, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = flow.closed(flow.user("ada"), {"a": b"12"})
    saved_up(flow, clock)
    others = []

    def slow(_key: str, _version: str) -> Iterator[bytes]:
        clock.move(LEASE + SECOND)
        others.append(scrub._take(flow.site, PLENTY))
        yield b"not what it was"

    monkeypatch.setattr(flow.site.objects, "read", slow)
    scrub_once(flow.site, budget=PLENTY)
    [other] = others
    assert other is not None
    row = row_of(flow, dataset)
    assert (row.scrub_until, row.faults) == (other.lease, 0)
    assert audited(flow, "scrub-fault") == []


@pytest.mark.rules
def test_a_deletion_beside_a_scrub_raises_no_alarm(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1", "b": b"2"})
    saved_up(flow, clock)
    store = flow.site.objects
    assert isinstance(store, MemoryStore)

    def before(call: str) -> None:
        if call == "stat":
            store.before = lambda _: None
            deletion.delete(flow.site, ada, dataset)

    store.before = before
    scrub_once(flow.site, budget=PLENTY)
    assert row_of(flow, dataset).state is State.DELETED
    assert audited(flow, "scrub-fault") == []


@pytest.mark.rules
def test_a_wrong_sum_of_the_uploader_is_corrupt(flow: Flow, clock: Clock) -> None:
    ada = flow.user("ada")
    dataset = flow.closed(ada, {"a": b"1"})
    with flow.site.begin() as work:
        work.session.get_one(File, (dataset, "a")).sha256 = sha256(b"2")
    scrubbed(flow, clock)
    assert file_of(flow, dataset, "a").fault is Fault.CORRUPT
