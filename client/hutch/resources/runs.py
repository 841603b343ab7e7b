"""Routes of runs: begun, watched, ended, and what their programs wrote."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from hutch.connection import Connection
from hutch.contract.wire.runs import (
    ENDED,
    LogChunk,
    RunIn,
    RunLog,
    RunOut,
    RunPage,
    RunState,
)
from hutch.contract.wire.transfer import SignedRequest
from hutch.errors import ServerAnswerError
from hutch.resources.definitions import split_label

if TYPE_CHECKING:
    from hutch.transfer.carrier import Carrier

POLL_S: Final = (0.2, 0.5, 1.0, 2.0)
"""Pauses between two looks at a run; the last one is repeated."""

Tell = Callable[[int, bytes], None]
"""Is told the number of an attempt, and a piece of what its program wrote."""
Watch = Callable[[RunOut], None]
"""Is told each state of a run that was seen."""


class Runs:
    """The caller's runs of definitions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, wanted: RunIn) -> RunOut:
        """Run a definition; what it makes is there when the run has succeeded."""
        return self._connection.call(
            "POST",
            "/v1/runs",
            RunOut,
            body=wanted,
            headers={"Idempotency-Key": str(uuid4())},
            repeat=True,
        )

    def list(
        self,
        *,
        state: RunState | None = None,
        definition: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> RunPage:
        """Read a page of the caller's runs, the newest first.

        Args:
            state: Only those in this state.
            definition: Only those of this definition, in any version.
            after: ``next`` of the page before; None means the first page.
            limit: Most items of the page; None leaves it to the server.
        """
        return self._connection.call(
            "GET",
            "/v1/runs",
            RunPage,
            query={
                "state": state,
                "definition": definition,
                "after": after,
                "limit": limit,
            },
        )

    def iterate(
        self,
        *,
        state: RunState | None = None,
        definition: str | None = None,
        limit: int | None = None,
    ) -> Iterator[RunOut]:
        """Walk all pages of ``list``; ``limit`` is that of a page."""
        after: str | None = None
        while True:
            page = self.list(
                state=state, definition=definition, after=after, limit=limit
            )
            yield from page.items
            after = page.next
            if after is None:
                return

    def get(self, run: UUID) -> RunOut:
        """Read a run."""
        return self._connection.call("GET", _run(run), RunOut)

    def cancel(self, run: UUID) -> RunOut:
        """End a run: its tokens end now, its container within seconds.

        Raises:
            RunEndedError: If it has ended in another way, or is closing its output.
        """
        return self._connection.call("POST", f"{_run(run)}/cancel", RunOut, repeat=True)

    def log(
        self, run: UUID, *, attempt: int | None = None, after: int | None = None
    ) -> RunLog:
        """Ask where pieces of a log lie; ``read_log`` fetches them as well.

        Args:
            run: Id of the run.
            attempt: Number of the attempt; None means the last one.
            after: Number of the last piece that is here; None means none is.
        """
        return self._connection.call(
            "GET",
            f"{_run(run)}/log",
            RunLog,
            query={"attempt": attempt, "after": after},
        )

    def wait(
        self,
        run: UUID,
        *,
        watch: Watch = lambda _seen: None,
        timeout_s: float | None = None,
    ) -> RunOut:
        """Wait until a run has ended, in whichever way.

        Args:
            run: Id of the run.
            watch: Is told each state that was seen.
            timeout_s: Seconds to wait at most; None means for ever.

        Returns:
            The run: ``succeeded``, ``failed`` or ``cancelled``.

        Raises:
            TimeoutError: If it had not ended then; it goes on by itself.
        """
        for seen in self._looks(run, timeout_s):
            watch(seen)
        return seen

    def follow(
        self,
        run: UUID,
        tell: Tell,
        *,
        watch: Watch = lambda _seen: None,
        timeout_s: float | None = None,
    ) -> RunOut:
        """Wait as ``wait`` does, and pass on what the program writes as it comes.

        Args:
            run: Id of the run.
            tell: Is told all that each attempt writes, one after the other.
            watch: Is told each state that was seen.
            timeout_s: Seconds to wait at most; None means for ever.

        Raises:
            StoreUnavailableError: If the store does not give a piece of the log.
            TimeoutError: If it had not ended then; it goes on by itself.
        """
        number, after = 1, -1
        with _carrier() as carrier:
            for seen in self._looks(run, timeout_s):
                watch(seen)
                # Looked at before the log is read: of an attempt that had ended by
                # then nothing more comes.
                for attempt in seen.attempts:
                    if attempt.number > number:
                        number, after = attempt.number, -1
                    if attempt.number == number:
                        for last, data in self._pieces(carrier, run, number, after):
                            tell(number, data)
                            after = last
        return seen

    def read_log(self, run: UUID, *, attempt: int | None = None) -> Iterator[bytes]:
        """Fetch what there is of a log by now, piece by piece.

        Args:
            run: Id of the run.
            attempt: Number of the attempt; None means the last one.

        Raises:
            NotFoundError: If there is no such attempt.
            StoreUnavailableError: If the store does not give a piece.
        """
        with _carrier() as carrier:
            for _, data in self._pieces(carrier, run, attempt, -1):
                yield data

    def _looks(self, run: UUID, timeout_s: float | None) -> Iterator[RunOut]:
        """Look at a run again and again; the last look is at its end."""
        started, looks = time.monotonic(), 0
        while True:
            seen = self.get(run)
            yield seen
            if seen.state in ENDED:
                return
            if timeout_s is not None and time.monotonic() - started > timeout_s:
                raise TimeoutError(f"run {run} is still {seen.state}")
            time.sleep(POLL_S[min(looks, len(POLL_S) - 1)])
            looks += 1

    def _pieces(
        self, carrier: "Carrier", run: UUID, attempt: int | None, after: int
    ) -> Iterator[tuple[int, bytes]]:
        """Fetch the pieces of a log that come after one, each with its number."""
        from hutch.transfer.records import fetch_record  # noqa: PLC0415 - starts slower

        while chunks := self.log(run, attempt=attempt, after=after).chunks:
            for chunk in chunks:
                if chunk.number <= after or attempt not in {None, chunk.attempt}:
                    raise _out_of_order()
                attempt, after = chunk.attempt, chunk.number
                renew = self._renewer(run, chunk)
                yield after, fetch_record(carrier, chunk.request, renew)

    def _renewer(self, run: UUID, chunk: LogChunk) -> Callable[[], SignedRequest]:
        """Make what asks for a piece once more, where its address has expired."""

        def renew() -> SignedRequest:
            log = self.log(run, attempt=chunk.attempt, after=chunk.number - 1)
            for again in log.chunks:
                if again.number == chunk.number:
                    return again.request
            raise _out_of_order()

        return renew


def wanted_again(record: Mapping[str, Any], name: str) -> RunIn:
    """Make the request that does once more what a run's record says.

    Args:
        record: ``run`` of the dataset that the run made.
        name: Name of the dataset that is made.

    Raises:
        ServerAnswerError: If the record does not say it.
        ValueError: If the name is none.
    """
    try:
        definition, version = split_label(record["definition"])
        inputs = {str(row["name"]): UUID(row["id"]) for row in record["inputs"]}
        parameters = dict(record["parameters"])
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise ServerAnswerError(
            "The record of the run does not say how to run it again; is this client "
            "new enough for the server?"
        ) from e
    return RunIn(
        definition=definition,
        version=version,
        inputs=inputs,
        parameters=parameters,
        name=name,
    )


@contextmanager
def _carrier() -> Iterator["Carrier"]:
    """Give connections to the store.

    They are loaded where they are needed: most commands fetch nothing.
    """
    from hutch.transfer.carrier import Carrier  # noqa: PLC0415 - starts slower

    with closing(Carrier(jobs=1)) as carrier:
        yield carrier


def _out_of_order() -> ServerAnswerError:
    return ServerAnswerError("The server's list of a log is not in order.")


def _run(run: UUID) -> str:
    return f"/v1/runs/{run}"
