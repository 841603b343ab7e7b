"""The web server, set up so that it leaks nothing."""

import logging
from asyncio import Protocol
from collections.abc import Iterable
from functools import partial
from typing import Final, cast

import uvicorn
from starlette.applications import Starlette

from hutch_api.http.protocol import Patience, PatientProtocol

_GRACE_S: Final = 10
"""Seconds that running requests get at the end; the worker goes on with the rest."""


def make_server(
    app: Starlette,
    *,
    host: str,
    port: int,
    proxies: Iterable[str] = (),
    patience: Patience | None = None,
) -> uvicorn.Server:
    """Set up the web server; ``run`` on it serves until a signal ends it.

    Its own log of requests stays off, because it would hold whole addresses;
    ``hutch_api.access`` has one line for each request instead.

    Args:
        app: What to serve.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        proxies: Addresses of proxies whose ``X-Forwarded-…`` headers are believed.
        patience: How long clients may take; None means the usual.
    """
    trusted = list(proxies)
    protocol = partial(PatientProtocol, patience=patience or Patience(), waiting={})
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=cast(type[Protocol], protocol),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=bool(trusted),
            forwarded_allow_ips=trusted,
            timeout_graceful_shutdown=_GRACE_S,
        )
    )
    # The setting only takes the handlers away; whoever adds one would turn it on.
    logging.getLogger("uvicorn.access").disabled = True
    return server
