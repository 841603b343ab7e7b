"""Bars on a terminal. Only who sees one waits for rich to be loaded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from hutch.cli.tally import Tally
from hutch.contract.wire.datasets import OperationOut
from hutch.progress import Event, Tell


@contextmanager
def transfer_bar(title: str) -> Iterator[Tell]:
    """Show a transfer as a bar until the end of the block."""
    tally = Tally()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TextColumn("{task.fields[files]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(
        *columns, console=Console(stderr=True), transient=True, refresh_per_second=5
    ) as bar:
        task = bar.add_task(title, total=None, files="")

        def tell(event: Event) -> None:
            tally.add(event)
            failed = f", {tally.failed:,} failed" if tally.failed else ""
            bar.update(
                task,
                completed=tally.bytes_done,
                total=tally.bytes or None,
                files=f"{tally.files_done:,}/{tally.files:,} files{failed}",
            )

        yield tell


@contextmanager
def operation_bar(title: str) -> Iterator[Callable[[OperationOut], None]]:
    """Show work that the server does as a bar until the end of the block."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[files]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, files="")

        def show(seen: OperationOut) -> None:
            files = f"{seen.done:,}/{seen.total:,}"
            bar.update(task, completed=seen.done, total=seen.total or None, files=files)

        yield show
