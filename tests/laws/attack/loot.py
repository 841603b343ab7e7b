"""A dataset that was pushed in several generations, and who saw what of it."""

import random
from dataclasses import dataclass
from uuid import UUID

from hutch.contract.parts import MIB
from hutch.contract.wire.datasets import Right
from hutch.contract.wire.transfer import SignedRequest
from hutch_api.domain.access import Actor
from hutch_api.domain.layout import key_of, prefix_of
from tests.laws.attack.arsenal import Loot, key_id_of
from tests.laws.attack.world import World

LARGE = 17 * MIB
"""More than goes by one PUT."""


@dataclass(frozen=True)
class Pushed:
    """An open dataset whose URLs of three generations somebody kept.

    Attributes:
        files: What it holds.
        unused: Signed writes that were never sent, of the account that is alive.
    """

    dataset: UUID
    owner: Actor
    reader: Actor
    files: dict[str, bytes]
    unused: list[tuple[SignedRequest, bytes]]


def pushed(world: World, *, seed: int) -> Pushed:
    """Push in three generations: S, M by size, M by replacing, and some unused."""
    rng = random.Random(seed)  # noqa: S311 -- test data
    ada, eve = world.person("ada"), world.person("eve")
    dataset = world.flow.dataset(ada, f"attacked-{seed}").id
    world.flow.share(ada, dataset, to="eve", right=Right.READ)
    files = {f"dir/{n}": rng.randbytes(64 + n) for n in range(4)}
    files |= {
        "a": b"first",
        "empty": b"",
        "large": rng.randbytes(1024) * (LARGE // 1024),
    }
    world.flow.push(ada, dataset, files)
    world.idle()
    files |= {"a": b"second", "b": rng.randbytes(100)}
    base = {"a": world.pins(dataset)["a"]}
    world.flow.push(ada, dataset, {p: files[p] for p in ("a", "b")}, base=base)
    world.idle()
    unused = _announced(world, ada, dataset)
    return Pushed(dataset, ada, eve, files, unused)


def _announced(
    world: World, actor: Actor, dataset: UUID
) -> list[tuple[SignedRequest, bytes]]:
    """Sign a new small file and parts of a replacement, and send neither."""
    push = world.flow.start(actor, dataset)
    wanted = {"late/new": b"late" * 16, "late/more": b"more" * 16, "b": b"other" * 20}
    base = {"b": world.pins(dataset)["b"]}
    return [
        (
            world.flow.signed(actor, push, upload, wanted[upload.path]),
            wanted[upload.path],
        )
        for upload in world.flow.announce(actor, push, wanted, base=base)
    ]


def positions(world: World, made: Pushed, others: dict[str, UUID]) -> dict[str, Loot]:
    """Tell what a writer, a reader and somebody who saw one URL have in hand."""
    reads = [(r, b"") for r in world.downloads(made.reader, made.dataset).values()]
    small = [(r, body) for r, body in world.sent if len(body) < MIB]
    writes = [s for s in small if prefix_of(made.dataset) in s[0].url] + made.unused
    known = {
        key_of(dataset, path): version
        for dataset in others.values()
        for path, version in world.pins(dataset).items()
    }

    def seen(signed: list[tuple[SignedRequest, bytes]]) -> Loot:
        return Loot(
            origin=world.ready.place.endpoint,
            bucket=world.ready.data,
            meta=world.ready.place.buckets.meta,
            signed=signed,
            key_ids=sorted({key_id_of(r) for r, _ in signed}),
            prefix=prefix_of(made.dataset),
            pins=world.pins(made.dataset),
            neighbours=known,
        )

    return {
        "writer": seen(writes + reads),
        "reader": seen(reads),
        "one url": seen(writes + reads),
    }
