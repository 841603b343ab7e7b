"""The page on a lost database works on PostgreSQL and MinIO, as it is written."""

import httpx

from hutch.contract.wire.transfer import SignedRequest
from hutch_api.command_line import main
from hutch_api.settings import Settings
from hutch_api.site import open_site
from tests.docs.pages import DOCS, blocks
from tests.docs.terminal import Session
from tests.docs.test_facility_page import facility
from tests.servers import DatabaseServer
from tests.transfer.flow import Flow

__all__ = ["facility"]
PAGE = DOCS / "how-to" / "prove-and-rebuild.md"
URL = "postgresql+psycopg://hutch@db/hutch_rebuilt"


def test_the_page_on_a_lost_database_works_as_it_is_written(
    facility: Session,
    postgresql: DatabaseServer,
) -> None:
    name = facility.swaps["restored"]
    facility.swaps |= {URL: postgresql.url(name), "hutch_rebuilt": name}
    for words in (["migrate"], ["store", "init"]):
        assert main(words, facility.start) == 0
    _close_something(Settings.from_environ(facility.start))
    for block in blocks(PAGE):
        if block.language == "console" and not block.why_not:
            facility.follow(block)


def _close_something(settings: Settings) -> None:
    site = open_site(settings)
    with httpx.Client(trust_env=False) as client:

        def send(request: SignedRequest, body: bytes) -> int:
            return client.request(
                request.method, request.url, headers=dict(request.headers), content=body
            ).status_code

        flow = Flow(site, send)
        flow.closed(flow.user("ida"), {"scan.h5": b"a scan"})
    site.engine.dispose()
