"""Inputs of a run: closed datasets of fitting types, or what another run will make."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, false
from sqlmodel import col, select

from hutch.contract.problems import InvalidInputError
from hutch.contract.wire.definitions import Target
from hutch.contract.wire.runs import ENDED, RunIn, RunState
from hutch_api.domain import types
from hutch_api.domain.access import Actor
from hutch_api.services import derivation
from hutch_api.services.definitions import label_of
from hutch_api.services.work import Work
from hutch_api.store.run_tables import Definition, Run, RunInput
from hutch_api.store.tables import Dataset


def read_inputs(
    work: Work,
    actor: Actor,
    run: UUID,
    definition: Definition,
    given: Mapping[str, UUID],
) -> list[RunInput]:
    """Check the inputs of a run-to-be; what others make is checked when it is there.

    Args:
        work: The transaction; it keeps the datasets as they are.
        actor: As whom it runs.
        run: Its id.
        definition: What is to be run.
        given: Datasets, or runs, by the name of the input.

    Raises:
        InvalidInputError: One is missing, unknown or of another type.
        NotFoundError: One is not there, or not for the actor.
        ParentOpenError: One is not closed.
        DatasetBusyError: One is being deleted.
        DeletedError: One was deleted.
    """
    _require_names(definition, given)
    sources = {
        source.id: source
        for source in work.session.exec(
            select(Run).where(col(Run.id).in_(given.values()), is_visible(actor))
        )
    }
    for name, one in given.items():
        if one in sources:
            _require_promising(work, definition, name, sources[one])
    chosen = [
        sources[one].dataset_id if one in sources else one for one in given.values()
    ]
    there = list(dict.fromkeys(one for one in chosen if one is not None))
    parents = {row.id: row for row in derivation.lock_parents(work, actor, there)}
    rows = []
    for position, name in enumerate(definition.inputs):
        one = given[name]
        row = RunInput(run_id=run, name=name, position=position)
        if one in sources:
            row.source_id = one
        if (made := sources[one].dataset_id if one in sources else one) is not None:
            supply(definition, row, parents[made])
        rows.append(row)
    return rows


def name_of(definition: Definition, wanted: RunIn, inputs: Sequence[RunInput]) -> str:
    """Choose what a run is called: as its dataset, or by what it makes previews of.

    Two that make the same previews for the same person have the same name, so that
    only one of them is under way.

    Raises:
        InvalidInputError: There is no name where there has to be one, or the reverse.
    """
    if definition.target is Target.DATASET:
        if wanted.name is None:
            raise InvalidInputError(
                "name: is missing; it is the name of the dataset that is made",
                field="name",
            )
        return wanted.name
    if wanted.name is not None:
        raise InvalidInputError(
            f"name: {label_of(definition)} makes previews and no dataset; leave the "
            "name out",
            field="name",
        )
    (only,) = inputs
    return f"{definition.name}-{str(only.dataset_id or only.source_id)[:8]}"


def supply(definition: Definition, row: RunInput, dataset: Dataset) -> None:
    """Give an input of a run its dataset, by what it holds.

    Raises:
        InvalidInputError: It is of another type than the input.
    """
    wanted = definition.inputs[row.name]
    if not types.is_a(dataset.type, wanted):
        raise _unfit(definition, row.name, f"{dataset.name} is", dataset.type)
    row.dataset_id, row.digest, row.seal = dataset.id, dataset.digest, dataset.seal


def is_visible(actor: Actor) -> ColumnElement[bool]:
    """Build the condition under which an actor sees a row of ``Run``.

    A token for certain datasets sees none: a run would name others.
    """
    if actor.limits.datasets is not None:
        return false()
    return col(Run.owner_id) == actor.user


def _require_promising(
    work: Work, definition: Definition, name: str, source: Run
) -> None:
    """Refuse a run that makes nothing, or something else than the input wants."""
    if source.state in ENDED and source.state is not RunState.SUCCEEDED:
        raise InvalidInputError(
            f"inputs.{name}: the run {source.name} has {source.state}",
            field=f"inputs.{name}",
        )
    made = work.session.get_one(Definition, source.definition_id).output_type
    if made is None:
        raise InvalidInputError(
            f"inputs.{name}: the run {source.name} makes previews and no dataset",
            field=f"inputs.{name}",
        )
    if not types.is_a(made, definition.inputs[name]):
        raise _unfit(definition, name, f"the run {source.name} makes what is", made)


def _require_names(definition: Definition, given: Iterable[str]) -> None:
    wanted, known = set(definition.inputs), set(given)
    for name in sorted(known - wanted):
        raise InvalidInputError(
            f"inputs.{name[:100]}: {label_of(definition)} has no such input; it has "
            f"{', '.join(definition.inputs)}",
            field="inputs",
        )
    for name in sorted(wanted - known):
        raise InvalidInputError(
            f"inputs.{name}: is missing; it is a dataset of type "
            f"{definition.inputs[name]}",
            field="inputs",
        )


def _unfit(
    definition: Definition, name: str, what: str, kind: str
) -> InvalidInputError:
    return InvalidInputError(
        f"inputs.{name}: {what} of type {kind}; {label_of(definition)} takes "
        f"{definition.inputs[name]}",
        field=f"inputs.{name}",
    )
