"""A runner of hutch's own programs, at work while a test is."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from hutch_api.adapters.local import open_local
from hutch_api.runner.loop import Loop
from hutch_api.services import system
from hutch_api.services.attempts import Runner
from hutch_api.services.work import Site

PAUSE = timedelta(seconds=0.02)


@contextmanager
def near_runner(site: Site, api_url: str, directory: Path) -> Iterator[Path]:
    """Execute hutch's own programs by processes; nothing is left of them in the end."""
    system.ensure(site)
    directory.mkdir(mode=0o700)
    executor = open_local(
        directory, instance=site.instance, runner="near", api_url=api_url
    )
    stop = threading.Event()
    loop = Loop(
        site,
        executor,
        Runner(name="near", holder=uuid4(), executor=executor.name),
        slots=1,
        pause=PAUSE,
        stop=stop,
        takes_along=True,
    )
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    try:
        yield directory
    finally:
        stop.set()
        thread.join(timeout=60)
    assert not thread.is_alive()
    assert executor.held() == set()
    executor.close()
    assert list(directory.iterdir()) == []
