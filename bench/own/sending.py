"""Objects sent straight into the store, as a push sends them but without one."""

import http.client
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

from hutch.contract.wire.transfer import SignedRequest

_SENDERS: Final = 6


def put_all(requests: Sequence[SignedRequest], body: bytes) -> list[str]:
    """Send the same bytes by each request; give the version ids in their order.

    Raises:
        RuntimeError: The store refused one.
    """
    length = -(-len(requests) // _SENDERS)
    shares = [requests[at : at + length] for at in range(0, len(requests), length)]
    with ThreadPoolExecutor(_SENDERS) as pool:
        told = pool.map(lambda share: _put(share, body), shares)
        return [version for some in told for version in some]


def _put(requests: Sequence[SignedRequest], body: bytes) -> list[str]:
    line = http.client.HTTPConnection(urlsplit(requests[0].url).netloc)
    versions = []
    for request in requests:
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}"
        line.request("PUT", target, body, dict(request.headers))
        answer = line.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"the store answered {answer.status}: {text[:300]!r}")
        versions.append(answer.headers["x-amz-version-id"])
    line.close()
    return versions
