"""One path of one dataset: what the database and the store hold of it, and who works.

A state of the model. Versions and uploads are numbers that tell whose they are: the
``n``-th of intent ``i`` is ``10 * (i + 1) + n``; smaller ones are of others.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from hutch.contract.wire.datasets import State
from hutch_api.store.tables import LIVE_INTENTS, IntentState, Verb

NONE: Final = 0
FOREIGN: Final = 1
"""A version that another tool wrote."""
REMOVED: Final = -1
FIRST: Final = 2
"""The version that was pinned before the model begins."""

GUARDS: Final = {
    "base-at-commit": "a commit compares the base again (require_base in commit_files)",
    "completing-only": "only what is completing is committed (_require_completing)",
    "open-at-commit": "files are committed to open datasets (require_open)",
    "give-up-once": "only what is completing is given up (_give_up)",
    "create-only": "a PUT creates only (if-none-match)",
    "supersede": "a replaced version is noted (supersede in _take)",
    "note-live": "an upload is noted only while its intent lives (_open_uploads)",
    "begun-anew": "an intent that is still new is not gone on with (_is_opened)",
    "opening": "lost uploads are looked for again while one is opened (end_upload)",
    "list-first": "lost uploads are listed before intents are read (end_upload)",
    "late": "what an upload left or brought goes when its URLs have expired (LATE)",
    "end-intents": "a close ends the uploads under way (writing_ended)",
    "settle": "a close ends the accounts before it compares (settle)",
    "end-uploads": "a close ends multipart uploads before it commits (end_uploads)",
    "keep-unnoted": "uploads without a noted id are not forgotten (forget)",
    "ended-once": "only the running operation ends a close (operations.end)",
    "fence": "only while it runs does a close take versions away (require_running)",
    "decided-once": "records are written after the one decision (_decide)",
    "is-ours": "only what carries the intent's id is ours (is_ours)",
    "adopt-base": "what is adopted has the base that was listed (_unchanged)",
    "adopt-open": "tools' work becomes part of open datasets only (hold)",
    "adopt-running": "a close adopts only while it runs and is not decided (hold)",
    "sweep-state": "only closed and deleted datasets are swept (sweep)",
    "same-records": "a sweep stops where the records differ (_require_same_records)",
}


class Intent(NamedTuple):
    """A file on its way.

    Attributes:
        push: Whose it is.
        base: The version that it replaces.
        upload: The multipart upload that is noted.
        version: What was committed.
        made: How many versions it has brought into the store.
    """

    verb: Verb
    state: IntentState
    push: int
    base: int
    force: bool = False
    upload: int = NONE
    cleared: bool = False
    version: int = NONE
    made: int = 0

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_INTENTS


class Server(NamedTuple):
    """A server or worker in the middle of something.

    Attributes:
        does: What it was asked for.
        at: The step that comes next.
        about: The intent, version or operation that it is about.
        seen: What it saw earlier.
    """

    does: str
    at: str
    about: int = 0
    seen: tuple[int, ...] = ()


class World(NamedTuple):
    """Everything at one moment.

    Attributes:
        pinned: The version in the manifest.
        stored: Versions in the store, the newest first.
        uploads: Multipart uploads in the store.
        sent: Those whose parts are there.
        superseded: Versions noted as replaced.
        urls: Intents of verb S with a URL that works.
        flying: Intents of verb S whose PUT is under way.
        operation: Number of the last close or deletion.
        decided: It was decided that the close goes through.
        record: What the records in the bucket say is pinned.
        digest: What was sealed.
        refused: How many closes were refused.
        foreign: How many versions other tools have written.
        adopted: One of them became part of the dataset.
        lost: What was replaced by somebody who did not know it: a version, or that
            the file had been removed.
    """

    state: State = State.OPEN
    pinned: int = NONE
    intents: tuple[Intent, ...] = ()
    stored: tuple[int, ...] = ()
    uploads: frozenset[int] = frozenset()
    sent: frozenset[int] = frozenset()
    superseded: frozenset[int] = frozenset()
    urls: frozenset[int] = frozenset()
    flying: frozenset[int] = frozenset()
    servers: tuple[Server, ...] = ()
    operation: int = 0
    decided: bool = False
    record: int = NONE
    digest: int = NONE
    refused: int = 0
    foreign: int = 0
    adopted: bool = False
    lost: int = NONE

    def with_intent(self, i: int, **changes: object) -> "World":
        rows = list(self.intents)
        rows[i] = rows[i]._replace(**changes)  # type: ignore[arg-type] # by name
        return self._replace(intents=tuple(rows))

    def with_server(self, server: Server) -> "World":
        return self._replace(servers=tuple(sorted((*self.servers, server))))

    def moved(
        self, server: Server, at: str | None, seen: tuple[int, ...] | None = None
    ) -> "World":
        """Move a server to its next step; None means that it is done, or dead."""
        left = list(self.servers)
        left.remove(server)
        world = self._replace(servers=tuple(left))
        if at is None:
            return world
        seen = server.seen if seen is None else seen
        return world.with_server(server._replace(at=at, seen=seen))

    def without_versions(self, gone: tuple[int, ...]) -> "World":
        return self._replace(stored=tuple(v for v in self.stored if v not in gone))

    @property
    def live(self) -> int | None:
        """The live intent of the path, by number."""
        return next((i for i, n in enumerate(self.intents) if n.is_live), None)


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How far a machine goes.

    Attributes:
        begins: The states it begins in.
        intents: Most intents.
        servers: Most servers and workers at work at once.
        verbs: How a new file may travel.
        asks: What people may ask for.
        operations: Most closes and deletions, one after the other.
        foreign: How many versions other tools write.
        refused: How many closes may be refused for the sake of another path.
        without: Guards that are left out.
    """

    begins: tuple[World, ...] = (World(),)
    intents: int = 2
    servers: int = 2
    verbs: tuple[Verb, ...] = (Verb.SINGLE, Verb.MULTIPART)
    asks: frozenset[str] = frozenset()
    operations: int = 2
    foreign: int = 0
    refused: int = 0
    without: frozenset[str] = frozenset()

    def holds(self, guard: str) -> bool:
        return guard not in self.without

    def room(self, world: World) -> bool:
        """Tell whether another server may begin something."""
        return len(world.servers) < self.servers


def version_of(i: int, made: int) -> int:
    return 10 * (i + 1) + made


def owner_of(version: int) -> int:
    """Tell whose intent brought a version; -1 for those of others."""
    return version // 10 - 1


def dead(world: World, bounds: Bounds) -> frozenset[int]:
    """Find versions that are ours and have no use; mirrors ``remains.dead_of``."""
    ended = {
        i
        for i, n in enumerate(world.intents)
        if n.state is IntentState.ABORTED and not n.cleared
    }
    found = {v for v in world.stored if owner_of(v) in ended}
    if ended and not bounds.holds("is-ours"):
        found |= {v for v in world.stored if v not in {FIRST, world.pinned}}
    return frozenset(found | world.superseded)
