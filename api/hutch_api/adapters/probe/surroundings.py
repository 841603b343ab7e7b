"""Checks of what lies around the store: web pages and addresses."""

from datetime import UTC, datetime
from typing import Final

from hutch_api.adapters.probe.bench import URL_LIFE_S, Bench
from hutch_api.adapters.probe.checks import Check
from hutch_api.adapters.probe.report import Need
from hutch_api.adapters.s3.signing import Signer

_STRANGER: Final = "https://stranger.example"
_ALLOW: Final = "access-control-allow-origin"


def _preflight(bench: Bench, origin: str) -> str | None:
    place = bench.target.place
    answer = bench.request(
        "OPTIONS",
        f"{place.endpoint}/{bench.buckets.data}/{bench.new_key()}",
        b"",
        {
            "origin": origin,
            "access-control-request-method": "PUT",
            "access-control-request-headers": "if-none-match,"
            "x-amz-checksum-crc64nvme,x-amz-meta-hutch-intent",
        },
    )
    allowed = answer.headers.get(_ALLOW)
    return allowed if answer.ok else None


def _cors(bench: Bench) -> str | None:
    origin = bench.target.web_origin
    if origin is not None and _preflight(bench, origin) not in {origin, "*"}:
        return f"pages of {origin} may not reach it"
    if _preflight(bench, _STRANGER) in {_STRANGER, "*"}:
        return "pages of every origin may reach it"
    return None


def _public_address(bench: Bench) -> str | None:
    target, key = bench.target, bench.new_key()
    bench.write(key, b"x")
    signer = Signer(
        target.public_url, region=target.place.region, clock=lambda: datetime.now(UTC)
    )
    signed = signer.presign(
        "GET",
        f"{bench.buckets.data}/{key}",
        credentials=target.reader,
        expires_in=URL_LIFE_S,
    )
    answer = bench.send(signed)
    if answer.ok and answer.body == b"x":
        return None
    return f"a signed download there was answered with HTTP {answer.status}"


CHECKS: Final = (
    Check(
        name="cors",
        means="of all web pages, only hutch's own reach the store",
        remedy="MinIO: set MINIO_API_CORS_ALLOW_ORIGIN; SeaweedFS: start it with "
        "-s3.allowedOrigins; and set HUTCH_WEB_ORIGIN to the same",
        run=_cors,
        need=Need.OPTIONAL,
    ),
    Check(
        name="public-address",
        means="the address that clients are sent to leads to this store",
        remedy="check HUTCH_S3_PUBLIC_URL; from the server itself it may be out of "
        "reach, then try a pull from a client",
        run=_public_address,
        need=Need.OPTIONAL,
    ),
)
