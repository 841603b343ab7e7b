"""The generations of a dataset's store account: the machine and its laws.

Servers make an account, others end it; answers get lost, creations come late, a
server dies anywhere. URLs are signed only by a generation that is live. The guards
stand in ``hutch_api.services.store_accounts``, whose states are used here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from hutch.contract.wire.datasets import State
from hutch_api.domain.lifecycle import may_become
from hutch_api.services.store_accounts import USABLE
from hutch_api.store.tables import AccountState
from tests.laws.model.checker import Step
from tests.laws.model.rules import is_open

GUARDS: Final = {
    "one-creation": "a generation is asked for once, never again",
    "fresh-generation": "a generation is never used twice",
    "live-before-signing": "nothing is signed before creating became live",
    "creating-to-live": "only creating becomes live (_move in _enliven)",
    "open-to-live": "live only on a dataset that is open (_open_dataset in _enliven)",
    "retire-creating": "what is being made ends too (USABLE in retire)",
    "settle-before-compare": "a close does not pass accounts that are pending",
    "ended-once": "only the operation that is running ends a close (operations.end)",
    "gone-after-deletion": "a row is gone only when the store has deleted it",
    "collect": "accounts that the table does not hold are collected",
    "listed-before-known": "collecting lists the store before it reads the table",
}


class Generation(NamedTuple):
    """One generation: its row, and what the store has of it.

    Attributes:
        alive: The store knows the account.
        made: The store has carried out a creation.
        on_the_way: Creations that the store has still to carry out.
        signed: A URL was signed with it.
        ended: The store has deleted it since a URL was signed.
    """

    row: AccountState
    alive: bool = False
    made: bool = False
    on_the_way: int = 0
    signed: bool = False
    ended: bool = False


class Server(NamedTuple):
    """A server in the middle of something.

    Attributes:
        does: ``make``, ``settle``, ``close`` or ``collect``.
        at: The step that comes next.
        seen: Generations by number, as it saw them earlier.
        operation: Number of the close that it carries out.
    """

    does: str
    at: str
    seen: tuple[int, ...] = ()
    operation: int = 0


class World(NamedTuple):
    """A dataset, the generations of its account, and the servers at work."""

    state: State = State.OPEN
    generations: tuple[Generation, ...] = ()
    servers: tuple[Server, ...] = ()
    operation: int = 0


@dataclass(frozen=True)
class Accounts:
    """The machine.

    Attributes:
        generations: Most generations that are made.
        servers: Most servers at work at once.
        refusals: How often a close may be refused.
        without: Guards that are left out.
    """

    generations: int = 2
    servers: int = 2
    refusals: int = 1
    without: frozenset[str] = frozenset()

    def holds(self, guard: str) -> bool:
        return guard not in self.without

    def starts(self) -> list[World]:
        return [World()]

    def asked(self, world: World) -> Iterator[Step[World]]:
        yield from self._people(world)
        for server in set(world.servers):
            yield f"the server that would {server.does} dies", _next(world, server)
        for n in _numbers(world):
            if world.generations[n].on_the_way:
                lost = _change(world, n, on_the_way=world.generations[n].on_the_way - 1)
                yield f"the creation of generation {n} gets lost", lost

    def housekeeping(self, world: World) -> Iterator[Step[World]]:
        yield from self._store(world)
        for server in set(world.servers):
            yield from getattr(self, f"_{server.does}")(world, server)
        yield from self._worker(world)

    def wrong(self, world: World) -> str | None:
        for n, generation in enumerate(world.generations):
            if generation.ended and generation.alive:
                return f"generation {n} came back to life, its old URLs work again"
            if generation.row is AccountState.LIVE and not generation.alive:
                return f"generation {n} is live, but the store does not know it"
            if generation.signed and generation.alive:
                if world.state is State.CLOSED:
                    return f"a URL of generation {n} works on a closed dataset"
                if generation.row is AccountState.GONE:
                    return f"a URL of generation {n} works, and nobody knows of it"
        usable = [g for g in world.generations if g.row in USABLE]
        return "two generations are usable" if len(usable) > 1 else None

    def is_settled(self, world: World) -> bool:
        return (
            not world.servers
            and world.state in {State.OPEN, State.CLOSED}
            and all(
                g.row is AccountState.GONE and not g.alive and not g.on_the_way
                for g in world.generations
            )
        )

    # ---- what people ask for

    def _people(self, world: World) -> Iterator[Step[World]]:
        if len(world.servers) >= self.servers:
            return
        usable = [n for n in _numbers(world) if world.generations[n].row in USABLE]
        if is_open(world.state):
            if not usable and len(world.generations) < self.generations:
                yield from self._new(world)
            for n in usable:
                row = world.generations[n].row
                if row is AccountState.LIVE or not self.holds("live-before-signing"):
                    yield f"a URL is signed by generation {n}", _signed(world, n)
        retired = self._retire(world)
        yield "somebody loses the right to write", retired
        if may_become(world.state, State.CLOSING):
            closing = retired._replace(
                state=State.CLOSING, operation=world.operation + 1
            )
            yield "the owner closes", _add(closing, _closer(closing))
        if world.state is State.CLOSING:
            yield "a worker takes the close over", _add(world, _closer(world))

    def _new(self, world: World) -> Iterator[Step[World]]:
        n = len(world.generations)
        fresh = (*world.generations, Generation(AccountState.CREATING))
        begun = _add(world._replace(generations=fresh), Server("make", "send", (n,)))
        yield f"a push notes generation {n} as creating", begun
        if not self.holds("fresh-generation") and n:
            again = _change(world, n - 1, row=AccountState.CREATING)
            begun = _add(again, Server("make", "send", (n - 1,)))
            yield f"a push notes generation {n - 1} as creating again", begun

    def _retire(self, world: World) -> World:
        """Mark what is usable; ``store_accounts.retire``."""
        ends = set(USABLE)
        if not self.holds("retire-creating"):
            ends = {AccountState.LIVE}
        return world._replace(
            generations=tuple(
                g._replace(row=AccountState.DELETING) if g.row in ends else g
                for g in world.generations
            )
        )

    # ---- what servers go on with

    def _make(self, world: World, server: Server) -> Iterator[Step[World]]:
        (n,) = server.seen
        generation = world.generations[n]
        match server.at:
            case "send":
                sent = _change(world, n, on_the_way=generation.on_the_way + 1)
                yield (
                    f"the creation of generation {n} is sent",
                    _next(sent, server, "answer"),
                )
            case "answer":
                if generation.made:
                    yield "the store answers", _next(world, server, "enliven")
                lost = "burn" if self.holds("one-creation") else "send"
                if generation.on_the_way < 2:
                    yield "no answer comes", _next(world, server, lost)
            case "enliven":
                before = {AccountState.CREATING}
                if not self.holds("creating-to-live"):
                    before = set(AccountState)
                allowed = is_open(world.state) or not self.holds("open-to-live")
                if allowed and generation.row in before:
                    live = _signed(_change(world, n, row=AccountState.LIVE), n)
                    yield f"generation {n} is live and signs", _next(live, server)
                else:
                    yield "it may not become live", _next(world, server, "burn")
            case "burn":
                burnt = _change(world, n, row=AccountState.DELETING)
                yield f"generation {n} is noted as burnt", _next(burnt, server)

    def _settle(self, world: World, server: Server) -> Iterator[Step[World]]:
        match server.at:
            case "look":
                seen = tuple(
                    n
                    for n in _numbers(world)
                    if world.generations[n].row is AccountState.DELETING
                )
                after = self._go_on(world, server, seen, "delete")
                yield "the rows to delete are read", after
            case "delete" | "note":
                yield from self._end(world, server)

    def _end(self, world: World, server: Server) -> Iterator[Step[World]]:
        """Delete the first account that was seen, then note it, in this order."""
        n, *rest = server.seen
        deleted = _deleted(world, n)
        noted = world
        if world.generations[n].row is AccountState.DELETING:
            noted = _change(world, n, row=AccountState.GONE)
        first, second = (deleted, noted)
        if not self.holds("gone-after-deletion"):
            first, second = second, first
        words = (
            f"the store deletes generation {n}",
            f"generation {n} is noted as gone",
        )
        if not self.holds("gone-after-deletion"):
            words = words[::-1]
        if server.at == "delete":
            yield words[0], _next(first, server, "note", server.seen)
        else:
            yield words[1], self._go_on(second, server, tuple(rest), "delete")

    def _go_on(
        self, world: World, server: Server, seen: tuple[int, ...], at: str
    ) -> World:
        if seen:
            return _next(world, server, at, seen)
        return _next(world, server, "compare" if server.does == "close" else None)

    def _close(self, world: World, server: Server) -> Iterator[Step[World]]:
        match server.at:
            case "settle":
                if self.holds("settle-before-compare"):
                    looking = server._replace(at="look")
                    yield from self._settle(_next(world, server, "look"), looking)
                else:
                    yield "accounts are left for later", _next(world, server, "compare")
            case "delete" | "note":
                yield from self._end(world, server)
            case "compare" if self._has_ended(world, server):
                yield "others were faster", _next(world, server)
            case "compare":
                closed = world._replace(state=State.CLOSED)
                yield "the close is committed", _next(closed, server)
                if world.operation <= self.refusals:
                    opened = world._replace(state=State.OPEN)
                    yield "the close is refused", _next(opened, server)

    def _has_ended(self, world: World, server: Server) -> bool:
        """Tell whether others have ended the close; ``operations.end``."""
        if world.state is not State.CLOSING:
            return True
        return self.holds("ended-once") and server.operation != world.operation

    def _collect(self, world: World, server: Server) -> Iterator[Step[World]]:
        listed = tuple(n for n in _numbers(world) if world.generations[n].alive)
        known = tuple(
            n
            for n in _numbers(world)
            if world.generations[n].row is not AccountState.GONE
        )
        match server.at:
            case "first":
                seen = listed if self.holds("listed-before-known") else known
                yield "accounts are looked at", _next(world, server, "second", seen)
            case "second" if self.holds("listed-before-known"):
                unknown = tuple(n for n in server.seen if n not in known)
                yield "rows are read", _next(world, server, "delete", unknown)
            case "second":
                unknown = tuple(n for n in listed if n not in server.seen)
                yield "accounts are listed", _next(world, server, "delete", unknown)
            case "delete":
                for n in server.seen:
                    world = _deleted(world, n)
                yield "unknown accounts are deleted", _next(world, server)

    # ---- what happens by itself

    def _store(self, world: World) -> Iterator[Step[World]]:
        for n in _numbers(world):
            generation = world.generations[n]
            if generation.on_the_way:
                made = _change(
                    world,
                    n,
                    alive=True,
                    made=True,
                    on_the_way=generation.on_the_way - 1,
                )
                yield f"the store makes generation {n}", made

    def _worker(self, world: World) -> Iterator[Step[World]]:
        idle = self._retire(world)
        if not self.holds("retire-creating"):
            idle = self._retire_stuck(idle)
        yield "the account is idle for long", idle
        if len(world.servers) >= self.servers:
            return
        marked = any(g.row is AccountState.DELETING for g in world.generations)
        if marked:
            yield "the worker looks for accounts", _add(world, Server("settle", "look"))
        if self.holds("collect") and any(g.alive for g in world.generations):
            yield "the worker collects", _add(world, Server("collect", "first"))
        if world.state is State.CLOSING:
            yield "a worker goes on", _add(world, _closer(world))

    def _retire_stuck(self, world: World) -> World:
        return world._replace(
            generations=tuple(
                g._replace(row=AccountState.DELETING) if g.row in USABLE else g
                for g in world.generations
            )
        )


def _closer(world: World) -> Server:
    return Server("close", "settle", operation=world.operation)


def _numbers(world: World) -> range:
    return range(len(world.generations))


def _change(world: World, n: int, **changes: object) -> World:
    rows = list(world.generations)
    rows[n] = rows[n]._replace(**changes)  # type: ignore[arg-type] # fields by name
    return world._replace(generations=tuple(rows))


def _signed(world: World, n: int) -> World:
    return _change(world, n, signed=True)


def _deleted(world: World, n: int) -> World:
    generation = world.generations[n]
    ended = generation.ended or generation.signed
    return _change(world, n, alive=False, ended=ended)


def _add(world: World, server: Server) -> World:
    return world._replace(servers=tuple(sorted((*world.servers, server))))


def _next(
    world: World,
    server: Server,
    at: str | None = None,
    seen: tuple[int, ...] | None = None,
) -> World:
    """Move a server on; None as the step means that it is done or dead."""
    left = list(world.servers)
    left.remove(server)
    gone = world._replace(servers=tuple(left))
    if at is None:
        return gone
    seen = server.seen if seen is None else seen
    return _add(gone, server._replace(at=at, seen=seen))
