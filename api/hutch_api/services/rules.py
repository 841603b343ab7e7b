"""Rules: made, listed and ended by their owners."""

from typing import Final
from uuid import UUID, uuid4

from sqlmodel import col, func, select

from hutch.contract.problems import InvalidInputError, NameTakenError, NotFoundError
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.definitions import Target
from hutch.contract.wire.rules import PLACEHOLDER, RuleIn, RuleList, RuleOut
from hutch_api.domain import attributes, parameters, types
from hutch_api.domain.access import Actor
from hutch_api.services import access, audit
from hutch_api.services.definitions import find_definition, label_of
from hutch_api.services.runs import require_usable
from hutch_api.services.work import Work
from hutch_api.store.conflicts import written
from hutch_api.store.run_tables import Definition, Firing, Rule

MOST: Final = 100
"""Rules of one user: each is looked at whenever a dataset closes."""


def add_rule(work: Work, actor: Actor, wanted: RuleIn) -> RuleOut:
    """Make a rule; it acts as its owner, with no more than their rights.

    Raises:
        TokenInsufficientError: The token lacks ``run`` or ``read``, or reaches certain
            datasets only.
        NotFoundError: There is no such definition.
        DefinitionRetiredError: It starts no more runs.
        ImageUnapprovedError: Its image is not approved.
        InvalidInputError: A type does not exist, or an input or parameter does not
            fit the definition.
        NameTakenError: The actor has a rule of this name.
    """
    access.require_run_scope(actor)
    access.require_scope(actor, Scope.READ)
    definition = find_definition(work, wanted.definition, None)
    require_usable(work, definition)
    attributes.require_storable(wanted.matching, field="matching")
    attributes.require_storable(wanted.from_attributes, field="from_attributes")
    parameters.complete(definition.parameters, wanted.parameters, partly=True)
    held = _of(work, actor)
    if any(rule.name == wanted.name for rule in held):
        raise _name_taken(wanted.name)
    if len(held) >= MOST:
        raise InvalidInputError(f"you have {MOST} rules, as many as are allowed")
    row = Rule(
        id=uuid4(),
        owner_id=actor.user,
        name=wanted.name,
        type=wanted.type,
        matching=dict(wanted.matching),
        definition_id=definition.id,
        input=_input(definition, wanted),
        parameters=dict(wanted.parameters),
        from_attributes=dict(wanted.from_attributes),
        output_name=_output_name(definition, wanted),
        created_at=work.now,
    )
    if not written(work.session, row, "owner_id", "name"):
        raise _name_taken(wanted.name)
    audit.record(
        work, actor, "add-rule", rule=str(row.id), definition=label_of(definition)
    )
    return _rule_out(work, row)


def _output_name(definition: Definition, wanted: RuleIn) -> str:
    """Say what the datasets that a rule makes are called; previews have no name."""
    if definition.target is Target.DATASET:
        return wanted.output_name or f"{PLACEHOLDER}-{definition.name}"
    if wanted.output_name is not None:
        raise InvalidInputError(
            f"output_name: {label_of(definition)} makes previews and no dataset; leave "
            "it out",
            field="output_name",
        )
    return ""


def list_rules(work: Work, actor: Actor) -> RuleList:
    """List the actor's rules, by name.

    A token for certain datasets gets none listed: they act on others too.
    """
    access.require_scope(actor, Scope.READ)
    return RuleList(items=tuple(_rule_out(work, rule) for rule in _of(work, actor)))


def end_rule(work: Work, actor: Actor, rule: UUID) -> None:
    """End a rule; runs that it has begun go on.

    Raises:
        TokenInsufficientError: The token lacks ``run``, or reaches certain datasets
            only.
        NotFoundError: The actor has no such rule.
    """
    access.require_run_scope(actor)
    found = next((row for row in _of(work, actor) if row.id == rule), None)
    if found is None:
        raise NotFoundError(f"you have no rule {rule}", rule=str(rule))
    found.ended_at = work.now
    audit.record(work, actor, "end-rule", rule=str(rule))


def _name_taken(name: str) -> NameTakenError:
    return NameTakenError(
        f"you have a rule {name} already; choose another name", name=name
    )


def _of(work: Work, actor: Actor) -> list[Rule]:
    if actor.limits.datasets is not None:
        return []
    query = select(Rule).where(
        Rule.owner_id == actor.user, col(Rule.ended_at).is_(None)
    )
    return list(work.session.exec(query.order_by(Rule.name)).all())


def _input(definition: Definition, wanted: RuleIn) -> str:
    names = list(definition.inputs)
    if wanted.input is None and len(names) != 1:
        raise InvalidInputError(
            f"input: {label_of(definition)} has {', '.join(names)}; a rule gives one "
            "input, and the definition must need no other",
            field="input",
        )
    name = wanted.input or names[0]
    if names != [name]:
        raise InvalidInputError(
            f"input: {label_of(definition)} takes {', '.join(names)}; a rule gives "
            "only one",
            field="input",
        )
    known = types.below(wanted.type)
    if not known:
        raise InvalidInputError(
            f"type: there is no type {wanted.type[:100]!r}", field="type"
        )
    if not types.is_a(wanted.type, definition.inputs[name]):
        raise InvalidInputError(
            f"type: {label_of(definition)} takes {definition.inputs[name]}, not "
            f"{wanted.type}",
            field="type",
        )
    return name


def _rule_out(work: Work, row: Rule) -> RuleOut:
    fired = work.session.exec(
        select(func.count()).where(Firing.rule_id == row.id)
    ).one()
    return RuleOut(
        id=row.id,
        name=row.name,
        type=row.type,
        matching=row.matching,
        definition=label_of(work.session.get_one(Definition, row.definition_id)),
        input=row.input,
        parameters=row.parameters,
        from_attributes=row.from_attributes,
        output_name=row.output_name,
        created_at=row.created_at,
        fired=fired,
    )
