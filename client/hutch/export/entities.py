"""What an RO-Crate speaks of: people, images, inputs and values, each an entity.

The words are those of RO-Crate 1.1 and of the Workflow Run vocabulary. A value that has
no word of its own is a ``PropertyValue``.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from hutch.export.making import MadeFrom

Entity = dict[str, Any]

RUN_TERMS: Final = "https://w3id.org/ro/terms/workflow-run"
_DIGEST: Final = (
    "SHA-256 of the manifest: a line 'sha256  size  path' for each file, sorted by the "
    "bytes of the path"
)
_SEAL: Final = (
    "SHA-256 of the record {id, type, attributes, inputs, run, digest} as JSON, keys "
    "sorted, without white space"
)


@dataclass(slots=True)
class Graph:
    """The entities of a crate; each is there once, whoever refers to it."""

    known: dict[str, Entity] = field(default_factory=dict)

    def add(self, entity: Entity) -> Entity:
        """Take an entity in, and give what refers to it."""
        self.known[entity["@id"]] = entity
        return {"@id": entity["@id"]}

    def add_values(self, kind: str, values: Mapping[str, Any]) -> list[Entity]:
        """Take values in by their names; what JSON-LD would take apart as text."""
        return [
            self.add(
                {
                    "@id": f"#{kind}/{quote(name, safe='')}",
                    "@type": "PropertyValue",
                    "name": name,
                    "value": value
                    if isinstance(value, str | int | float)
                    else json.dumps(value, ensure_ascii=False, sort_keys=True),
                }
            )
            for name, value in values.items()
        ]


def urn(uuid: UUID) -> str:
    """Name a dataset or a run so that it is the same everywhere."""
    return f"urn:uuid:{uuid}"


def moment(at: datetime) -> str:
    """Write a time as precisely as the specification allows."""
    return at.isoformat(timespec="milliseconds")


def person(name: str) -> Entity:
    """Somebody by the name under which the server knows them."""
    return {"@id": f"#user/{quote(name, safe='')}", "@type": "Person", "name": name}


def licence(url: str) -> Entity:
    """A licence of which nothing is known but its address."""
    return {"@id": url, "@type": "CreativeWork", "name": url, "url": url}


def identifiers(graph: Graph, uuid: UUID, digest: str, seal: str) -> list[Any]:
    """Name a closed dataset by its id, by what it holds, and by where it comes from."""
    return [
        urn(uuid),
        *(
            graph.add(
                {
                    "@id": f"#{name}/{uuid}",
                    "@type": "PropertyValue",
                    "name": name,
                    "value": value,
                    "description": meaning,
                }
            )
            for name, value, meaning in (
                ("digest", digest, _DIGEST),
                ("seal", seal, _SEAL),
            )
        ),
    ]


def sources(
    graph: Graph, inputs: Iterable[MadeFrom], names: Mapping[UUID, str]
) -> list[Entity]:
    """Take the inputs of a dataset in; their files are no part of the crate.

    So none is a ``Dataset``: all of those have to be parts of the root.

    Args:
        graph: Takes them.
        inputs: What the dataset was made from.
        names: ``owner/name`` of those that the caller may read.
    """
    return [graph.add(_source(graph, one, names.get(one.id))) for one in inputs]


def _source(graph: Graph, one: MadeFrom, name: str | None) -> Entity:
    entity: Entity = {
        "@id": urn(one.id),
        "@type": "CreativeWork",
        "additionalType": {"@id": "http://schema.org/Dataset"},
        "identifier": identifiers(graph, one.id, one.digest, one.seal),
    }
    if name is not None:
        entity["name"] = name
    if one.name is not None:
        entity["alternateName"] = one.name
    return entity


def image(text: str) -> Entity:
    """A container image: ``registry/name@sha256:…``, or ``sha256:…`` for its id."""
    place, _, digest = text.rpartition("@")
    host, slash, path = place.partition("/")
    known = bool(slash) and (host == "localhost" or not {".", ":"}.isdisjoint(host))
    entity: Entity = {
        "@id": f"#image/{quote(text, safe='')}",
        "@type": "ContainerImage",
        "additionalType": {"@id": f"{RUN_TERMS}#DockerImage"},
        "name": (path if known else place) or text,
        "sha256": digest.removeprefix("sha256:"),
    }
    if known:
        entity["registry"] = host
    if not place:
        entity["description"] = "Named by the id of the image, which no registry knows"
    return entity
