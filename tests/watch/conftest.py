"""A whole hutch, and a watch that runs in a thread."""

import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hutch import Client, Workdir
from hutch.progress import Event
from hutch.watch.events import WatchEvent, WatchReport
from hutch.watch.watching import Pace, Watch
from tests.adapters.ready import set_up
from tests.agreement import disagreements
from tests.client.live import Live, hutch_on
from tests.servers import StoreServer, wait_until

_set_up = cache(set_up)

QUICK = Pace(settle_s=0.3, rest_s=0.2, first_pause_s=0.1)
UNTIL_IDLE = Pace(settle_s=0.3, rest_s=0.2, first_pause_s=0.1, until_idle_s=0.5)
PATIENCE_S = 20.0
END_S = 15.0

Told = WatchEvent | Event


@pytest.fixture
def live(sqlite_engine: Engine, minio: StoreServer, tmp_path: Path) -> Iterator[Live]:
    """Run a whole hutch, and compare database and store afterwards."""
    with hutch_on(sqlite_engine, _set_up(minio), tmp_path) as live:
        yield live
    assert disagreements(live.site) == []
    live.end_accounts()


@pytest.fixture
def anna(live: Live) -> Iterator[Client]:
    with live.person() as client:
        yield client


class Running:
    """A watch in a thread.

    Attributes:
        told: Everything that it told.
    """

    def __init__(
        self, workdir: Workdir, client: Client, pace: Pace, **how: bool
    ) -> None:
        self.told: list[Told] = []
        self.listeners: list[Callable[[Told], None]] = []
        self._report: WatchReport | None = None
        self._error: BaseException | None = None
        self.watch = Watch(workdir, client, pace=pace, tell=self._tell, **how)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._report = self.watch.run()
        except BaseException as e:  # noqa: BLE001 - raised where the test waits
            self._error = e

    def _tell(self, event: Told) -> None:
        self.told.append(event)
        for listener in self.listeners:
            listener(event)

    def wait_for(self, kind: type[WatchEvent], *, count: int = 1) -> None:
        """Wait until it has told something so often."""
        wait_until(
            lambda: self.count(kind) >= count or not self._thread.is_alive(),
            seconds=PATIENCE_S,
            what=kind.__name__,
        )
        assert self.count(kind) >= count, (self._error, self.told[-5:])

    def count(self, kind: type[WatchEvent]) -> int:
        """How often it has told something."""
        return sum(isinstance(event, kind) for event in self.told)

    def end(self) -> WatchReport:
        """Stop it, and give its report."""
        self.watch.stop()
        return self.ended()

    def ended(self) -> WatchReport:
        """Wait until it ends by itself.

        Raises:
            BaseException: What ended it.
        """
        self._thread.join(END_S)
        assert not self._thread.is_alive(), "the watch does not end"
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report


NewWatch = Callable[..., Running]


@pytest.fixture
def watching() -> Iterator[NewWatch]:
    """Start watches; none outlives the test."""
    running: list[Running] = []

    def start(
        workdir: Workdir, client: Client, pace: Pace = QUICK, **how: bool
    ) -> Running:
        running.append(Running(workdir, client, pace, **how))
        return running[-1]

    yield start
    for one in running:
        one.watch.stop()
        one._thread.join(PATIENCE_S)
