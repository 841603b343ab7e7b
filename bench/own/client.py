"""The client by itself: memory, and a large tree in which nothing has changed."""

from pathlib import Path

from bench.facility import Facility
from bench.figures import Figure
from bench.own import memory, unchanged


def measure_at(hall: Facility, place: Path, *, small: bool) -> list[Figure]:
    """Measure both against one installation.

    Args:
        hall: The servers.
        place: An empty directory.
        small: Only see that it works.
    """
    return [
        *memory.growth(hall, place / "memory", small=small),
        *unchanged.again(hall, place / "unchanged", small=small),
    ]
