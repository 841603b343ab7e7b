"""Signature V4, computed here.

botocore takes half a millisecond for a presigned URL, this takes hundredths: a push
of small files asks for a thousand at a time. That both give the same URL is tested.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

from hutch.contract.wire.transfer import SignedRequest
from hutch_api.ports.objects import Credentials

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
_CACHED_TEXTS: Final = 100
"""One for each account and second; a batch needs one or two."""
_LAST_OWN: Final = "X-Amz-SignedHeaders"
_CACHED_KEYS: Final = 1_000
"""A day key takes some hundred bytes; one is needed per account that signs."""

Query = Iterable[tuple[str, str]]


class Signer:
    """Signs requests for one endpoint.

    A URL is signed for the host that its user will call, so each endpoint has its
    own signer.

    Args:
        url: Where the store is reached, ``http(s)://host[:port]``.
        region: Region name that the store expects.
        clock: Gives the time as aware UTC; the store compares it with its own.

    Raises:
        ValueError: If the URL has a path or is not one of a web server.
    """

    def __init__(self, url: str, *, region: str, clock: Callable[[], datetime]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is not the URL of a store")
        if parts.path.strip("/") or parts.query:
            raise ValueError(f"{url!r}: a store is reached without a path")
        default = {"http": 80, "https": 443}[parts.scheme]
        name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.host = name if parts.port in {None, default} else f"{name}:{parts.port}"
        self.origin = f"{parts.scheme}://{self.host}"
        self._region, self._clock = region, clock
        self._keys: dict[tuple[str, str], bytes] = {}
        self._texts: dict[tuple[str, str, int, str], str] = {}
        self._second = (datetime.min.replace(tzinfo=UTC), "", "")

    def presign(
        self,
        method: str,
        path: str,
        *,
        credentials: Credentials,
        expires_in: int,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
    ) -> SignedRequest:
        """Sign a URL.

        Args:
            method: What the URL may be used for.
            path: Bucket and key, not yet quoted, without a slash in front.
            credentials: Who signs; the key id is visible in the URL.
            expires_in: Seconds for which it is good.
            query: Further parameters.
            headers: Lower-case names; the URL is only good together with them.
        """
        sent = dict(headers or {})
        moment, scope = self._moment()
        signed = {**sent, "host": self.host}
        names = ";".join(sorted(signed))
        text = self._common(credentials.key_id, moment, scope, expires_in, names)
        if query := sorted(query):
            # Sorted by name, as it has to be: all of the store's own come first.
            assert query[0][0] > _LAST_OWN  # noqa: S101 - there are three of them
            text = f"{text}&{_query_text(query)}"
        quoted = "/" + quote(path, safe="/~")
        canonical = _canonical(method, quoted, text, signed, _PAYLOAD)
        signature = self._signature(canonical, moment, scope, credentials)
        return SignedRequest(
            method=method,
            url=f"{self.origin}{quoted}?{text}&X-Amz-Signature={signature}",
            headers=sent,
            expires_in=expires_in,
        )

    def authorize(
        self,
        method: str,
        path: str,
        *,
        credentials: Credentials,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
    ) -> tuple[str, dict[str, str]]:
        """Sign a request without a body by its headers, for the server's own use.

        The key id of the server's identity stays out of the URL: on MinIO whoever
        knows it can write.

        Returns:
            The URL, and the headers to send.
        """
        moment, scope = self._moment()
        sent = {
            **(headers or {}),
            "host": self.host,
            "x-amz-content-sha256": _PAYLOAD,
            "x-amz-date": moment,
        }
        text = _query_text(query)
        quoted = "/" + quote(path, safe="/~")
        canonical = _canonical(method, quoted, text, sent, _PAYLOAD)
        signature = self._signature(canonical, moment, scope, credentials)
        sent["authorization"] = (
            f"{_ALGORITHM} Credential={credentials.key_id}/{scope}, "
            f"SignedHeaders={';'.join(sorted(sent))}, Signature={signature}"
        )
        return f"{self.origin}{quoted}?{text}", sent

    def _common(
        self, key_id: str, moment: str, scope: str, expires_in: int, names: str
    ) -> str:
        """Write the part of the query that all URLs of a batch share."""
        at = (key_id, moment, expires_in, names)
        text = self._texts.get(at)
        if text is None:
            if len(self._texts) >= _CACHED_TEXTS:
                self._texts.clear()
            text = self._texts[at] = _query_text(
                (
                    ("X-Amz-Algorithm", _ALGORITHM),
                    ("X-Amz-Credential", f"{key_id}/{scope}"),
                    ("X-Amz-Date", moment),
                    ("X-Amz-Expires", str(expires_in)),
                    (_LAST_OWN, names),
                )
            )
        return text

    def _moment(self) -> tuple[str, str]:
        now = self._clock().replace(microsecond=0)
        if now != self._second[0]:
            moment = now.strftime("%Y%m%dT%H%M%SZ")
            scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
            self._second = (now, moment, scope)
        _, moment, scope = self._second
        return moment, scope

    def _signature(
        self, canonical: str, moment: str, scope: str, credentials: Credentials
    ) -> str:
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
        key = self._day_key(credentials, moment[:8])
        return hmac.digest(key, text.encode(), "sha256").hex()

    def _day_key(self, credentials: Credentials, day: str) -> bytes:
        at = (credentials.secret, day)
        key = self._keys.get(at)
        if key is None:
            if len(self._keys) >= _CACHED_KEYS:
                self._keys.clear()
            key = f"AWS4{credentials.secret}".encode()
            for part in (day, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._keys[at] = key
        return key


def _query_text(query: Query) -> str:
    pairs = sorted(
        (quote(name, safe="~"), quote(value, safe="~")) for name, value in query
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def _canonical(
    method: str, path: str, query: str, headers: Mapping[str, str], payload: str
) -> str:
    names = sorted(headers)
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    return f"{method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{payload}"
