"""How a dataset is closed, deleted and swept, step by step."""

from collections.abc import Iterator

from hutch.contract.wire.datasets import State
from hutch_api.domain.lifecycle import may_become
from hutch_api.services.comparison import Oddity
from hutch_api.services.intake import TAKEN
from hutch_api.store.tables import IntentState, Verb
from tests.laws.model import rules
from tests.laws.model.checker import Step
from tests.laws.model.world import (
    FOREIGN,
    NONE,
    Bounds,
    Server,
    World,
    dead,
    owner_of,
)

Steps = Iterator[Step[World]]
_EVERYTHING = frozenset(Oddity)
_DROP = frozenset(TAKEN)
_NOTHING: frozenset[Oddity] = frozenset()
CLOSES = ("close", "drop", "adopt")


def asked(world: World, bounds: Bounds) -> Steps:
    """What owners and other tools may do."""
    if bounds.room(world) and world.operation < bounds.operations:
        for does in CLOSES:
            if does in bounds.asks and may_become(world.state, State.CLOSING):
                begun = _begun(world, bounds, State.CLOSING)
                words = {
                    "close": "the owner closes, abandoning uploads",
                    "drop": "the owner closes with --drop",
                    "adopt": "the owner closes with --adopt",
                }[does]
                yield words, begun.with_server(Server(does, "settle", begun.operation))
        if "take" in bounds.asks and rules.is_open(world.state):
            yield "somebody adopts", world.with_server(Server("take", "sight"))
        if "delete" in bounds.asks and may_become(world.state, State.DELETING):
            begun = _begun(world, bounds, State.DELETING)
            server = Server("delete", "settle", begun.operation)
            yield "the owner deletes", begun.with_server(server)
    if world.foreign < bounds.foreign and FOREIGN not in world.stored:
        wrote = world._replace(
            stored=(FOREIGN, *world.stored), foreign=world.foreign + 1
        )
        yield "another tool writes there", wrote


def _begun(world: World, bounds: Bounds, state: State) -> World:
    """The transaction that begins it: ``revocation.writing_ended``."""
    intents = tuple(
        n._replace(state=IntentState.ABORTED)
        if n.is_live and bounds.holds("end-intents")
        else n
        for n in world.intents
    )
    return world._replace(
        state=state, intents=intents, operation=world.operation + 1, decided=False
    )


def chores(world: World, bounds: Bounds) -> Steps:
    """What workers begin: they take over operations, and sweep."""
    if not bounds.room(world):
        return
    if world.state is State.CLOSING:
        for does in CLOSES:
            if does in bounds.asks:
                server = Server(does, "settle", world.operation)
                yield "a worker takes the close over", world.with_server(server)
    if world.state is State.DELETING:
        server = Server("delete", "settle", world.operation)
        yield "a worker takes the deletion over", world.with_server(server)
    due = world.state in {State.CLOSED, State.DELETED} or not bounds.holds(
        "sweep-state"
    )
    differs = world.stored != ((world.pinned,) if world.pinned else ())
    if due and differs and not any(s.does == "sweep" for s in world.servers):
        yield "a sweep is due", world.with_server(Server("sweep", "check"))


def fence(world: World, bounds: Bounds, server: Server, then: str) -> Steps:
    """End what can still write: ``store_accounts.settle`` and ``end_uploads``."""
    match server.at:
        case "settle":
            ended = world
            if bounds.holds("settle"):
                ended = world._replace(urls=frozenset())
            yield "the accounts are deleted", ended.moved(server, "uploads")
        case "uploads":
            left = world.uploads
            live = {n.upload for n in world.intents if n.is_live}
            if bounds.holds("end-uploads"):
                for n in world.intents:
                    if n.state is not IntentState.ABORTED or n.cleared:
                        continue
                    if n.upload:
                        left -= {n.upload}
                    elif n.verb is Verb.MULTIPART and NONE not in live:
                        left &= live
            ended = world._replace(uploads=left)
            yield "what was opened is aborted", ended.moved(server, then)


def close(world: World, bounds: Bounds, server: Server) -> Steps:
    """Bring a close to its end: ``closing.proceed``."""
    match server.at:
        case "settle" | "uploads":
            decided = _runs(world, server) and world.decided
            first = "sight" if server.does == "adopt" else "manifest"
            yield from fence(world, bounds, server, "pieces" if decided else first)
        case "sight" | "hash" | "adopted":
            yield from _taken_in(world, bounds, server)
        case "manifest" | "list" | "look" | "take":
            yield from _tidied(world, bounds, server)
        case "decide":
            yield from _decided(world, bounds, server)
        case "pieces":
            seen = (world.pinned,)
            yield "the manifest is written", world.moved(server, "record", seen)
        case "record":
            sealed = world._replace(record=server.seen[0])
            yield "the seal is written", sealed.moved(server, "commit")
        case "commit":
            yield from _committed(world, bounds, server)


def _tidied(world: World, bounds: Bounds, server: Server) -> Steps:
    """Take away what may go: ``closing._tidy``."""
    match server.at:
        case "manifest":
            seen = (world.pinned,)
            yield "the manifest is read", world.moved(server, "list", seen)
        case "list":
            yield from _compared(world, bounds, server)
        case "look" if not _runs(world, server) and bounds.holds("fence"):
            yield "others have ended the close", world.moved(server, None)
        case "look":
            yield "the close still runs", world.moved(server, "take")
        case "take":
            again, *gone = server.seen
            left = world.without_versions(tuple(gone))
            at = "manifest" if again else "decide"
            yield "what may go is deleted", left.moved(server, at, (0,))


def _runs(world: World, server: Server) -> bool:
    return world.state is State.CLOSING and world.operation == server.about


def _ends(world: World, bounds: Bounds, server: Server) -> bool:
    """Tell whether a server may end the close; ``operations.lock_running``."""
    if not bounds.holds("ended-once"):
        return world.state is State.CLOSING
    return _runs(world, server)


def _compared(world: World, bounds: Bounds, server: Server) -> Steps:
    takes = _DROP if server.does == "drop" else _NOTHING
    gone, again, reasons = rules.compared(
        server.seen[0], world.stored, dead(world, bounds), takes
    )
    if gone:
        taking = world.moved(server, "look", (int(again), *gone))
        yield "the store is compared with the manifest", taking
    else:
        decide = world.moved(server, "decide", (int(reasons),))
        yield "the store is compared with the manifest", decide
    if world.refused < bounds.refused:
        other = world._replace(refused=world.refused + 1)
        yield "a file elsewhere is missing", other.moved(server, "decide", (1,))


def _decided(world: World, bounds: Bounds, server: Server) -> Steps:
    (reasons,) = server.seen
    if not _ends(world, bounds, server):
        yield "others have ended the close", world.moved(server, None)
    elif world.decided and bounds.holds("decided-once"):
        yield "it was decided to close", world.moved(server, "pieces", ())
    elif reasons:
        ended = tuple(
            n._replace(state=IntentState.ABORTED) if n.is_live else n
            for n in world.intents
        )
        opened = world._replace(state=State.OPEN, intents=ended)
        yield "the close is refused", opened.moved(server, None)
    else:
        decided = bounds.holds("decided-once")
        yield (
            "it is decided to close",
            world._replace(decided=decided).moved(server, "pieces", ()),
        )


def take(world: World, bounds: Bounds, server: Server) -> Steps:
    """Adopt what a tool wrote into an open dataset: ``adoption.proceed``."""
    yield from _taken_in(world, bounds, server)


def _taken_in(world: World, bounds: Bounds, server: Server) -> Steps:
    """Make a file of what a tool wrote: ``intake.take_in``."""
    after = "manifest" if server.does == "adopt" else None
    match server.at:
        case "sight" if world.stored[:1] == (FOREIGN,) and world.pinned != FOREIGN:
            yield "it is seen", world.moved(server, "hash", (world.pinned,))
        case "sight":
            yield "nothing is to be adopted", world.moved(server, after, ())
        case "hash":
            yield "what is adopted is read", world.moved(server, "adopted")
        case "adopted" if not _may_adopt(world, bounds, server):
            yield "it is adopted no more", world.moved(server, None)
        case "adopted":
            (base,) = server.seen
            known = rules.base_holds(world.pinned, base) and world.live is None
            if not known and bounds.holds("adopt-base"):
                yield "it was changed meanwhile", world.moved(server, after, ())
                return
            lost = world.lost if known or world.pinned == base else world.pinned
            superseded = world.superseded | ({world.pinned} if world.pinned else set())
            taken = world._replace(
                pinned=FOREIGN, superseded=superseded, adopted=True, lost=lost
            )
            yield "the foreign version is adopted", taken.moved(server, after, ())


def _may_adopt(world: World, bounds: Bounds, server: Server) -> bool:
    if server.does == "take":
        return rules.is_open(world.state) or not bounds.holds("adopt-open")
    running = _runs(world, server) and not world.decided
    return running or not bounds.holds("adopt-running")


def _committed(world: World, bounds: Bounds, server: Server) -> Steps:
    if not _ends(world, bounds, server):
        yield "others have ended the close", world.moved(server, None)
        return
    closed = _forgotten(world, bounds)._replace(
        state=State.CLOSED, digest=server.seen[0]
    )
    yield "the close is committed", closed.moved(server, None)


def _forgotten(world: World, bounds: Bounds) -> World:
    """Note that nothing dead is left: ``remains.forget``."""
    intents = tuple(
        n._replace(cleared=True)
        if n.state is IntentState.ABORTED
        and (
            n.verb is not Verb.MULTIPART or n.upload or not bounds.holds("keep-unnoted")
        )
        else n
        for n in world.intents
    )
    return world._replace(intents=intents, superseded=frozenset())


def delete(world: World, bounds: Bounds, server: Server) -> Steps:
    """Bring a deletion to its end: ``deletion.proceed``."""
    match server.at:
        case "settle" | "uploads":
            yield from fence(world, bounds, server, "list")
        case "list":
            at = "take" if world.stored else "gone"
            yield "all versions are listed", world.moved(server, at, world.stored)
        case "take":
            after = world.without_versions(server.seen)
            yield "they are deleted", after.moved(server, "list", ())
        case "gone" if world.state is State.DELETING:
            gone = _forgotten(world, bounds)._replace(state=State.DELETED, pinned=NONE)
            yield "the dataset is deleted", gone.moved(server, None)
        case "gone":
            yield "others were faster", world.moved(server, None)


def sweep(world: World, bounds: Bounds, server: Server) -> Steps:
    """Remove what is foreign from a closed or deleted dataset: ``sweep``."""
    match server.at:
        case "check":
            same = world.record == world.digest == world.pinned
            swept = same or world.state is not State.CLOSED
            if swept or not bounds.holds("same-records"):
                yield "the records fit", world.moved(server, "manifest")
            else:
                yield "the sweep stops: the records differ", world.moved(server, None)
        case "manifest":
            seen = (world.pinned,)
            yield "the manifest is read", world.moved(server, "list", seen)
        case "list":
            gone, _, _ = rules.compared(
                server.seen[0], world.stored, dead(world, bounds), _EVERYTHING
            )
            at = "take" if gone else None
            yield "what is foreign is listed", world.moved(server, at, gone)
        case "take":
            after = world.without_versions(server.seen)
            yield "what is foreign is deleted", after.moved(server, None)


def is_foreign_gone(world: World) -> bool:
    """Tell whether plain listing equals the manifest, but for others' versions."""
    left = [v for v in world.stored if v != FOREIGN or world.state is not State.OPEN]
    pinned = [world.pinned] if world.pinned not in {NONE, FOREIGN} else []
    if world.pinned == FOREIGN and world.state is not State.OPEN:
        pinned = [FOREIGN]
    return left == pinned and all(owner_of(v) >= -1 for v in left)
