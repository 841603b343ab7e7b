"""How the results of commands are shown to people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from hutch.cli import text
from hutch.cli.exits import Exit, exit_of_files
from hutch.cli.screen import Screen
from hutch.contract.wire.datasets import DatasetOut
from hutch.contract.wire.tools import StrayOut
from hutch.models import Problem

MOST = 20
"""Problems and paths shown one by one; beyond that a count says it better."""


def dataset_name(dataset: DatasetOut) -> str:
    """Name a dataset as it can be typed again."""
    return f"{dataset.owner}/{dataset.name}"


def holds(dataset: DatasetOut) -> str:
    """Say how much a dataset holds."""
    return f"{text.count(dataset.files, 'file')}, {text.size(dataset.bytes)}"


def show_problems(screen: Screen, problems: Sequence[Problem]) -> Exit:
    """Print which files failed and why, and choose the ending."""
    for problem in problems[:MOST]:
        screen.fail_file(problem.path, problem.error)
    if len(problems) > MOST:
        screen.warn(f"… and {len(problems) - MOST:,} more; --json lists them all")
    return exit_of_files(problem.error for problem in problems)


def show_paths(screen: Screen, mark: str, paths: Iterable[str]) -> None:
    """Print paths with what is the matter with them in front."""
    for path in paths:
        screen.show(f"{mark:9} {path}")


def show_strays(screen: Screen, strays: Iterable[StrayOut]) -> None:
    """Print what other tools did in the store, and why some of it cannot stay."""
    for stray in strays:
        why = f": {stray.problem.get('detail')}" if stray.problem else ""
        screen.show(f"{stray.kind.value:11} {stray.path}{why}")


def describe(screen: Screen, dataset: DatasetOut) -> None:
    """Print everything that is known of a dataset."""
    rows = [
        ("dataset", dataset_name(dataset)),
        ("id", str(dataset.id)),
        ("state", dataset.state.value),
        ("type", f"{dataset.type} (version {dataset.type_version})"),
        ("holds", holds(dataset)),
        ("your right", dataset.right.value),
        ("created", f"{text.moment(dataset.created_at)} by {dataset.creator}"),
        ("changed", f"{text.moment(dataset.updated_at)}, revision {dataset.revision}"),
    ]
    moments = (
        ("closed", dataset.closed_at),
        ("deleted", dataset.deleted_at),
        ("read again", dataset.scrubbed_at),
    )
    rows += [(what, text.moment(at)) for what, at in moments if at]
    if dataset.faults:
        damaged = f"{text.count(dataset.faults, 'file')} not as recorded"
        rows.append(("ALARM", f"{damaged}; 'hutch files' marks them"))
    if dataset.digest:
        rows.append(("digest", dataset.digest))
    if dataset.seal:
        rows.append(("seal", dataset.seal))
    if dataset.description:
        rows.append(("about", dataset.description.replace("\n", " ")))
    if dataset.keywords:
        rows.append(("keywords", ", ".join(dataset.keywords)))
    if dataset.run is not None:
        rows.append(("made by", record_line(dataset.run)))
    source = "corrects" if dataset.correction else "made from"
    rows += [(source, str(parent.id)) for parent in dataset.inputs]
    screen.table(rows)
    if dataset.attributes:
        screen.show()
        screen.table(text.flat(dataset.attributes))


def record_line(record: Mapping[str, Any]) -> str:
    """Say in a line what a dataset's record tells of the run that made it."""
    began, ended = (_moment(record.get(name)) for name in ("started_at", "ended_at"))
    rule = f", by the rule {record['rule']}" if record.get("rule") else ""
    return (
        f"{record.get('definition', '?')} in {_short_image(record.get('image', '?'))} "
        f"for {record.get('by', '?')}{rule}, {began} to {ended}"
    )


def _short_image(image: Any) -> str:
    name, mark, digest = str(image).partition("sha256:")
    return f"{name}{mark}{digest[:12]}…" if mark else str(image)


def _moment(at: Any) -> str:
    try:
        return text.moment(datetime.fromisoformat(at))
    except (TypeError, ValueError):
        return "?"
