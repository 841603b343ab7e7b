"""What RO-Crate 1.1 and the Process Run Crate profile 0.5 ask of a crate.

The rules are written down here once more, from the two specifications: every MUST, and
each SHOULD that a server can know the answer to.
"""

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from rocrate import vocabs
from rocrate.rocrate import ROCrate

PROFILE: Final = "https://w3id.org/ro/wfrun/process/0.5"
RUN_CONTEXT: Final = "https://w3id.org/ro/terms/workflow-run/context"
RUN_WORDS: Final = {"ContainerImage", "containerImage", "registry", "sha256"}
"""Of the workflow-run vocabulary, those that are used."""
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?\+\d\d:\d\d")

Entity = dict[str, Any]


@dataclass(frozen=True)
class Crate:
    """A crate as it was read."""

    document: dict[str, Any]

    @property
    def root(self) -> Entity:
        """The root dataset, found as the specification says."""
        return self[self["ro-crate-metadata.json"]["about"]["@id"]]

    def __getitem__(self, identifier: str) -> Entity:
        [found] = [e for e in self.graph if e["@id"] == identifier]
        return found

    @property
    def graph(self) -> list[Entity]:
        """All entities."""
        graph: list[Entity] = self.document["@graph"]
        return graph

    def of(self, kind: str) -> list[Entity]:
        """All entities of a type."""
        return [e for e in self.graph if kind in many(e["@type"])]

    def follow(self, entity: Entity, name: str) -> list[Any]:
        """Give the values of a property, entities for what refers to them."""
        return [
            self[v["@id"]] if isinstance(v, dict) else v
            for v in many(entity.get(name, []))
        ]

    def values(self, entity: Entity, name: str) -> dict[str, Any]:
        """Give the property values among the values of a property."""
        return {
            v["name"]: v["value"]
            for v in self.follow(entity, name)
            if isinstance(v, dict) and v["@type"] == "PropertyValue"
        }


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def read_crate(directory: Path) -> Crate:
    """Read a crate, which has to be a good one, and have the library read it."""
    path = directory / "ro-crate-metadata.json"
    crate = Crate(json.loads(path.read_text("utf-8")))
    require_flat(crate)
    require_words(crate)
    require_root(crate)
    require_parts(crate, directory)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = ROCrate(directory)
    assert loaded.metadata.version == "1.1"
    assert {e.id for e in loaded.get_entities()} == {e["@id"] for e in crate.graph}
    return crate


def require_flat(crate: Crate) -> None:
    """Entities have ids of their own, and values that are plain or refer to one."""
    ids = [e["@id"] for e in crate.graph]
    assert len(set(ids)) == len(ids)
    for entity in crate.graph:
        assert entity["@type"]
        for name, value in _values(entity):
            if isinstance(value, dict):
                assert set(value) == {"@id"}, (entity, name)
                assert value["@id"] in ids or urlsplit(value["@id"]).scheme, value
            else:
                assert isinstance(value, str | int | float), (entity, name)


def require_words(crate: Crate) -> None:
    """Every type and property is a word that the context explains."""
    contexts = many(crate.document["@context"])
    assert contexts[0] == "https://w3id.org/ro/crate/1.1/context"
    words = set(vocabs.RO_CRATE["@context"]) - {"sha256"}  # younger than 1.1
    for more in contexts[1:]:
        words |= RUN_WORDS if more == RUN_CONTEXT else set(more)
    for entity in crate.graph:
        used = {*many(entity["@type"]), *entity} - {"@id", "@type"}
        assert used <= words, entity


def require_root(crate: Crate) -> None:
    """The root and what describes it have what every crate has to have."""
    descriptor = crate["ro-crate-metadata.json"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = crate.root
    assert root["@id"] == "./"
    assert root["@type"] == "Dataset"
    assert root["name"]
    assert root["description"]
    require_moment(root["datePublished"])
    [licence] = crate.follow(root, "license")
    assert isinstance(licence, str) or licence["@type"] == "CreativeWork"
    [author] = crate.follow(root, "author")
    assert author["@type"] == "Person"


def require_parts(crate: Crate, directory: Path) -> None:
    """Files are parts of the root; they are there, or said to be elsewhere."""
    parts = [part["@id"] for part in many(crate.root.get("hasPart", []))]
    files = [e["@id"] for e in crate.of("File")]
    assert sorted(parts) == sorted(files)
    assert crate.of("Dataset") == [crate.root]
    for file in crate.of("File"):
        assert re.fullmatch("[0-9a-f]{64}", file["sha256"])
        where = urlsplit(file["@id"])
        if where.scheme:
            assert where.netloc
            require_moment(file["sdDatePublished"])
        else:
            here = directory / unquote(file["@id"])
            assert here.resolve().is_relative_to(directory.resolve())
            assert here.stat().st_size == int(file["contentSize"])


def require_process(crate: Crate) -> Entity:
    """Check what the profile asks for, and give the action."""
    assert RUN_CONTEXT in many(crate.document["@context"])
    [profile] = crate.follow(crate.root, "conformsTo")
    assert profile["@id"] == PROFILE
    assert profile["@type"] == "CreativeWork"
    [action] = crate.of("CreateAction")
    assert crate.follow(crate.root, "mentions") == [action]
    [tool] = crate.follow(action, "instrument")
    assert crate.of("SoftwareApplication") == [tool]
    assert urlsplit(tool["@id"]).scheme
    assert tool["name"]
    assert tool["url"]
    assert tool["softwareVersion"]
    assert "version" not in tool
    assert action["name"]
    assert action["description"]
    require_moment(action["startTime"])
    require_moment(action["endTime"])
    [agent] = crate.follow(action, "agent")
    assert agent["@type"] == "Person"
    assert crate.follow(action, "result") == [crate.root]
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert "error" not in action
    kinds = {e["@type"] for e in crate.follow(action, "object")}
    assert kinds <= {"CreativeWork", "PropertyValue"}
    [image] = crate.follow(action, "containerImage")
    assert image["@type"] == "ContainerImage"
    assert image["name"]
    return action


def require_moment(text: str) -> None:
    """A time as ISO 8601, to the millisecond at most, with its zone."""
    assert _MOMENT.fullmatch(text)
    assert datetime.fromisoformat(text).tzinfo is not None


def _values(entity: Entity) -> Iterator[tuple[str, Any]]:
    for name, value in entity.items():
        for one in many(value):
            yield name, one
