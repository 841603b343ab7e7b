"""Every route by every kind of caller: what is answered, and that a refusal is all."""

import pytest

from hutch_api.http.openapi import document
from tests.laws.conftest import Count
from tests.laws.rights.calls import BODIES, outcome, request_for
from tests.laws.rights.conftest import Backdrop
from tests.laws.rights.table import CALLERS, ROUTES, Route, described

OPERATIONS = {"DELETE /v1/datasets/{dataset}", "POST /v1/datasets/{dataset}/close"}
"""What begins and ends in one request here: each has its row in the audit."""


def test_every_route_has_its_line_and_every_line_its_route() -> None:
    assert set(ROUTES) == described(document())
    assert set(BODIES) == {
        f"{method.upper()} {path}"
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if "requestBody" in operation
    }


def test_a_route_without_a_line_would_be_found() -> None:
    grown = {"paths": {**document()["paths"], "/v1/new": {"get": {}}}}
    assert described(grown) - set(ROUTES) == {"GET /v1/new"}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES.keys())
def test_a_scope_is_what_the_document_says(route: Route) -> None:
    operation = document()["paths"][route.path][route.method.lower()]
    needs = f"Needs the scope `{route.scope}`."
    about = operation.get("description", "")
    assert ("Needs the scope" in about) == (route.scope is not None)
    assert route.scope is None or about.endswith(needs)
    assert (operation.get("security") == []) == (route.needs == "public")


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES.keys())
def test_a_route_answers_each_caller_by_its_rule(
    backdrop: Backdrop, route: Route, count: Count
) -> None:
    cast, wrong, cells = backdrop.cast, {}, 0
    held, before = backdrop.look(), backdrop.audited()
    for caller in CALLERS:
        for method in _methods(route):
            request = request_for(route, cast, caller)
            answer = cast.send(
                caller, method, request.path, scope=route.scope, **request.options
            )
            cells += 1
            expected, got = route.expects(caller), outcome(answer)
            if not answer.content:
                expected = expected[:3]
            if got != expected:
                wrong[caller, method] = (got, expected, answer.text[:300])
            now = backdrop.look()
            if now != held:
                rows = backdrop.audited()
                if answer.is_error or route.method in {"GET", "HEAD"}:
                    wrong[caller, "changed something"] = (got, expected, "")
                backdrop.put_back(held)
                due = 2 if route.name in OPERATIONS else 1
                if rows != before + due:
                    wrong[caller, "audit rows"] = (str(rows - before), str(due), "")
                held = backdrop.look()
    assert wrong == {}
    count("cells: route by caller", cells)


def _methods(route: Route) -> tuple[str, ...]:
    """A GET can always be asked as HEAD, and is then no other request."""
    if route.method != "GET" or "{path}" in route.path:
        return (route.method,)
    return ("GET", "HEAD")
