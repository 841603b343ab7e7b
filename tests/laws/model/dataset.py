"""The machine: one path of one dataset with its people, servers, workers and store."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from hutch.contract.wire.datasets import State
from hutch_api.store.tables import IntentState
from tests.laws.model import ending, pushing
from tests.laws.model.checker import Step
from tests.laws.model.world import FOREIGN, NONE, Bounds, Server, World

_GOES_ON: Final[dict[str, Callable[[World, Bounds, Server], Iterator[Step[World]]]]] = {
    "announce": pushing.announce,
    "finish": pushing.finish,
    "replaced": pushing.replaced,
    "clear": pushing.clear,
    "close": ending.close,
    "drop": ending.close,
    "adopt": ending.close,
    "take": ending.take,
    "delete": ending.delete,
    "sweep": ending.sweep,
}


@dataclass(frozen=True)
class Dataset:
    """The machine, within bounds."""

    bounds: Bounds

    def starts(self) -> tuple[World, ...]:
        return self.bounds.begins

    def asked(self, world: World) -> Iterator[Step[World]]:
        yield from pushing.asked(world, self.bounds)
        yield from ending.asked(world, self.bounds)
        for server in dict.fromkeys(world.servers):
            words = f"who would {server.does} ({server.at}) dies"
            yield words, world.moved(server, None)

    def housekeeping(self, world: World) -> Iterator[Step[World]]:
        for server in dict.fromkeys(world.servers):
            yield from _GOES_ON[server.does](world, self.bounds, server)
        yield from pushing.store(world, self.bounds)
        yield from pushing.chores(world, self.bounds)
        yield from ending.chores(world, self.bounds)

    def wrong(self, world: World) -> str | None:
        """Name the broken law.

        Closed is closed; nothing acknowledged is lost; nothing foreign appears.
        """
        if "restored" in self.bounds.asks:
            named = world.record in world.stored
            return None if named else "what the records name was taken away"
        laws = (*self._of_everybody(world), *self._of_the_closed(world))
        return next((law for law, broken in laws if broken), None)

    def _of_everybody(self, world: World) -> Iterator[tuple[str, bool]]:
        there = world.state in {State.OPEN, State.CLOSING, State.CLOSED}
        yield (
            "an acknowledged version is gone from the store",
            there and bool(world.pinned) and world.pinned not in world.stored,
        )
        asks = self.bounds.asks
        yield (
            "something foreign is in the manifest",
            there and world.pinned == FOREIGN and asks.isdisjoint({"adopt", "take"}),
        )
        yield (
            "a file was replaced by somebody who did not know it",
            world.lost != NONE,
        )
        yield (
            "an upload was aborted under way",
            any(
                n.state is IntentState.URL
                and n.upload != NONE
                and n.upload not in world.uploads
                for n in world.intents
            ),
        )
        taken = world.foreign > (FOREIGN in world.stored) and not world.adopted
        yield (
            "somebody's data was taken without asking",
            taken and world.state is State.OPEN and "drop" not in asks,
        )

    def _of_the_closed(self, world: World) -> Iterator[tuple[str, bool]]:
        closed = world.state is State.CLOSED
        yield (
            "what readers of a closed dataset get has changed",
            closed and world.pinned != world.digest,
        )
        yield (
            "the records of a closed dataset are those of another close",
            closed and world.record != world.digest,
        )
        yield "a URL works on a closed dataset", closed and bool(world.urls)

    def is_settled(self, world: World) -> bool:
        if "restored" in self.bounds.asks:
            return not world.servers  # the alarm is for people
        return (
            not world.servers
            and world.state in {State.OPEN, State.CLOSED, State.DELETED}
            and pushing.is_clear(world, self.bounds)
            and ending.is_foreign_gone(world)
        )
