"""Rules that begin runs when datasets close."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.rules import RuleIn, RuleList, RuleOut
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.services import rules


def list_rules(call: Call[None, None]) -> Answer:
    """List one's own rules, by name."""
    with call.site.look() as work:
        return Answer(rules.list_rules(work, call.actor))


def add_rule(call: Call[RuleIn, None]) -> Answer:
    """Make a rule: when a dataset of a type closes, run a definition on it.

    It acts as its owner, on what the owner may read, and once for each dataset that
    closes from now on.
    """
    with call.site.begin() as work:
        return Answer(rules.add_rule(work, call.actor, call.body))


def end_rule(call: Call[None, None]) -> Answer:
    """End a rule; runs that it has begun go on."""
    with call.site.begin() as work:
        rules.end_rule(work, call.actor, call.id("rule"))
    return Answer()


ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/rules",
        handler=list_rules,
        answers={HTTPStatus.OK: RuleList},
        scope=Scope.READ,
    ),
    Endpoint(
        method="POST",
        path="/v1/rules",
        handler=add_rule,
        body=RuleIn,
        answers={HTTPStatus.CREATED: RuleOut},
        scope=Scope.RUN,
        problems=(
            errors.NotFoundError,
            errors.NameTakenError,
            errors.DefinitionRetiredError,
            errors.ImageUnapprovedError,
        ),
        example={
            "name": "sinograms",
            "type": "scan.tomo",
            "definition": "sinogram",
            "output_name": "{name}-sinogram",
        },
    ),
    Endpoint(
        method="DELETE",
        path="/v1/rules/{rule}",
        handler=end_rule,
        answers={HTTPStatus.NO_CONTENT: None},
        scope=Scope.RUN,
        problems=(errors.NotFoundError,),
    ),
)
