"""Reading what a container has written, without beginning anew for each piece of it.

An engine gives a log from its beginning only, and slowly: a piece at a time, each from
the beginning, a long one would take minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Reading:
    """A log on its way.

    Attributes:
        container: Whose it is.
        pieces: What is still to come.
    """

    container: str
    pieces: Iterator[bytes]
    _at: int = field(default=0, init=False)
    _here: bytearray = field(default_factory=bytearray, init=False)

    def reaches(self, container: str, after: int) -> bool:
        """Tell whether what comes after a byte is here, or still to come."""
        return container == self.container and after >= self._at

    def take(self, after: int, most: int) -> bytes:
        """Read what comes after a byte; less than ``most`` if there is no more now."""
        while len(self._here) < after - self._at + most:
            piece = next(self.pieces, None)
            if piece is None:
                break
            self._here += piece
            self._drop(after)
        self._drop(after)
        return bytes(self._here[:most])

    def _drop(self, after: int) -> None:
        """Forget what nobody will ask for again."""
        known = min(after - self._at, len(self._here))
        del self._here[:known]
        self._at += known
