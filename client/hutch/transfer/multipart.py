"""Send files in parts: those that are large, and those that replace another.

A part's address is signed for its CRC, so that each part is hashed first, a few ahead
of those that are sent. What the store holds already from an earlier run is hashed
again, but not sent.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final, Self
from uuid import UUID

from hutch.contract import parts as contract
from hutch.contract.parts import Part
from hutch.contract.problems import HutchError, NotFoundError, from_problem
from hutch.contract.steps import Step, reached
from hutch.contract.wire.transfer import (
    PartHeld,
    PartIn,
    PartOut,
    PartSent,
    SignedRequest,
    UploadOut,
)
from hutch.errors import FileChangingError, ServerAnswerError
from hutch.transfer.checksums import Hasher, Sums, combine, from_text, to_text
from hutch.transfer.engine import Engine, Outgoing, only_of_file
from hutch.transfer.source import hash_part, opened
from hutch.transfer.upload import Target, send, sent
from hutch.workdir.walk import Found

AHEAD: Final = 8
"""Parts of a file that are hashed and not yet sent: what was read is still in the page
cache when it goes."""
TOGETHER: Final = 4
"""Parts that are signed in one call, unless a thread that sends would wait for it."""


@dataclass(slots=True)
class Multipart:
    """A file on its way in parts.

    Attributes:
        held: Parts that the store has from before, by number.
        known: Both checksums, if the file was hashed already.
        crcs: CRC of each part hashed so far, by number.
        acknowledged: Parts that the store has now, by number.
        rest: Parts that are not hashed yet.
        left: Parts that are neither held nor acknowledged yet.
        ahead: Parts that are being hashed, or wait to be sent, or are on their way.
        at_work: Threads that work for this file, and whether one of them hashes.
        error: Why the file will not get there.
    """

    found: Found
    intent: UUID
    part_size: int
    held: dict[int, PartHeld]
    known: Sums | None
    rest: Iterator[Part]
    left: int
    ahead: int = 0
    at_work: int = 0
    is_hashing: bool = False
    hasher: Hasher = field(default_factory=Hasher)
    crcs: dict[int, str] = field(default_factory=dict)
    acknowledged: dict[int, PartSent] = field(default_factory=dict)
    error: HutchError | None = None

    @classmethod
    def of(
        cls, found: Found, answer: UploadOut, intent: UUID, *, sums: Sums | None
    ) -> Self:
        """Begin with what the server answered."""
        size = found.stamp.size
        length = answer.part_size or contract.part_size(size)
        parts = list(contract.plan(size, length=length))
        return cls(
            found=found,
            intent=intent,
            part_size=length,
            held={p.number: p for p in answer.held},
            known=sums if size <= length else None,
            rest=iter(parts),
            left=len(parts),
        )

    def plan(self) -> Iterator[Part]:
        """List the parts of the file."""
        return contract.plan(self.found.stamp.size, length=self.part_size)

    def sums(self) -> Sums:
        """Tell the checksums of the whole file, all parts being hashed.

        Raises:
            FileChangingError: If the parts are not those of one content.
        """
        if self.known is not None:
            return self.known
        sums = self.hasher.sums()
        pieces = ((from_text(self.crcs[p.number]), p.size) for p in self.plan())
        if to_text(combine(pieces)) != sums.crc64nvme:
            raise FileChangingError(
                f"{self.found.path!r} changed while it was pushed. Push again when "
                "nothing writes to it any more.",
                path=self.found.path,
            )
        return sums

    def arrived(self) -> int:
        """Count the bytes that the store has."""
        return sum(p.size for p in self.plan() if p.number in self.acknowledged)

    def sent(self) -> tuple[PartSent, ...]:
        """List the parts as the store acknowledged them, in order."""
        return tuple(self.acknowledged[p.number] for p in self.plan())


@dataclass(frozen=True, slots=True)
class _Done:
    """A thread has done its work for a part.

    Attributes:
        is_sent: The part is at the store; otherwise it was hashed.
        take: Gives the result, or raises what went wrong.
    """

    multi: Multipart
    part: Part
    is_sent: bool
    take: Callable[[], Any]


class Parts:
    """The multipart files of one batch."""

    def __init__(self, engine: Engine, push: UUID) -> None:
        self._engine = engine
        self._push = push
        self._files: dict[UUID, tuple[Multipart, Outgoing]] = {}
        self._done: SimpleQueue[_Done] = SimpleQueue()
        self._hashed: list[tuple[Multipart, Part]] = []
        self._sending = 0

    def add(self, multi: Multipart, item: Outgoing) -> None:
        """Take a file along; it is hashed from now on."""
        self._files[multi.intent] = multi, item
        self._hash_next(multi)

    def send(self) -> Iterator[tuple[Multipart, Outgoing]]:
        """Send all parts.

        Yields:
            Each file when its last part is there, or when it has failed.

        Raises:
            HutchError: Whatever stops the push as a whole.
        """
        while self._files:
            done = self._await()
            for one in done:
                one.multi.at_work -= 1
                if one.is_sent:
                    self._sending -= 1
                    self._acknowledge(one)
                elif self._is_wanted(one):
                    self._hashed.append((one.multi, one.part))
            if self._hashed and self._is_time_to_sign():
                hashed, self._hashed = self._hashed, []
                self._start([one for one in hashed if one[0].error is None])
            for multi in {id(one.multi): one.multi for one in done}.values():
                self._hash_next(multi)
                if self._is_over(multi):
                    yield self._files.pop(multi.intent)

    def _is_time_to_sign(self) -> bool:
        is_hashing = any(multi.is_hashing for multi, _ in self._files.values())
        few = self._sending < TOGETHER
        return few or not is_hashing or len(self._hashed) >= TOGETHER

    def _await(self) -> list[_Done]:
        """Wait for a thread, and take what others have done by now."""
        done = [self._done.get()]
        try:
            while True:
                done.append(self._done.get_nowait())
        except Empty:
            return done

    def _submit(
        self, multi: Multipart, part: Part, request: SignedRequest | None = None
    ) -> None:
        """Have a part sent, or hashed if it is not said where to."""
        engine, is_sent = self._engine, request is not None
        future: Future[Any]
        if request is None:
            future = engine.hashers.submit(self._hash, multi, part)
        else:
            future = engine.senders.submit(self._send_part, multi, part, request)
        multi.at_work += 1
        self._sending += is_sent
        future.add_done_callback(
            lambda done: self._done.put(_Done(multi, part, is_sent, done.result))
        )

    def _hash_next(self, multi: Multipart) -> None:
        """Have the next part hashed, one at a time: the whole file's sum needs that."""
        if multi.error is not None or multi.ahead >= AHEAD or multi.is_hashing:
            return
        part = next(multi.rest, None)
        if part is not None:
            multi.ahead, multi.is_hashing = multi.ahead + 1, True
            self._submit(multi, part)

    def _hash(self, multi: Multipart, part: Part) -> None:
        if multi.known is not None:
            multi.crcs[1] = multi.known.crc64nvme
            return
        with opened(self._engine.root, multi.found) as handle:
            crc = hash_part(
                multi.found,
                handle,
                part,
                whole=multi.hasher,
                stopped=self._engine.carrier.stopped,
            )
        multi.crcs[part.number] = to_text(crc)

    def _is_wanted(self, hashed: _Done) -> bool:
        """Take a part that was hashed; tell whether it is to be sent."""
        multi = hashed.multi
        multi.is_hashing = False
        try:
            hashed.take()
        except HutchError as e:
            multi.error = multi.error or e
        if multi.error is not None:
            return False
        if self._is_held(multi, hashed.part):
            multi.ahead -= 1
            return False
        return True

    def _acknowledge(self, sent: _Done) -> None:
        multi = sent.multi
        multi.ahead -= 1
        try:
            multi.acknowledged[sent.part.number] = sent.take()
        except HutchError as e:
            multi.error = multi.error or only_of_file(e)
        else:
            multi.left -= 1

    def _start(self, wanted: Sequence[tuple[Multipart, Part]]) -> None:
        """Ask for addresses and begin to send."""
        if not wanted:
            return
        asked = [
            PartIn(intent=m.intent, number=p.number, crc64nvme=m.crcs[p.number])
            for m, p in wanted
        ]
        for (multi, part), answer in zip(wanted, self._sign(asked), strict=True):
            if answer.problem is not None:
                multi.error = multi.error or from_problem(answer.problem)
            elif answer.request is None:
                raise ServerAnswerError(
                    f"The server did not say where to send {multi.found.path!r}."
                )
            else:
                self._submit(multi, part, answer.request)

    def _is_over(self, multi: Multipart) -> bool:
        """Tell whether nothing is left to do for a file, or nothing helps."""
        if multi.at_work or (multi.error is None and multi.left):
            return False
        if multi.error is None:
            try:
                multi.sums()
            except FileChangingError as e:
                multi.error = e
        if multi.error is not None:
            self._engine.moved(multi.found.path, -multi.arrived())
        return True

    def _is_held(self, multi: Multipart, part: Part) -> bool:
        held = multi.held.get(part.number)
        if held is None or held.size != part.size:
            return False
        crc = held.crc64nvme
        if crc is None:
            etag, kept = self._engine.journal.parts(multi.intent).get(
                part.number, ("", "")
            )
            crc = kept if _same_etag(etag, held.etag) else None
        if crc != multi.crcs[part.number]:
            return False
        multi.acknowledged[part.number] = PartSent(
            number=part.number, etag=held.etag, crc64nvme=crc
        )
        multi.left -= 1
        self._engine.moved(multi.found.path, part.size)
        return True

    def _sign(self, parts: Sequence[PartIn]) -> Sequence[PartOut]:
        try:
            return self._engine.session.parts(self._push, parts).parts
        except NotFoundError as e:
            # The push was forgotten; each file starts again in a new one.
            problem = {"type": "urn:hutch:problem:upload-gone", "detail": e.detail}
            return [
                PartOut(intent=p.intent, number=p.number, problem=problem)
                for p in parts
            ]

    def _send_part(
        self, multi: Multipart, part: Part, request: SignedRequest
    ) -> PartSent:
        engine, crc = self._engine, multi.crcs[part.number]

        def renew() -> SignedRequest:
            asked = PartIn(intent=multi.intent, number=part.number, crc64nvme=crc)
            (answer,) = self._sign([asked])
            if answer.problem is not None or answer.request is None:
                raise from_problem(answer.problem or {})
            return answer.request

        answer = send(
            engine.carrier,
            engine.root,
            multi.found,
            part,
            Target(request, renew),
            moved=engine.moved,
        )
        reached(Step.PART_SENT)
        engine.journal.note_part(multi.intent, part.number, etag=answer.etag, crc=crc)
        return sent(part, answer, crc)


def _same_etag(one: str, other: str) -> bool:
    return one.strip('"') == other.strip('"')
