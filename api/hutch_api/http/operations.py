"""The table of all endpoints: what the API can do, in one place."""

from typing import Any, Final

from hutch_api.http.endpoints import Endpoint
from hutch_api.http.resources import (
    accounts,
    datasets,
    definitions,
    files,
    groups,
    history,
    previews,
    pushes,
    rules,
    runs,
    shares,
    site,
    tools,
)

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    *site.ENDPOINTS,
    *accounts.ENDPOINTS,
    *groups.ENDPOINTS,
    *datasets.ENDPOINTS,
    *history.ENDPOINTS,
    *shares.ENDPOINTS,
    *files.ENDPOINTS,
    *pushes.ENDPOINTS,
    *tools.ENDPOINTS,
    *definitions.ENDPOINTS,
    *runs.ENDPOINTS,
    *rules.ENDPOINTS,
    *previews.ENDPOINTS,
)
