"""``hutch lineage``: show where a dataset comes from and what came of it.

Ancestors come first; a dataset stands one step further right than its parents. Those
that you may not read are shown by their id alone.
"""

from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass

from hutch.cli.commands.close import add_dataset
from hutch.cli.desk import Desk
from hutch.cli.exits import Exit, epilog
from hutch.cli.values import positive
from hutch.contract.wire.datasets import LineageNode

EPILOG = epilog(ok="it is shown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was typed."""

    dataset: str | None
    depth: int | None


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset(parser)
    parser.add_argument(
        "--depth", type=positive, metavar="N", help="steps in each direction"
    )


def run(options: Options, desk: Desk) -> Exit:
    """Do it."""
    screen = desk.screen
    with desk.dataset(options.dataset) as (client, dataset):
        found = client.datasets.lineage(dataset.id, depth=options.depth)
    screen.document(found)
    nodes = sorted(found.nodes, key=lambda node: (node.depth, node.name or "~"))
    top = nodes[0].depth if nodes else 0
    corrections = {edge.child for edge in found.edges if edge.correction}
    screen.table(
        [
            (
                "  " * (node.depth - top) + _name(node),
                node.state or "-",
                node.type or "-",
                str(node.id),
                " ".join(_remarks(node, is_correction=node.id in corrections)),
            )
            for node in nodes
        ]
    )
    if found.truncated:
        screen.say("there is more; --depth N shows it")
    return Exit.OK


def _remarks(node: LineageNode, *, is_correction: bool) -> Iterator[str]:
    if node.depth == 0:
        yield "this one"
    if is_correction:
        yield "correction"
    if node.definition is not None:
        yield f"by {node.definition}"


def _name(node: LineageNode) -> str:
    return "(not for you to read)" if node.name is None else f"{node.owner}/{node.name}"
