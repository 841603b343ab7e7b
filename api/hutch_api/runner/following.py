"""Following what a program writes: the log goes to the store, progress to the row.

Only whole lines are passed on, so that no secret is cut in two and slips through.
"""

import re
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from hutch_api.ports.executor import Executor, Job
from hutch_api.services import attempts, run_logs
from hutch_api.services.leases import Lease
from hutch_api.services.work import Site

EVERY: Final = timedelta(seconds=1)
_LONGEST_LINE: Final = 64 * 1024
_PROGRESS: Final = re.compile(
    rb"^hutch:progress[ \t]+([01](?:\.\d{1,6})?)(?:[ \t]+([^\r\n]{0,100}))?",
    re.MULTILINE,
)


@dataclass(slots=True)
class Follower:
    """Reads the log of one attempt, and remembers how far it is."""

    site: Site
    executor: Executor
    job: Job
    lease: Lease
    _looked: float = field(default=0.0, init=False)

    def follow(self, *, last: bool = False) -> None:
        """Pass on what is new.

        Args:
            last: The program has ended: also what lacks its end of line.
        """
        if not last and time.monotonic() - self._looked < EVERY.total_seconds():
            return
        self._looked = time.monotonic()
        while piece := self._next(last=last):
            if found := _PROGRESS.findall(piece):
                share, said = found[-1]
                attempts.note_progress(
                    self.site,
                    self.lease,
                    progress=min(float(share), 1.0),
                    message=_printable(said),
                )
            if not run_logs.write(self.site, self.lease, piece):
                return

    def _next(self, *, last: bool) -> bytes:
        known = run_logs.read_so_far(self.site, self.lease)
        if known is None:
            return b""
        piece = self.executor.log(self.job, after=known, most=run_logs.CHUNK)
        if last and len(piece) < run_logs.CHUNK:
            return piece
        end = piece.rfind(b"\n") + 1
        return piece[:end] if end or len(piece) < _LONGEST_LINE else piece


def _printable(text: bytes) -> str:
    return "".join(c for c in text.decode(errors="replace") if c.isprintable())
