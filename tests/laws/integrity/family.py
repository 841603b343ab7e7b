"""A scan and what was made of it, and the person who looks at them."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from hutch import Client, push
from hutch.contract.wire.datasets import DatasetIn, DatasetOut
from tests.client.live import PASSWORD, Live
from tests.e2e.stage import Person
from tests.laws.integrity.damage import Damage

SCAN = {"a": b"first file", "sub/b": b"second file", "sub/c": b"third file"}
RESULT = {"volume": b"made of them"}
ATTRIBUTES = {"sample": "tooth", "energy": 1e22}


@dataclass(frozen=True, slots=True)
class Family:
    """Parent and child, and how somebody reads and damages them."""

    live: Live
    damage: Damage
    client: Client
    person: Person
    parent: UUID
    child: UUID


def make_family(live: Live, client: Client, damage: Damage, home: Path) -> Family:
    """Make them, and a person at a command line who owns them."""
    name = client.account.whoami().user.name
    person = Person(name, PASSWORD, home / "home", live.url)
    person.home.mkdir()
    person.log_in()
    parent = closed(live, client, DatasetIn(name="scan", attributes=ATTRIBUTES), SCAN)
    wanted = DatasetIn(name="volume", inputs=(parent.id,))
    child = closed(live, client, wanted, RESULT)
    return Family(live, damage, client, person, parent.id, child.id)


def closed(
    live: Live, client: Client, wanted: DatasetIn, files: dict[str, bytes]
) -> DatasetOut:
    """Make a closed dataset."""
    dataset = client.datasets.create(wanted)
    push(live.workdir(client, files, dataset=dataset), client)
    client.datasets.wait(client.datasets.close(dataset.id))
    return client.datasets.get(dataset.id)
