"""The proxy between here and the store, as the environment names it."""

import base64
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from hutch.transfer.failures import RouteError

_PORT: Final = 80
"""Of a proxy that is named without one, as for any http address."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where to connect instead of to the store.

    Attributes:
        authorization: Value of ``Proxy-Authorization``; None sends none.
    """

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)


def find_proxy(scheme: str, netloc: str) -> Proxy | None:
    """Find the proxy for an address in ``http_proxy`` and its like; None: none.

    Args:
        scheme: Of the store's address.
        netloc: Its host and port.

    Raises:
        RouteError: If the environment names one of a kind that cannot be used.
    """
    named = getproxies()
    url = named.get(scheme) or named.get("all")
    if not url or proxy_bypass(netloc):
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        raise _strange(scheme) from None
    if parts.scheme != "http":
        raise RouteError(
            f"The environment names a {_kind(parts)} proxy for {scheme}, which hutch "
            f"cannot use. Set {scheme}_proxy to an http:// proxy, or add the store's "
            "host to no_proxy."
        )
    if not host:
        raise _strange(scheme)
    return Proxy(host, port, _authorization(parts))


def _strange(scheme: str) -> RouteError:
    return RouteError(
        f"The proxy that the environment names for {scheme} is no usable address. "
        f"Correct {scheme}_proxy, or add the store's host to no_proxy."
    )


def _kind(parts: SplitResult) -> str:
    return parts.scheme if parts.scheme.isalnum() else "strange"


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
