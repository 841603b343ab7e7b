"""The push that a working directory goes on with, until the server forgets it."""

import threading
from collections.abc import Sequence
from uuid import UUID

from hutch.client import Client
from hutch.contract.problems import NotFoundError
from hutch.contract.steps import Step, reached
from hutch.contract.wire.transfer import (
    AbortIn,
    DeletionsIn,
    DeletionsOut,
    FileRef,
    FinishIn,
    FinishItem,
    FinishOut,
    PartIn,
    PartsIn,
    PartsOut,
    UploadIn,
    UploadOut,
    UploadsIn,
)
from hutch.workdir.journal import Journal


class Session:
    """One push, used by several threads; begun when it is first needed.

    Args:
        client: Logged in to the server.
        dataset: Where the files go.
        journal: Keeps the push's id, so that the next call goes on with it.
        force: Replace what others changed meanwhile.
    """

    def __init__(
        self, client: Client, dataset: UUID, journal: Journal, *, force: bool
    ) -> None:
        self.client = client
        self.dataset = dataset
        self._journal = journal
        self._force = force
        self._push = journal.push()
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._is_announced = False

    def announce(self, files: Sequence[UploadIn]) -> tuple[UUID, list[UploadOut]]:
        """Announce files; a push that the server has forgotten is begun anew.

        The first goes alone. The server makes the dataset's store account for it, and
        would ask all others to come again in a second.

        Returns:
            The push in which they were announced, and how to send each.
        """
        if not self._is_announced:
            with self._first:
                if not self._is_announced:
                    answer = self._announce(files)
                    self._is_announced = True
                    return answer
        return self._announce(files)

    def _announce(self, files: Sequence[UploadIn]) -> tuple[UUID, list[UploadOut]]:
        wanted = UploadsIn(files=tuple(files), force=self._force)
        push = self._current(None)
        try:
            return push, list(self.client.pushes.announce(push, wanted).files)
        except NotFoundError:
            push = self._current(push)
            return push, list(self.client.pushes.announce(push, wanted).files)

    def remove(self, files: Sequence[FileRef]) -> DeletionsOut:
        """Take files out of the dataset; a forgotten push is begun anew."""
        wanted = DeletionsIn(files=tuple(files), force=self._force)
        push = self._current(None)
        try:
            return self.client.pushes.remove(push, wanted)
        except NotFoundError:
            return self.client.pushes.remove(self._current(push), wanted)

    def parts(self, push: UUID, parts: Sequence[PartIn]) -> PartsOut:
        """Ask for the addresses of parts."""
        return self.client.pushes.parts(push, PartsIn(parts=tuple(parts)))

    def finish(self, push: UUID, items: Sequence[FinishItem]) -> FinishOut:
        """Say that files were sent."""
        return self.client.pushes.finish(push, FinishIn(files=tuple(items)))

    def abort(self, push: UUID, intents: Sequence[UUID]) -> None:
        """End uploads that will not go on."""
        self.client.pushes.abort(push, AbortIn(intents=tuple(intents)))

    def _current(self, lost: UUID | None) -> UUID:
        with self._lock:
            if self._push is None or self._push == lost:
                self._push = self.client.pushes.start(self.dataset).id
                self._journal.start_push(self._push)
                reached(Step.PUSH_NOTED)
            return self._push
