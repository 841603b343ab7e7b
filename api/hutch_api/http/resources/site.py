"""What the server says about itself, to anybody."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import parts
from hutch.contract.version import VERSION
from hutch.contract.wire.site import (
    Capabilities,
    CapabilitiesLimits,
    Health,
    Readiness,
    StorePlace,
)
from hutch.contract.wire.transfer import MAX_BATCH, Verb
from hutch_api.domain.layout import FILES
from hutch_api.domain.types import TYPES
from hutch_api.http.endpoints import MAX_BODY, Answer, Call, Endpoint
from hutch_api.http.resources.queries import MAX_PAGE
from hutch_api.services import health


def get_health(_: Call[None, None]) -> Answer:
    """Tell that the process is up; asks neither database nor store."""
    return Answer(Health())


def get_readiness(call: Call[None, None]) -> Answer:
    """Tell whether database, migrations and store are ready, and which is not."""
    found = health.check(call.site)
    wrong = None if found.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(found, wrong, {} if found.ready else {"Retry-After": "5"})


def get_capabilities(call: Call[None, None]) -> Answer:
    """Tell what this server can do, and the numbers that clients plan with."""
    place = call.site.objects.place
    return Answer(
        Capabilities(
            version=VERSION,
            api=("v1",),
            limits=CapabilitiesLimits(
                body=MAX_BODY,
                batch=MAX_BATCH,
                page=MAX_PAGE,
                single=parts.SMALL,
                part=parts.PART_SIZE,
                parts=parts.MAX_PARTS,
                file=parts.MAX_SIZE,
            ),
            verbs=tuple(Verb),
            types=tuple(sorted(known.key for known in TYPES.values())),
            store=StorePlace(
                endpoint=place.endpoint,
                region=place.region,
                bucket=place.bucket,
                prefix=FILES,
            ),
        )
    )


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/healthz",
        handler=get_health,
        answers={HTTPStatus.OK: Health},
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=get_readiness,
        answers={HTTPStatus.OK: Readiness, HTTPStatus.SERVICE_UNAVAILABLE: Readiness},
        public=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/capabilities",
        handler=get_capabilities,
        answers={HTTPStatus.OK: Capabilities},
        public=True,
    ),
)
