"""What a crate says of a dataset beside its files: what it is, and how it was made."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from hutch.contract.wire.datasets import DatasetOut
from hutch.errors import ServerAnswerError
from hutch.export.entities import (
    Entity,
    Graph,
    identifiers,
    image,
    licence,
    moment,
    person,
    sources,
    urn,
)
from hutch.export.making import MadeFrom, Making

PROFILE: Final = "https://w3id.org/ro/wfrun/process/0.5"
NO_LICENCE: Final = (
    "No licence was stated when this was exported. Ask the owner before you use it or "
    "pass it on."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a crate says of a dataset.

    Attributes:
        root: Properties of the root of the crate.
        entities: What they refer to.
        profile: What it follows beside RO-Crate; None where no run made the dataset.
    """

    root: Entity
    entities: tuple[Entity, ...]
    profile: str | None


def describe(
    dataset: DatasetOut,
    making: Making | None,
    *,
    names: Mapping[UUID, str],
    program: str,
    licence_url: str | None,
) -> Description:
    """Describe a closed dataset.

    Args:
        dataset: The dataset.
        making: How a run made it; None if people did.
        names: ``owner/name`` of the inputs that the caller may read.
        program: Address of the definition that was run.
        licence_url: Of its licence; None if nobody stated one.

    Raises:
        ServerAnswerError: If it lacks what every closed dataset has.
    """
    graph = Graph()
    root = _root(graph, dataset, licence_url)
    inputs = making.inputs if making is not None else _parents(dataset)
    based_on = sources(graph, inputs, names)
    if based_on:
        root["isBasedOn"] = based_on
    if making is not None:
        root["conformsTo"] = graph.add(_profile())
        action = _action(graph, making, based_on, program)
        root["mentions"] = graph.add(action | {"name": f"Making {root['name']}"})
    return Description(
        root=root,
        entities=tuple(graph.known.values()),
        profile=None if making is None else PROFILE,
    )


def _root(graph: Graph, dataset: DatasetOut, licence_url: str | None) -> Entity:
    if dataset.closed_at is None or dataset.digest is None or dataset.seal is None:
        raise ServerAnswerError(
            f"The server says that {dataset.name} is closed, but not when or as what."
        )
    kind = {"dataset type": f"{dataset.type}@{dataset.type_version}"}
    owner = graph.add(person(dataset.owner))
    name = f"{dataset.owner}/{dataset.name}"
    return {
        "name": name,
        "description": dataset.description
        or f"Dataset {name} of type {dataset.type}, {dataset.files} files",
        "datePublished": moment(dataset.closed_at),
        "license": NO_LICENCE
        if licence_url is None
        else graph.add(licence(licence_url)),
        "identifier": identifiers(graph, dataset.id, dataset.digest, dataset.seal),
        "author": owner,
        "creator": owner,
        "keywords": list(dataset.keywords),
        "additionalProperty": [
            *graph.add_values("about", kind),
            *graph.add_values("attribute", dataset.attributes),
        ],
    }


def _parents(dataset: DatasetOut) -> tuple[MadeFrom, ...]:
    return tuple(
        MadeFrom(id=one.id, digest=one.digest, seal=one.seal) for one in dataset.inputs
    )


def _profile() -> Entity:
    return {
        "@id": PROFILE,
        "@type": "CreativeWork",
        "name": "Process Run Crate",
        "version": PROFILE.rpartition("/")[2],
    }


def _action(
    graph: Graph, making: Making, inputs: list[Entity], program: str
) -> dict[str, Any]:
    """What the run did. A dataset is only made by one that succeeded."""
    application = {
        "@id": program,
        "@type": "SoftwareApplication",
        "name": making.definition,
        "softwareVersion": str(making.version),
        "url": program,
    }
    return {
        "@id": urn(making.id),
        "@type": "CreateAction",
        "description": shlex.join(making.argv),
        "startTime": moment(making.started_at),
        "endTime": moment(making.ended_at),
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "agent": graph.add(person(making.by)),
        "instrument": graph.add(application),
        "containerImage": graph.add(image(making.image)),
        "object": [*inputs, *graph.add_values("parameter", making.parameters)],
        "result": {"@id": "./"},
        "additionalProperty": graph.add_values("run", making.facts),
    }
