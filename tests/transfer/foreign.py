"""Another tool at work in hutch's bucket, with rights that hutch never hands out."""

from typing import Protocol


class Foreign(Protocol):
    """Writes past hutch."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object of the data bucket."""
        ...

    def delete(self, key: str) -> None:
        """Put a delete marker over an object of the data bucket."""
        ...
