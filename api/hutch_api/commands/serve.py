"""Serve the API; any number of processes may do so."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

import anyio
import uvicorn

from hutch_api import readiness
from hutch_api.commands.exits import Exit
from hutch_api.commands.log import start_log
from hutch_api.commands.memory import return_large_memory, spare_the_collector
from hutch_api.http.app import create_app
from hutch_api.http.protocol import Patience
from hutch_api.http.serving import make_server
from hutch_api.settings import Settings
from hutch_api.worker.loop import ending_on_signals


def configure(parser: ArgumentParser) -> None:
    """Declare nothing: everything is in the settings."""
    del parser


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Serve until SIGTERM or SIGINT; requests that have begun are answered."""
    del options
    settings = Settings.from_environ(environ)
    start_log()
    return_large_memory()
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
        spare_the_collector()
        if not stop.is_set():
            anyio.run(_serve, server, settings.threads)
    site.engine.dispose()
    return Exit.OK if server.started or stop.is_set() else Exit.FAILED


async def _serve(server: uvicorn.Server, threads: int) -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = threads
    await server.serve()
