"""What a transfer has told so far, in sums."""

from dataclasses import dataclass

from hutch.progress import Event, Moved, Planned, Settled


@dataclass(slots=True)
class Tally:
    """Sums of what a transfer has told so far."""

    files: int = 0
    bytes: int = 0
    files_done: int = 0
    bytes_done: int = 0
    failed: int = 0

    def add(self, event: Event) -> None:
        """Count an event."""
        match event:
            case Planned(files=files, bytes=size):
                self.files += files
                self.bytes += size
            case Moved(bytes=size):
                self.bytes_done += size
            case Settled(error=error):
                self.files_done += 1
                self.failed += error is not None
