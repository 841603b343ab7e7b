"""An explicit-state model checker: every state within bounds, the shortest way first.

A machine says where it starts and which steps lead on; a step is one transaction or
one store call. ``explore`` walks over all states breadth first, so that the trace to
a violation is as short as any.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)

Step = tuple[str, S]
"""What happens, in words, and the state after it."""


class Machine(Protocol[S]):
    """What is explored."""

    def starts(self) -> Iterable[S]:
        """Give the states that it may begin in."""
        ...

    def asked(self, state: S) -> Iterator[Step[S]]:
        """Give what people, other tools and crashes may do next."""
        ...

    def housekeeping(self, state: S) -> Iterator[Step[S]]:
        """Give the steps that happen without anybody asking for them.

        Workers, servers that go on, and time: from every state they alone have to
        lead to a settled one.
        """
        ...

    def wrong(self, state: S) -> str | None:
        """Say which law a state breaks; None if it keeps them all."""
        ...

    def is_settled(self, state: S) -> bool:
        """Tell whether nothing is under way and nothing is left over."""
        ...


@dataclass(frozen=True, slots=True)
class Violation:
    """A law that does not hold.

    Attributes:
        law: Which one.
        trace: What led there, in words; as short as possible.
    """

    law: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        steps = "\n".join(f"  {n}. {words}" for n, words in enumerate(self.trace, 1))
        return f"{self.law}, after\n{steps}"


@dataclass(frozen=True, slots=True)
class Explored:
    """What a walk over a machine found.

    Attributes:
        states: How many states were visited.
        steps: How many steps led from them.
        settled: In how many of them everything had come to an end.
        violation: The first law that was broken; None if all hold everywhere.
    """

    states: int
    steps: int
    settled: int
    violation: Violation | None


class TooLargeError(Exception):
    """The machine has more states than a walk is meant to visit."""


def explore(machine: Machine[S], *, most: int = 3_000_000) -> Explored:
    """Visit every state that a machine can reach.

    Args:
        machine: What is explored.
        most: With more states than this the bounds are badly chosen.

    Raises:
        TooLargeError: There are more.
    """
    walk = _Walk(machine)
    for n, state in enumerate(walk.order):  # grows while it is walked over
        if (law := machine.wrong(state)) is not None:
            return Explored(len(walk.order), walk.steps, 0, walk.violation(law, n))
        walk.visit(n, machine.asked(state), alone=False)
        walk.visit(n, machine.housekeeping(state), alone=True)
        if len(walk.order) > most:
            raise TooLargeError(f"more than {most} states")
    settled = [n for n, s in enumerate(walk.order) if machine.is_settled(s)]
    stuck = walk.first_without_way_to(settled)
    violation = None
    if stuck is not None:
        violation = walk.violation("there is no way out", stuck)
    return Explored(len(walk.order), walk.steps, len(settled), violation)


class _Walk(Generic[S]):
    """The states visited so far, by number, and what led to each."""

    def __init__(self, machine: Machine[S]) -> None:
        self.order = list(machine.starts())
        self.steps = 0
        self._place = {state: n for n, state in enumerate(self.order)}
        self._before: list[tuple[int, str] | None] = [None for _ in self.order]
        self._sources: list[list[int]] = [[] for _ in self.order]

    def visit(self, source: int, steps: Iterable[Step[S]], *, alone: bool) -> None:
        """Note where steps lead to.

        Args:
            source: Number of the state that they begin in.
            steps: The steps.
            alone: They happen without anybody asking for them.
        """
        for words, after in steps:
            self.steps += 1
            place = self._place.get(after)
            if place is None:
                place = self._place[after] = len(self.order)
                self.order.append(after)
                self._before.append((source, words))
                self._sources.append([])
            if alone:
                self._sources[place].append(source)

    def first_without_way_to(self, settled: list[int]) -> int | None:
        """Find the first state from which housekeeping alone never settles."""
        ends = set(settled)
        waiting = list(settled)
        while waiting:
            for source in self._sources[waiting.pop()]:
                if source not in ends:
                    ends.add(source)
                    waiting.append(source)
        return next((n for n in range(len(self.order)) if n not in ends), None)

    def violation(self, law: str, n: int) -> Violation:
        """Tell how a state was reached."""
        words = []
        while (step := self._before[n]) is not None:
            n, said = step
            words.append(said)
        return Violation(law, tuple(reversed(words)))
