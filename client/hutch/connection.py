"""The one place that speaks HTTP with the API.

Bodies are the dataclasses of ``hutch.contract.wire``; problems come back as the same
error class that the server raised.
"""

import ipaddress
import platform
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Self, TypeVar
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies

import httpx
import msgspec

from hutch.contract.problems import (
    URN,
    HutchError,
    UnauthenticatedError,
    from_problem,
)
from hutch.contract.version import VERSION
from hutch.errors import InsecureUrlError, ServerAnswerError, ServerUnavailableError
from hutch.patience import Patience, Waiting, ignore

T = TypeVar("T")

MAX_REDIRECTS: Final = 3
_PATIENCE: Final = frozenset({429, 502, 503, 504})
_SAFE_TO_REPEAT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Query = Mapping[str, str | int | None]


class Connection:
    """A keep-alive connection to one server, usable from several threads.

    Attributes:
        url: Address of the server, without a slash at its end.
        patience: How long it is waited for.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        insecure: bool = False,
        timeout_s: float = 60.0,
        waiting: Waiting = ignore,
    ) -> None:
        self.url = require_safe(url, insecure=insecure)
        self.token = token
        self.patience = Patience(self.url, waiting)
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout_s, connect=10.0),
            headers={"User-Agent": user_agent(), "Accept": "application/json"},
            follow_redirects=False,
            verify=_trust(self.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets; the connection cannot be used afterwards."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        body: object = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool | None = None,
    ) -> T:
        """Send a request and read the answer's JSON as ``answer``.

        Args:
            method: HTTP method.
            path: Path below the server's address, quoted.
            answer: Type of the answer.
            body: A wire value; None sends no body.
            query: Parameters; those that are None are left out.
            headers: Further headers.
            repeat: Whether a repetition does no harm; None decides by the method.

        Raises:
            HutchError: What the server raised, or a ``ClientError``.
        """
        response = self.send(
            method, path, body=body, query=query, headers=headers, repeat=repeat
        )
        return decode(response, answer)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool | None = None,
    ) -> httpx.Response:
        """Send a request whose answer has no JSON body; arguments as for ``call``.

        Raises:
            HutchError: What the server raised, or a ``ClientError``.
        """
        content = None if body is None else msgspec.json.encode(body)
        request = self._build(method, path, content, query=query, headers=headers)
        again = method in _SAFE_TO_REPEAT if repeat is None else repeat
        response = self._patiently(request, again=again)
        return _checked(self._follow(response))

    def locate(self, path: str) -> str:
        """Ask where something lies: the address that a redirect names.

        The address may be a signed one, and at another host; it is not visited.
        """
        response = self._patiently(self._build("GET", path, None), again=True)
        if response.status_code not in _REDIRECTS:
            _checked(response)
        try:
            return urljoin(str(response.request.url), response.headers["Location"])
        except (KeyError, ValueError) as e:
            raise _misunderstood(response, "did not say where the file lies") from e

    def stream_lines(self, path: str) -> Iterator[str]:
        """Read a long text line by line; each keeps its line break.

        Raises:
            HutchError: As ``call``; ``ServerUnavailableError`` if it breaks off.
        """
        request = self._build("GET", path, None, headers={"Accept": "text/plain"})
        response = self._patiently(request, again=True, stream=True)
        try:
            if response.status_code != httpx.codes.OK:
                response.read()
                _checked(response)
                raise _misunderstood(response, "sent no text")
            yield from _lines(response.iter_bytes())
        except httpx.TransportError as e:
            raise _unavailable(self.url, e) from e
        finally:
            response.close()

    def _build(
        self,
        method: str,
        path: str,
        content: bytes | None,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        sent = dict(headers or {})
        if content is not None:
            sent["Content-Type"] = "application/json"
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        return self._http.build_request(
            method,
            f"{self.url}{path}",
            content=content,
            params={k: v for k, v in (query or {}).items() if v is not None} or None,
            headers=sent,
        )

    def _patiently(
        self, request: httpx.Request, *, again: bool, stream: bool = False
    ) -> httpx.Response:
        attempts = self.patience.begin()
        while True:
            asked = None
            try:
                response = self._http.send(request, stream=stream)
            except httpx.TransportError as e:
                # What found nobody was not heard either: it may always be repeated.
                harmless = again or isinstance(e, httpx.ConnectError)
                silent = isinstance(e, httpx.TimeoutException)
                if not harmless or attempts.are_over(silent=silent):
                    raise _unavailable(self.url, e) from e
            except httpx.DecodingError as e:
                raise ServerAnswerError(
                    f"The answer of {self.url} is damaged ({e}). Run this again; a "
                    "proxy on the way may be at fault."
                ) from e
            else:
                asked = _retry_after(response)
                if (
                    response.status_code not in _PATIENCE
                    or not again
                    or attempts.are_over(asked_s=asked)
                ):
                    self.patience.answered()
                    return response
                response.close()
            attempts.pause(asked)

    def _follow(self, response: httpx.Response) -> httpx.Response:
        for _ in range(MAX_REDIRECTS):
            if response.status_code not in _REDIRECTS:
                return response
            here = response.request.url
            try:
                there = here.join(response.headers.get("Location", ""))
            except httpx.InvalidURL as e:
                raise _misunderstood(response, "sends this request nowhere") from e
            if response.request.method not in {"GET", "HEAD"} or _origin(
                here
            ) != _origin(there):
                raise ServerAnswerError(
                    f"The server {self.url} sends this request on to {there.host}; "
                    "your token is not sent there. Check the server's address."
                )
            request = self._http.build_request(
                response.request.method, there, headers=response.request.headers
            )
            response = self._patiently(request, again=True)
        raise _misunderstood(response, "redirects in a circle")


def _trust(url: str) -> ssl.SSLContext:
    """Trust those whom this machine trusts, as for the store.

    Reading their certificates takes longer than most calls: where nothing is
    encrypted nobody is trusted. Redirects never lead from there to elsewhere.
    """
    ways = [url, *getproxies().values()]
    if any(way.startswith("https:") for way in ways):
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def user_agent() -> str:
    """Say who calls: hutch and Python by version, nothing about the person."""
    return f"hutch/{VERSION} python/{platform.python_version()}"


def require_safe(url: str, *, insecure: bool) -> str:
    """Accept the address of a server.

    Args:
        url: Such as ``https://hutch.example.org``.
        insecure: Allow plain http to other machines too.

    Returns:
        The address without a slash at its end.

    Raises:
        InsecureUrlError: If a token would travel unprotected.
        ServerAnswerError: If it is no http address.
    """
    try:
        httpx.URL(url)
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, httpx.InvalidURL):
        raise _no_address(url) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise _no_address(url)
    if parts.username is not None or parts.query or parts.fragment:
        raise ServerAnswerError(
            "The address of a server holds no user, query or fragment; give the "
            "bare address."
        )
    if parts.scheme == "http" and not insecure and not is_loopback(parts.hostname):
        raise InsecureUrlError(
            f"{url} is plain http: passwords and tokens could be read on the way. "
            "Use https, or --insecure (insecure=True) if you trust the network."
        )
    return url.rstrip("/")


def _no_address(url: str) -> ServerAnswerError:
    return ServerAnswerError(
        f"{url!r} is not the address of a server; it should look like "
        "https://hutch.example.org"
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host name means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def decode(response: httpx.Response, answer: type[T]) -> T:
    """Read the JSON of an answer.

    Raises:
        ServerAnswerError: If it is not what it should be.
    """
    try:
        return msgspec.json.decode(response.content, type=answer)
    except msgspec.DecodeError as e:
        raise _misunderstood(response, f"sent JSON that does not fit: {e}") from e


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    error = _problem(response)
    request_id = response.headers.get("X-Request-Id")
    if request_id:
        error.facts.setdefault("request_id", request_id)
    asked = _retry_after(response)
    if asked is not None:
        error.facts.setdefault("retry_after", asked)
    error.facts.setdefault("status", response.status_code)
    raise error


def _problem(response: httpx.Response) -> HutchError:
    with suppress(msgspec.DecodeError):
        problem = msgspec.json.decode(response.content, type=dict[str, Any])
        # A proxy may answer in JSON too, but in its own words.
        if str(problem.get("type", "")).startswith(URN):
            return from_problem(problem)
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return UnauthenticatedError("The server wants a valid token. Log in again.")
    if response.status_code in _PATIENCE:
        return ServerUnavailableError(
            f"The server {_server(response)} cannot answer now "
            f"({response.status_code}). Try again later."
        )
    return _misunderstood(response, f"answered {response.status_code} without a reason")


def _misunderstood(response: httpx.Response, what: str) -> ServerAnswerError:
    return ServerAnswerError(
        f"{_server(response)} {what}. Is this the address of a hutch server, and is "
        "this client new enough for it?"
    )


def _server(response: httpx.Response) -> str:
    url = response.request.url
    return f"{url.scheme}://{url.netloc.decode()}"


def _unavailable(url: str, cause: Exception) -> ServerUnavailableError:
    return ServerUnavailableError(
        f"The server {url} cannot be reached ({str(cause) or type(cause).__name__}). "
        "Check the address and the network, then run this again."
    )


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _lines(blocks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield f"{line.decode()}\n"
    if rest:
        yield rest.decode()
