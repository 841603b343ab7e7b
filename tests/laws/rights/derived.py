"""Definitions, runs and rules of a cast."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from hutch.contract.wire.definitions import DefinitionIn, ImageIn, InputType
from hutch.contract.wire.rules import RuleIn
from hutch.contract.wire.runs import ClaimIn, JobOut, RunIn, StepKind
from hutch_api.domain.access import Actor
from hutch_api.services import attempts, claims, definitions, images, rules, runs
from hutch_api.services.attempts import Assignment, Runner
from hutch_api.services.work import Site

DEFINITION: Final = "copy"
IMAGE: Final = f"sha256:{'1' * 64}"


@dataclass(frozen=True, slots=True)
class Steps:
    """What the steps of a run that goes on were given.

    Attributes:
        output: The dataset that the run fills; nobody else sees it.
        reads: Token of the step that reads the input.
        writes: Token of the step that fills the output.
        code: Claim code of a step that has not begun.
    """

    output: UUID
    reads: str
    writes: str
    code: str


def define(site: Site, approver: Actor, owner: Actor) -> UUID:
    """Make a definition of the owner's; give the id of its image's approval."""
    with site.begin() as work:
        approved = images.approve_image(work, approver, ImageIn(image=IMAGE))
        definitions.add_definition(
            work,
            owner,
            DefinitionIn(
                name=DEFINITION, image=IMAGE, argv=("cp",), inputs={"scan": InputType()}
            ),
        )
    return approved.id


def add_rule(site: Site, owner: Actor, name: str = "rule") -> UUID:
    wanted = RuleIn(name=name, type="generic", definition=DEFINITION)
    with site.begin() as work:
        return rules.add_rule(work, owner, wanted).id


def start(site: Site, owner: Actor, name: str, scan: UUID) -> UUID:
    wanted = RunIn(definition=DEFINITION, name=name, inputs={"scan": scan})
    with site.begin() as work:
        return runs.start_run(work, owner, wanted).id


def steps_of_next(site: Site) -> Steps:
    """Begin the run that waits longest, as its runner does."""
    runner = Runner(name="bench", holder=uuid4(), executor="engine")
    taken = attempts.take(site, runner)
    assert taken is not None
    reads, writes = (_claim(site, taken, step) for step in (StepKind.IN, StepKind.OUT))
    code = claims.make_claim(site, taken.lease, StepKind.MAIN)
    assert writes.dataset is not None
    return Steps(writes.dataset, reads.token, writes.token, code)


def _claim(site: Site, taken: Assignment, step: StepKind) -> JobOut:
    code = claims.make_claim(site, taken.lease, step)
    return claims.redeem(site, ClaimIn(code=code), request_id="r")
