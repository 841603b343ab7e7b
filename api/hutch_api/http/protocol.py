"""HTTP/1.1 as uvicorn speaks it, with an end to its patience.

uvicorn waits for ever for the rest of a request and holds as many connections as come.
Here a head and a body have to arrive in time, an answer has to be read in time, and
where there are too many connections the one that has said nothing for longest goes.
What cannot be read as HTTP is answered with a problem document, as everything else.
"""

import asyncio
import socket
import struct
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from hutch.contract.problems import MalformedError
from hutch_api.http import problems
from hutch_api.http.middleware import SECURITY

_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""What makes a close drop what was not sent."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client may take, and how many there may be.

    Attributes:
        head: For the line and the headers of a request.
        body: For the body of a request, and for reading a piece of the answer.
        connections: Most at a time; at one more, the oldest that waits is closed.
    """

    head: timedelta = timedelta(seconds=10)
    body: timedelta = timedelta(seconds=60)
    connections: int = 500


class PatientProtocol(H11Protocol):
    """One connection.

    Args:
        patience: The limits.
        waiting: All connections that have no request, the oldest first; shared.
        given: What uvicorn gives to its own class.
    """

    def __init__(
        self,
        *,
        patience: Patience,
        waiting: dict["PatientProtocol", None],
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self._patience, self._waiting = patience, waiting
        self._alarm: asyncio.TimerHandle | None = None
        self._stage: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head; where there are too many, close the oldest."""
        super().connection_made(transport)
        self._look()
        if len(self.connections) > self._patience.connections:
            next(iter(self._waiting)).hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._waiting.pop(self, None)
        self._expect(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and see what is still to come."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Go on with the next request of this connection."""
        super().on_response_complete()
        self._look()

    def timeout_keep_alive_handler(self) -> None:
        """Close when nothing more comes; what was not read yet may keep it open."""
        super().timeout_keep_alive_handler()
        self._look()

    def pause_writing(self) -> None:
        """Wait for a client that does not read."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        self._look()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; in the middle of an answer, only hang up."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            request_id = uuid.uuid4().hex
            error = MalformedError(f"the request is not valid HTTP: {msg}")
            answer = problems.respond(
                error, instance="*", request_id=request_id, close=True
            )
            headers = [
                *answer.raw_headers,
                *((n.lower().encode(), v.encode()) for n, v in SECURITY.items()),
                (b"x-request-id", request_id.encode()),
            ]
            for event in (
                h11.Response(status_code=answer.status_code, headers=headers),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
        self.hang_up()

    def _serving(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _look(self) -> None:
        """Find what is to come from the client, and give it its time."""
        idle = not (self._serving() or self.transport.is_closing())
        if idle:
            self._waiting.setdefault(self)
        else:
            self._waiting.pop(self, None)
        if self.transport.get_write_buffer_size():
            self._expect(h11.SEND_RESPONSE, self._patience.body)
        elif self._serving() and self.conn.their_state is h11.SEND_BODY:
            self._expect(h11.SEND_BODY, self._patience.body)
        elif idle and self.timeout_keep_alive_task is None:
            self._expect(h11.IDLE, self._patience.head)
        else:  # the server works, or uvicorn's own keep-alive time runs
            self._expect(None)

    def _expect(self, stage: object, span: timedelta | None = None) -> None:
        """Wait for the end of a stage; what is expected already goes on."""
        if stage is self._stage:
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._stage = stage
        if stage is not None and span is not None:
            self._alarm = self.loop.call_later(span.total_seconds(), self._give_up)

    def _give_up(self) -> None:
        stage, self._stage, self._alarm = self._stage, None, None
        read = stage is h11.SEND_RESPONSE and not self.transport.get_write_buffer_size()
        if read or (stage is h11.SEND_BODY and self.flow.read_paused):
            self._look()  # it is not the client that is slow
        else:
            self.hang_up()

    def hang_up(self) -> None:
        """Close without waiting for the client; what runs for it hears of that."""
        self._waiting.pop(self, None)
        if self._serving():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.get_write_buffer_size():
            # It does not read: the system's buffer has to be given up as well.
            line = self.transport.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()
        else:
            self.transport.close()
