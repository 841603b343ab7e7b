"""Serve the API; any number of processes may do so."""

import ctypes
import gc
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import anyio
import uvicorn

from hutch_api import readiness
from hutch_api.commands.exits import Exit
from hutch_api.commands.log import start_log
from hutch_api.http.app import create_app
from hutch_api.http.protocol import Patience
from hutch_api.http.serving import make_server
from hutch_api.settings import Settings
from hutch_api.worker.loop import ending_on_signals

_MMAP_THRESHOLD: Final = -3
"""Number of this option in glibc's ``mallopt``."""
_NEW_OBJECTS: Final = 20_000
"""After so many the collector looks for cycles; a batch of files has more."""
_LARGE: Final = 1024 * 1024
"""Bytes from which a piece of memory goes back to the system when it is freed."""


def configure(parser: ArgumentParser) -> None:
    """Declare nothing: everything is in the settings."""
    del parser


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Serve until SIGTERM or SIGINT; requests that have begun are answered."""
    del options
    settings = Settings.from_environ(environ)
    start_log()
    _return_large_memory()
    # The server sends itself the signal that ended it once more: it must not kill.
    with ending_on_signals() as stop:
        site = readiness.open_ready(settings)
        server = make_server(
            create_app(site),
            host=settings.host,
            port=settings.port,
            proxies=settings.proxies,
            patience=Patience(
                head=settings.head_timeout,
                body=settings.body_timeout,
                connections=settings.connections,
            ),
        )
        _spare_the_collector()
        if not stop.is_set():
            anyio.run(_serve, server, settings.threads)
    site.engine.dispose()
    return Exit.OK if server.started or stop.is_set() else Exit.FAILED


async def _serve(server: uvicorn.Server, threads: int) -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = threads
    await server.serve()


def _spare_the_collector() -> None:
    """Keep the garbage collector from what is there for good.

    It would go through the whole program again and again while a batch is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


def _return_large_memory() -> None:
    """Have the C library keep no large piece of memory for a thread that freed it.

    By itself it takes the largest piece ever freed for a usual size: after one login,
    which takes 19 MiB, whatever a thread frees below that would stay with the thread.
    """
    with suppress(AttributeError):  # other C libraries return it anyway
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
