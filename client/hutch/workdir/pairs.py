"""Go through two sorted sequences side by side, with little memory."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar


class Named(Protocol):
    """Something with a relative path."""

    @property
    def path(self) -> str:
        """The path."""
        ...


Ours = TypeVar("Ours", bound=Named)
Theirs = TypeVar("Theirs", bound=Named)


def paired(
    ours: Iterable[Ours], theirs: Iterable[Theirs]
) -> Iterator[tuple[Ours | None, Theirs | None]]:
    """Bring together what has the same path.

    Args:
        ours: In the order of their paths' bytes, which is that of their characters.
        theirs: As ``ours``.

    Yields:
        In the same order, what both have, or what one has, and None for the other.
    """
    left, right = iter(ours), iter(theirs)
    our, their = next(left, None), next(right, None)
    while our is not None or their is not None:
        if their is None or (our is not None and our.path < their.path):
            yield our, None
            our = next(left, None)
        elif our is None or their.path < our.path:
            yield None, their
            their = next(right, None)
        else:
            yield our, their
            our, their = next(left, None), next(right, None)
