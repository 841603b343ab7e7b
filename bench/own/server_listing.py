"""How long a page of 100 out of 200,000 datasets takes, whoever asks and however.

Rows are inserted in bulk. Asked are people as a facility has them: one who owns much,
one with a few hundred shares, members of groups with many or few datasets, and one
who sees nothing; without and with filters; the first page and one deep in the list.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Engine, insert, text
from sqlmodel import Session

from bench.figures import Figure
from bench.own.server_place import database_url
from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import Right, State
from hutch_api.domain.access import Actor
from hutch_api.services import catalogue
from hutch_api.services.work import Work
from hutch_api.store.engine import make_engine
from hutch_api.store.migration import migrate
from hutch_api.store.rows import insert_rows
from hutch_api.store.tables import Dataset, Group, Member, Share, User

_ROUNDS: Final = 20
_PAGE: Final = 100
_TARGET: Final = "≤ 50 ms"
_OWNERS: Final = 40
_BEGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)

FILTERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "all": {},
    "a type": {"type_name": "scan.tomo"},
    "a state": {"state": State.CLOSED},
    "a rare state": {"state": State.CLOSING},
    "a text": {"query": "beamtime"},
    "a rare text": {"query": "gold"},
    "a text that is nowhere": {"query": "nowhere"},
    "an owner": {"owner": "owner-3"},
    "a type, a state, a text": {
        "type_name": "scan",
        "state": State.CLOSED,
        "query": "gold",
    },
}


@dataclass(frozen=True, slots=True)
class _People:
    owner: Actor
    shares: Actor
    large: Actor
    small: Actor
    stranger: Actor


def measure(place: Path, *, small: bool) -> list[Figure]:
    """List on SQLite and on PostgreSQL; a figure for each kind of person."""
    count, rounds = (2_000, 2) if small else (200_000, _ROUNDS)
    figures = []
    for database in ("sqlite", "postgresql"):
        below = place / database
        below.mkdir()
        with database_url(below, database) as url:
            engine = make_engine(url)
            migrate(engine)
            people = _fill(engine, count)
            for who, taken in _ask(engine, people, rounds):
                kinds: dict[str, dict[str, list[float]]]
                kinds = {"": {}, ", searching a text": {}}
                for at, times in taken.items():
                    kinds[", searching a text" if "text" in at else ""][at] = times
                figures += [
                    _figure(f"page of {_PAGE} of {count}, {who}{kind} ({database})", of)
                    for kind, of in kinds.items()
                ]
            engine.dispose()
    return figures


def _figure(name: str, taken: Mapping[str, Sequence[float]]) -> Figure:
    worst = max(taken, key=lambda at: _p95(taken[at]))
    return Figure(
        name=f"{name}, p95",
        value=_p95([t for times in taken.values() for t in times]) * 1e3,
        unit="ms",
        target=_TARGET,
        note=f"slowest: {worst}, p95 {_p95(taken[worst]) * 1e3:.1f} ms",
    )


def _p95(times: Sequence[float]) -> float:
    return quantiles(times, n=20, method="inclusive")[-1]


def _ask(
    engine: Engine, people: _People, rounds: int
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    for who, actor in (
        ("who owns much", people.owner),
        ("with 300 shares", people.shares),
        ("of a large group", people.large),
        ("of a small group", people.small),
        ("who sees nothing", people.stranger),
    ):
        taken: dict[str, list[float]] = {}
        for name, wanted in FILTERS.items():
            for deep in (False, True):
                after = _deep(engine, actor, wanted) if deep else None
                if deep and after is None:
                    continue
                at = f"{name}, {'deep' if deep else 'first'}"
                taken[at] = [
                    _page(engine, actor, wanted, after=after) for _ in range(rounds)
                ]
        yield who, taken


def _page(
    engine: Engine, actor: Actor, wanted: Mapping[str, Any], *, after: str | None
) -> float:
    begun = time.perf_counter()
    with (
        engine.connect().execution_options(hutch_readonly=True) as connection,
        Session(connection, expire_on_commit=False) as session,
    ):
        page = catalogue.list_datasets(
            Work(session, datetime.now(UTC)), actor, after=after, limit=_PAGE, **wanted
        )
    msgspec.json.encode(page)
    return time.perf_counter() - begun


def _deep(engine: Engine, actor: Actor, wanted: Mapping[str, Any]) -> str | None:
    """Go through all pages; give the cursor in the middle."""
    cursors: list[str] = []
    with Session(engine) as session:
        work = Work(session, datetime.now(UTC))
        after: str | None = None
        while len(cursors) < _PAGE:
            page = catalogue.list_datasets(
                work, actor, after=after, limit=catalogue.LONGEST_PAGE, **wanted
            )
            if page.next is None:
                break
            cursors.append(after := page.next)
    return cursors[len(cursors) // 2] if cursors else None


def _fill(engine: Engine, count: int) -> _People:
    users = [uuid4() for _ in range(_OWNERS + 4)]
    names = [f"owner-{n}" for n in range(_OWNERS)]
    names += ["shares", "large", "small", "stranger"]
    large, small = uuid4(), uuid4()
    with Session(engine) as session, session.begin():
        rows = [
            {
                "id": user,
                "name": name,
                "password": "-",
                "role": Role.USER,
                "created_at": _BEGIN,
            }
            for user, name in zip(users, names, strict=True)
        ]
        insert_rows(session, User, rows)
        groups = [
            {"id": g, "name": n, "owner_id": users[0], "created_at": _BEGIN}
            for g, n in ((large, "large-group"), (small, "small-group"))
        ]
        insert_rows(session, Group, groups)
        members = [(large, users[_OWNERS + 1]), (small, users[_OWNERS + 2])]
        insert_rows(
            session, Member, [{"group_id": g, "user_id": u} for g, u in members]
        )
    for at in range(0, count, 5_000):
        ids = [uuid4() for _ in range(min(5_000, count - at))]
        with Session(engine) as session, session.begin():
            session.execute(
                insert(Dataset),
                [_dataset(d, n, users, count) for n, d in enumerate(ids, at)],
            )
            shared = [
                {
                    "id": uuid4(),
                    "dataset_id": d,
                    "user_id": user,
                    "group_id": group,
                    "right": Right.READ,
                    "since": _BEGIN,
                }
                for n, d in enumerate(ids, at)
                for every, user, group in (
                    (max(count // 300, 1), users[_OWNERS], None),
                    (3, None, large),
                    (max(count // 50, 1), None, small),
                )
                if n % every == 0
            ]
            insert_rows(session, Share, shared)
    if engine.dialect.name == "postgresql":  # as its own upkeep does after a while
        with engine.connect() as connection:
            free = connection.execution_options(isolation_level="AUTOCOMMIT")
            free.execute(text("VACUUM ANALYZE"))
    return _People(*(_actor(u, n) for u, n in _asking(users, names)))


def _asking(users: list[UUID], names: list[str]) -> Iterator[tuple[UUID, str]]:
    return ((users[n], names[n]) for n in (0, *range(_OWNERS, _OWNERS + 4)))


def _actor(user: UUID, name: str) -> Actor:
    return Actor(user=user, name=name, role=Role.USER, request_id="bench")


def _dataset(
    dataset: UUID, n: int, users: Sequence[UUID], count: int
) -> dict[str, Any]:
    """Make a row: a fifth belongs to one owner, some texts and states are rare."""
    owner = users[0] if n % 5 == 0 else users[1 + n % (_OWNERS - 1)]
    at = _BEGIN + timedelta(minutes=n)
    rare = n % 997 == 0
    return {
        "id": dataset,
        "name": f"{'gold' if rare else 'scan'}-{n:07}",
        "name_is_unique": False,
        "owner_id": owner,
        "creator_id": owner,
        "type": ("generic", "scan", "scan.tomo")[n // 7 % 3],
        "type_version": 1,
        "attributes": {"energy": {"value": 20.5, "unit": "keV"}, "n": n},
        "description": f"beamtime {n * 50 // max(count, 1)}, sample {n % 89}",
        "keywords": ["tomography", f"proposal-{n % 211}"],
        "state": State.CLOSING
        if n % 4_999 == 0
        else (State.OPEN if n % 10 == 0 else State.CLOSED),
        "revision": 1,
        "correction": False,
        "files": 1_000,
        "bytes": 10**9,
        "created_at": at,
        "updated_at": at,
        "sweeps": 0,
        "faults": 0,
    }
