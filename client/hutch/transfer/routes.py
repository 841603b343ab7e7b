"""The way to a store: from an address to an open connection."""

import ssl
import threading
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hutch.transfer import answers
from hutch.transfer.failures import CutError, RouteError
from hutch.transfer.heads import compose
from hutch.transfer.proxies import Proxy, find_proxy
from hutch.transfer.sockets import Line, broke

CONNECT_S: Final = 20.0
"""Time for the kernel's four first tries to begin a connection."""

_PORTS: Final = {"http": 80, "https": 443}
_CONNECTED: Final = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is, and the way there.

    Attributes:
        netloc: Host and port as the address has them.
        proxy: None means straight.
    """

    scheme: str
    netloc: str
    host: str
    port: int
    proxy: Proxy | None

    @property
    def is_relayed(self) -> bool:
        """Whether a proxy reads the requests, and is told the whole address."""
        return self.proxy is not None and self.scheme == "http"


class Routes:
    """Finds the places of addresses, and opens connections to them."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._places: dict[tuple[str, str], Place] = {}
        self._tls: ssl.SSLContext | None = None

    def place(self, scheme: str, netloc: str) -> Place:
        """Find where an address leads.

        Raises:
            RouteError: If it is no address of a store, or the environment's proxy
                cannot be used.
        """
        key = (scheme, netloc)
        if key not in self._places:
            self._places[key] = _find(scheme, netloc)
        return self._places[key]

    def open(self, line: Line, place: Place) -> None:
        """Connect a line, unless it is.

        Raises:
            CutError: If it cannot be done now.
            RouteError: If it never can.
            StoppedError: If stopped meanwhile.
        """
        if line.is_open:
            return
        way = place.proxy or place
        try:
            line.connect(way.host, way.port, timeout_s=CONNECT_S)
            if place.scheme == "https":
                if place.proxy is not None:
                    _tunnel(line, place, place.proxy)
                line.encrypt(self._context(), place.host)
        except ssl.SSLCertVerificationError as e:
            raise RouteError(
                f"The certificate of the object store at {place.netloc} is not "
                f"trusted here ({e.verify_message}). Have the facility's authority "
                "installed on this machine, or name its file in SSL_CERT_FILE."
            ) from None
        except OSError as e:
            raise CutError(broke(e)) from e
        line.is_open = True

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            made = ssl.create_default_context()
            made.set_alpn_protocols(["http/1.1"])
            self._tls = made
        return self._tls


def split(url: str) -> tuple[str, str, str]:
    """Cut an address into scheme, host with port, and path with query."""
    scheme, _, rest = url.partition("://")
    netloc, _, target = rest.partition("/")
    return scheme, netloc, f"/{target}"


def _find(scheme: str, netloc: str) -> Place:
    try:
        parts = urlsplit(f"{scheme}://{netloc}/")
        host, port = parts.hostname, parts.port or _PORTS[scheme]
    except (KeyError, ValueError):
        host, port = None, 0
    if not host or not netloc.isascii() or parts.netloc != netloc or "@" in netloc:
        raise RouteError(
            "The hutch server named an address for its object store that cannot be "
            "used. Tell the facility."
        )
    return Place(scheme, netloc, host, port, find_proxy(scheme, netloc))


def _tunnel(line: Line, place: Place, proxy: Proxy) -> None:
    """Have a proxy connect to the store, so that only the two read what follows."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    target = f"{host}:{place.port}"
    fields = [("Host", target)]
    if proxy.authorization is not None:
        fields.append(("Proxy-Authorization", proxy.authorization))
    line.send(compose("CONNECT", target, fields))
    status = answers.read_head(line).status
    if status != _CONNECTED:
        raise CutError(
            f"The proxy answered {status} instead of connecting to the object store."
        )
    if line.kept:  # in the clear, and before anybody was asked anything
        raise answers.longer()
