"""What a command works with: the screen, a server, a working directory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hutch import credentials
from hutch.cli.screen import Screen, UsageError
from hutch.client import Client, connect
from hutch.contract.wire.datasets import DatasetOut
from hutch.errors import NoWorkdirError
from hutch.workdir.directory import Workdir, find_workdir


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a command works with.

    Attributes:
        screen: Where it speaks.
        server: Address of the server that ``--server`` names; None means that of
            the working directory, of ``HUTCH_URL``, or of the last login.
    """

    screen: Screen
    server: str | None = None

    def credential(self, url: str | None = None) -> credentials.Credential:
        """Find the token for a server.

        Args:
            url: The server; None means the one that the command is about.

        Raises:
            NotLoggedInError: If there is none.
        """
        return credentials.find(url or self._nearest_server())

    @contextmanager
    def client(self, url: str | None = None) -> Iterator[Client]:
        """Speak with a server as the person who is logged in there.

        Args:
            url: The server; None means the one that the command is about.

        Raises:
            NotLoggedInError: If nobody is.
        """
        held = self.credential(url)
        with connect(
            held.url,
            token=held.token,
            insecure=held.insecure,
            waiting=lambda server: self.screen.note(f"waiting for {server} …"),
        ) as client:
            yield client

    @contextmanager
    def dataset(self, word: str | None) -> Iterator[tuple[Client, DatasetOut]]:
        """Find the dataset that a word means, or that of the working directory.

        Args:
            word: As it was typed; None means the working directory's.

        Raises:
            NotFoundError: If no dataset fits.
            UsageError: If there is no word and no working directory.
        """
        if word is not None:
            with self.client() as client:
                yield client, client.find(word)
            return
        try:
            workdir = self.workdir()
        except NoWorkdirError:
            raise UsageError(
                f"name a dataset: {Path.cwd()} is not in a working directory. "
                "'hutch ls' lists the datasets that you may see"
            ) from None
        with self.bound(workdir) as client:
            yield client, client.datasets.get(workdir.dataset)

    def workdir(self, start: Path | None = None) -> Workdir:
        """Find the working directory around a place.

        Args:
            start: The place; None means where the person is.

        Raises:
            NoWorkdirError: If there is none.
        """
        return find_workdir(Path.cwd() if start is None else start)

    @contextmanager
    def bound(self, workdir: Workdir) -> Iterator[Client]:
        """Speak with the server of a working directory.

        Raises:
            NotLoggedInError: If nobody is logged in there.
            UsageError: If ``--server`` names another one.
        """
        if self.server and self.server.rstrip("/") != workdir.server:
            raise UsageError(
                f"{workdir.root} is bound to {workdir.server}, not to {self.server}"
            )
        with self.client(workdir.server) as client:
            yield client

    def _nearest_server(self) -> str | None:
        if self.server or os.environ.get("HUTCH_URL"):
            return self.server
        try:
            return self.workdir().server
        except NoWorkdirError:
            return None
