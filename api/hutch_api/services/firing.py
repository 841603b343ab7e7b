"""What rules begin when a dataset has closed: exactly one run for each dataset.

The row of ``firings`` and the run are written in one transaction. Whoever is killed
before, or comes second, finds that out from the row.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlmodel import col, func, select

from hutch.contract.problems import HutchError
from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import State
from hutch.contract.wire.rules import PLACEHOLDER
from hutch.contract.wire.runs import ENDED, RunIn
from hutch_api.domain import types
from hutch_api.domain.access import Actor
from hutch_api.services import access
from hutch_api.services.runs import start_run
from hutch_api.services.work import Site, Work
from hutch_api.store.run_tables import Definition, Firing, Rule, Run
from hutch_api.store.tables import Dataset, User

DEEPEST: Final = 5
"""Rules one behind the other: two that feed each other must come to an end."""
MOST_PER_HOUR: Final = 1_000
"""Of one rule; what is beyond waits."""
_LATER: Final = timedelta(minutes=5)
_BATCH: Final = 100
_HOUR: Final = timedelta(hours=1)
_LONGEST_NAME: Final = 100
_LOG: Final = logging.getLogger(__name__)


def fire_rules(site: Site) -> bool:
    """Look at the datasets that have closed; tell whether there were any."""
    with site.look() as work:
        due = work.session.exec(
            select(Dataset.id)
            .where(col(Dataset.rules_at) <= work.now, Dataset.state == State.CLOSED)
            .order_by(col(Dataset.rules_at))
            .limit(_BATCH)
        ).all()
    for dataset in due:
        _consider(site, dataset)
    return bool(due)


def _consider(site: Site, dataset: UUID) -> None:
    with site.look() as work:
        row = work.session.get_one(Dataset, dataset)
        matching = _matching(work, row)
        late = [rule for rule in matching if not _has_room(work, rule)]
    for rule in matching:
        if rule not in late:
            _fire(site, rule.id, dataset)
    with site.begin() as work:
        row = work.session.get_one(Dataset, dataset, with_for_update=True)
        row.rules_at = work.now + _LATER if late else None


def _matching(work: Work, dataset: Dataset) -> list[Rule]:
    """Find the rules that are for a dataset and have not seen it yet."""
    seen = select(Firing.rule_id).where(Firing.dataset_id == dataset.id)
    rules = work.session.exec(
        select(Rule)
        .where(
            col(Rule.ended_at).is_(None),
            col(Rule.created_at) <= dataset.closed_at,
            col(Rule.id).not_in(seen),
        )
        .order_by(col(Rule.created_at))
    ).all()
    return [
        rule
        for rule in rules
        if types.is_a(dataset.type, rule.type)
        and all(dataset.attributes.get(k) == v for k, v in rule.matching.items())
        and _may_read(work, rule, dataset)
    ]


def _may_read(work: Work, rule: Rule, dataset: Dataset) -> bool:
    actor = _owner_of(work, rule)
    query = select(Dataset.id).where(Dataset.id == dataset.id, access.granted(actor))
    return work.session.exec(query).first() is not None


def _has_room(work: Work, rule: Rule) -> bool:
    recent = work.session.exec(
        select(func.count()).where(
            Firing.rule_id == rule.id, col(Firing.at) > work.now - _HOUR
        )
    ).one()
    return bool(recent < MOST_PER_HOUR)


def _fire(site: Site, rule: UUID, dataset: UUID) -> None:
    """Begin the run of a rule, or note why there is none; once."""
    try:
        with site.begin() as work:
            if not _is_first(work, rule, dataset):
                return
            run = _start(work, rule, dataset)
            work.session.add(
                Firing(rule_id=rule, dataset_id=dataset, run_id=run, at=work.now)
            )
    except HutchError as error:
        _LOG.warning("rule %s on dataset %s: %s", rule, dataset, error.detail)
        with site.begin() as work:
            if _is_first(work, rule, dataset):
                work.session.add(
                    Firing(
                        rule_id=rule,
                        dataset_id=dataset,
                        detail=error.detail,
                        at=work.now,
                    )
                )


def _is_first(work: Work, rule: UUID, dataset: UUID) -> bool:
    """Tell whether a rule has not seen a dataset yet; keeps others from it."""
    work.session.get_one(Rule, rule, with_for_update=True)
    return work.session.get(Firing, (rule, dataset)) is None


def _start(work: Work, rule_id: UUID, dataset: UUID) -> UUID:
    rule = work.session.get_one(Rule, rule_id)
    row = work.session.get_one(Dataset, dataset)
    actor = _owner_of(work, rule)
    access.require_active(work, actor)
    definition = work.session.get_one(Definition, rule.definition_id)
    given = {
        name: row.attributes[attribute]
        for name, attribute in rule.from_attributes.items()
        if attribute in row.attributes
    }
    wanted = RunIn(
        definition=definition.name,
        version=definition.version,
        inputs={rule.input: dataset},
        parameters={**rule.parameters, **given},
        name=_free_name(work, actor, rule, row) if rule.output_name else None,
    )
    started = start_run(work, actor, wanted, rule=rule, depth=_depth(work, row))
    return started.id


def _depth(work: Work, dataset: Dataset) -> int:
    """Count the rules behind a dataset.

    Raises:
        HutchError: They are too many.
    """
    made_by = None if dataset.run is None else UUID(dataset.run["id"])
    run = None if made_by is None else work.session.get(Run, made_by)
    depth = 1 if run is None else run.depth + 1
    if depth > DEEPEST:
        raise HutchError(f"{DEEPEST} rules lie behind {dataset.name} already")
    return depth


def _free_name(work: Work, actor: Actor, rule: Rule, dataset: Dataset) -> str:
    name = rule.output_name.replace(PLACEHOLDER, dataset.name)[:_LONGEST_NAME]
    taken: Sequence[UUID] = [
        *work.session.exec(
            select(Dataset.id).where(
                Dataset.owner_id == actor.user,
                Dataset.name == name,
                col(Dataset.state) != State.DELETED,
            )
        ),
        *work.session.exec(
            select(Run.id).where(
                Run.owner_id == actor.user,
                Run.name == name,
                col(Run.state).not_in(ENDED),
            )
        ),
    ]
    return f"{name[:90]}-{str(dataset.id)[:8]}" if taken else name.rstrip("._-")


def _owner_of(work: Work, rule: Rule) -> Actor:
    user = work.session.get_one(User, rule.owner_id)
    return Actor(
        user=user.id,
        name=user.name,
        role=Role(user.role),
        request_id=f"rule-{rule.id}",
    )
