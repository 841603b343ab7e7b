"""Checks of what a signed URL binds its holder to."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from hutch_api.adapters.probe.bench import Bench
from hutch_api.adapters.probe.checks import Check, done, first, refused

_SKEW: Final = timedelta(seconds=30)
"""Signatures allow 15 minutes, but ends of URLs are promised to people."""
_OTHER_STORE: Final = (
    "use a release of MinIO or SeaweedFS that docs/explanation/store.md names: on "
    "this store signed URLs do not protect what they should"
)
_LOCK_UP: Final = (
    "start the store with an administrator's key pair and without public bucket "
    "policies; it answers to anybody now"
)


def _signature(bench: Bench) -> str | None:
    key = bench.new_key()
    url = f"{bench.target.place.endpoint}/{bench.buckets.data}/{key}"
    signed = bench.sign_put(key, b"x")
    forged = signed.url[:-4] + ("0000" if signed.url[-4:] != "0000" else "1111")
    root = bench.target.place.endpoint
    listing = f"{root}/{bench.buckets.data}?list-type=2"
    return first(
        refused(bench.request("PUT", url, b"x", {}), "a PUT without a signature"),
        refused(bench.request("GET", listing, b"", {}), "a listing without one"),
        refused(bench.request("GET", f"{root}/", b"", {}), "the list of buckets"),
        refused(
            bench.request("PUT", forged, b"x", signed.headers),
            "a PUT with a forged signature",
        ),
        done(bench.send(signed, b"x"), "a PUT as it was signed"),
    )


def _expiry(bench: Bench) -> str | None:
    late = bench.sign_put(bench.new_key(), b"x", ago=timedelta(hours=2))
    return refused(bench.send(late, b"x"), "a URL that ended an hour ago")


def _path(bench: Bench) -> str | None:
    key, other = bench.new_key(), bench.new_key()
    signed = bench.sign_put(key, b"x")
    elsewhere = signed.url.replace(key, other)
    plus = signed.url + "&x-amz-acl=public-read"
    return first(
        refused(
            bench.request("PUT", elsewhere, b"x", signed.headers),
            "a PUT to another key",
        ),
        refused(bench.request("PUT", plus, b"x", signed.headers), "an added parameter"),
        refused(
            bench.request(
                "DELETE", signed.url, b"", {**signed.headers, "content-length": "0"}
            ),
            "a DELETE with the URL of a PUT",
        ),
    )


def _headers(bench: Bench) -> str | None:
    key = bench.new_key()
    signed = bench.sign_put(key, b"x")
    for name in ("if-none-match", "x-amz-meta-hutch-intent"):
        answer = bench.send(signed, b"x", drop={name})
        if answer.ok:
            return f"a PUT without the signed header {name} was taken"
    changed = bench.send(signed, b"x", add={"x-amz-meta-hutch-intent": "another"})
    return refused(changed, "a PUT with a changed header")


def _length(bench: Bench) -> str | None:
    key = bench.new_key()
    for data in (b"two", b"four and more"):
        signed = bench.sign_put(key, b"four")
        answer = bench.send(signed, data, add={"content-length": str(len(data))})
        if answer.ok or bench.read(key) is not None:
            return f"a PUT of {len(data)} bytes was taken where 4 were signed"
    return None


def _crc(bench: Bench) -> str | None:
    key = bench.new_key()
    answer = bench.send(bench.sign_put(key, b"right"), b"wrong")
    if answer.ok or bench.read(key) is not None:
        return "other bytes than those of the signed checksum were taken"
    return done(bench.send(bench.sign_put(key, b"right"), b"right"), "the right bytes")


def _create_only(bench: Bench) -> str | None:
    key = bench.new_key()
    return first(
        done(bench.send(bench.sign_put(key, b"one"), b"one"), "the first PUT"),
        refused(
            bench.send(bench.sign_put(key, b"two"), b"two"), "a second PUT", status=412
        ),
        None if bench.read(key) == b"one" else "the first content was replaced",
    )


def _clock(bench: Bench) -> str | None:
    answer = bench.request("GET", f"{bench.target.place.endpoint}/", b"", {})
    if "date" not in answer.headers:
        return "the store does not tell the time"
    theirs = parsedate_to_datetime(answer.headers["date"])
    ahead = theirs - datetime.now(UTC)
    if abs(ahead) < _SKEW:
        return None
    which = "ahead of" if ahead > timedelta() else "behind"
    return f"the store's clock is {abs(ahead).total_seconds():.0f} s {which} this one"


CHECKS: Final = (
    Check(
        name="signature",
        means="nothing is answered without a valid signature",
        remedy=_LOCK_UP,
        run=_signature,
    ),
    Check(
        name="expiry",
        means="a URL is dead when its time is over",
        remedy=_OTHER_STORE,
        run=_expiry,
    ),
    Check(
        name="signed-path",
        means="a URL is good for its own key, parameters and method only",
        remedy=_OTHER_STORE,
        run=_path,
    ),
    Check(
        name="signed-headers",
        means="signed headers must be sent as they were signed",
        remedy=_OTHER_STORE,
        run=_headers,
    ),
    Check(
        name="signed-length",
        means="a body of another length than the signed one is refused",
        remedy=_OTHER_STORE,
        run=_length,
    ),
    Check(
        name="signed-checksum",
        means="a body with another CRC64NVME than the signed one is refused",
        remedy=_OTHER_STORE,
        run=_crc,
    ),
    Check(
        name="create-only",
        means="If-None-Match: * keeps what is there",
        remedy=_OTHER_STORE,
        run=_create_only,
    ),
    Check(
        name="clock",
        means="the clocks of store and server differ by less than 30 s",
        remedy="set both clocks by NTP",
        run=_clock,
    ),
)
