"""How far the machine of one dataset is explored: each scope is exhaustive."""

from typing import Final

from hutch.contract.wire.datasets import State
from hutch_api.store.tables import IntentState, Verb
from tests.laws.model.world import FIRST, FOREIGN, Bounds, Intent, World

_HELD: Final = World(pinned=FIRST, stored=(FIRST,))
_CLOSED: Final = _HELD._replace(state=State.CLOSED, digest=FIRST, record=FIRST)
_RESTORED: Final = _CLOSED._replace(pinned=3, digest=3, stored=(FIRST, 3))
"""The database is of a backup: what the records name, it does not know."""
_ENDED: Final = _HELD._replace(
    stored=(FOREIGN, FIRST),
    intents=(Intent(Verb.MULTIPART, IntentState.ABORTED, 0, FIRST),),
    foreign=1,
)
"""Where an upload has ended another tool wrote: that is somebody's."""
_MULTIPART: Final = (Verb.MULTIPART,)

SCOPES: Final[dict[str, Bounds]] = {
    "two clients push": Bounds(),
    "two clients replace a file": Bounds(begins=(_HELD,), asks=frozenset({"force"})),
    "files are removed and pushed again": Bounds(
        begins=(_HELD,), servers=1, asks=frozenset({"remove", "abort"})
    ),
    "close": Bounds(
        begins=(World(), _HELD), intents=1, asks=frozenset({"close"}), refused=1
    ),
    "close --drop": Bounds(
        begins=(_HELD,), intents=1, asks=frozenset({"drop"}), foreign=1, refused=1
    ),
    "close --adopt": Bounds(
        begins=(_HELD, _ENDED),
        intents=1,
        verbs=_MULTIPART,
        asks=frozenset({"adopt"}),
        foreign=1,
        operations=2,
        refused=1,
    ),
    "adopt": Bounds(
        begins=(_HELD,),
        intents=1,
        verbs=_MULTIPART,
        asks=frozenset({"take", "close"}),
        foreign=1,
        operations=1,
    ),
    "delete": Bounds(
        begins=(World(), _HELD), intents=1, asks=frozenset({"delete"}), foreign=1
    ),
    "sweep": Bounds(
        begins=(_CLOSED,), intents=1, asks=frozenset({"delete"}), foreign=2
    ),
    "sweep of a restored backup": Bounds(
        begins=(_RESTORED,), asks=frozenset({"restored"})
    ),
}
"""What CI has time for."""

LARGER: Final[dict[str, Bounds]] = {
    "two clients push and close": Bounds(
        begins=(_HELD,), verbs=_MULTIPART, asks=frozenset({"close"})
    ),
    "two clients push small files and close": Bounds(asks=frozenset({"close"})),
    "two clients push and close --drop": Bounds(
        begins=(_HELD,), verbs=_MULTIPART, asks=frozenset({"drop"}), refused=1
    ),
    "files are removed and pushed again by two servers": Bounds(
        begins=(_HELD,), asks=frozenset({"remove", "abort"})
    ),
    "adopt beside two uploads": Bounds(
        begins=(_HELD, _ENDED),
        verbs=_MULTIPART,
        asks=frozenset({"take", "close"}),
        foreign=1,
        operations=1,
    ),
    "three uploads": Bounds(intents=3, servers=1, asks=frozenset({"remove"})),
}
"""The same further, for a soak run."""
