"""Requests without a body, for the calls of which there are thousands.

botocore needs two milliseconds for a HEAD, the store a tenth of that.
"""

import time
from http import HTTPStatus
from typing import Final
from xml.etree import ElementTree as ET

import urllib3

from hutch_api.adapters.s3.client import (
    CONNECT_TIMEOUT_S,
    CONNECTIONS,
    READ_TIMEOUT_S,
    system_certificates,
)
from hutch_api.adapters.s3.errors import refuse, translated
from hutch_api.adapters.s3.signing import Query, Signer
from hutch_api.ports.objects import Credentials

_ATTEMPTS: Final = 3
_PAUSE_S: Final = 0.2


class Requests:
    """Sends signed requests that only read; they are repeated when that may help.

    Args:
        signer: Signs for the internal endpoint.
        credentials: The server's identity.
    """

    def __init__(self, signer: Signer, credentials: Credentials) -> None:
        self._signer, self._credentials = signer, credentials
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
            ca_certs=system_certificates(),
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        query: Query = (),
        headers: dict[str, str] | None = None,
        read_timeout: float = READ_TIMEOUT_S,
    ) -> urllib3.BaseHTTPResponse:
        """Send a GET or HEAD and return whatever answer comes.

        Raises:
            StoreUnavailableError: No answer came, three times.
        """
        query = tuple(query)
        for attempt in range(1, _ATTEMPTS + 1):
            url, signed = self._signer.authorize(
                method,
                path,
                credentials=self._credentials,
                query=query,
                headers=headers,
            )
            try:
                answer = self._pool.request(
                    method,
                    url,
                    headers=signed,
                    redirect=False,
                    timeout=urllib3.Timeout(CONNECT_TIMEOUT_S, read_timeout),
                )
            except urllib3.exceptions.HTTPError:
                if attempt == _ATTEMPTS:
                    with translated(operation):
                        raise
            else:
                if (
                    answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
                    or attempt == _ATTEMPTS
                ):
                    return answer
            time.sleep(_PAUSE_S * attempt)
        raise AssertionError("unreachable")

    def fetch_xml(
        self, path: str, *, operation: str, query: Query
    ) -> tuple[ET.Element, str]:
        """Get a document, and the name that the server gives itself.

        Raises:
            StoreUnavailableError: No answer came.
            StoreError: The store refused, or sent something else.
        """
        answer = self.send(
            "GET", path, operation=operation, query=query, read_timeout=60
        )
        try:
            root = ET.fromstring(answer.data)  # noqa: S314 -- our own store wrote it
        except ET.ParseError:
            broken = HTTPStatus.BAD_GATEWAY  # half of a document is no answer
            refuse(operation, code="", status=max(answer.status, broken))
        # An error may come with 200: it must not pass for an empty list.
        if answer.status != HTTPStatus.OK or tag_of(root) == "Error":
            refuse(operation, code=text_of(root, "Code"), status=answer.status)
        return root, answer.headers.get("server", "")

    def close(self) -> None:
        """End the connections."""
        self._pool.clear()


def tag_of(element: ET.Element) -> str:
    """Read an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def text_of(parent: ET.Element, name: str) -> str:
    """Read the text of a child; empty if there is none."""
    for child in parent:
        if tag_of(child) == name:
            return child.text or ""
    return ""
