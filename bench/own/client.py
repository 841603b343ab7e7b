"""The client by itself: memory, and a large tree in which nothing has changed."""

from pathlib import Path

from bench.facility import facility
from bench.figures import Figure
from bench.own import memory, unchanged


def measure(place: Path, *, small: bool) -> list[Figure]:
    """Measure both against one installation.

    Args:
        place: An empty directory.
        small: Only see that it works.
    """
    with facility(place) as hall:
        return [
            *memory.growth(hall, place / "memory", small=small),
            *unchanged.again(hall, place / "unchanged", small=small),
        ]
