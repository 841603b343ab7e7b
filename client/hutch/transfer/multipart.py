"""Send files in parts: those that are large, and those that replace another.

A part's address is signed for its CRC, so that parts are hashed first, a window of
them at a time, while the window before is sent. What the store holds already from
an earlier run is hashed again, but not sent.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Self
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

WINDOW_BYTES: Final = 512 * 1024**2
"""Hashed ahead of the sending; small enough to be still in the page cache."""
WINDOW_PARTS: Final = 1_000


@dataclass(slots=True)
class Multipart:
    """A file on its way in parts.

    Attributes:
        held: Parts that the store has from before, by number.
        known: Both checksums, if the file was hashed already.
        crcs: CRC of each part hashed so far, by number.
        acknowledged: Parts that the store has now, by number.
        left: Parts that are neither held nor acknowledged yet.
        error: Why the file will not get there.
    """

    found: Found
    intent: UUID
    part_size: int
    held: dict[int, PartHeld]
    known: Sums | None
    left: int
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
        return cls(
            found=found,
            intent=intent,
            part_size=length,
            held={p.number: p for p in answer.held},
            known=sums if size <= length else None,
            left=sum(1 for _ in contract.plan(size, length=length)),
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


@dataclass(slots=True)
class _Sending:
    """A part on its way."""

    multi: Multipart
    part: Part
    future: Future[PartSent]


class Parts:
    """The multipart files of one batch."""

    def __init__(self, engine: Engine, push: UUID) -> None:
        self._engine = engine
        self._push = push
        self._files: list[tuple[Multipart, Outgoing]] = []

    def add(self, multi: Multipart, item: Outgoing) -> None:
        """Take a file along."""
        self._files.append((multi, item))

    def send(self) -> Iterator[tuple[Multipart, Outgoing]]:
        """Send all parts.

        Yields:
            Each file when its last part is there, or when it has failed.

        Raises:
            HutchError: Whatever stops the push as a whole.
        """
        items = {id(multi): (multi, item) for multi, item in self._files}
        before: list[_Sending] = []
        for window in self._windows():
            self._hash(window)
            sending = self._start(window)
            self._await(before)
            before = sending
            yield from self._complete(items)
        self._await(before)
        yield from self._complete(items)

    def _windows(self) -> Iterator[list[tuple[Multipart, Part]]]:
        window: list[tuple[Multipart, Part]] = []
        total = 0
        for multi, _ in self._files:
            for part in multi.plan():
                full = total + part.size > WINDOW_BYTES or len(window) >= WINDOW_PARTS
                if window and full:
                    yield window
                    window, total = [], 0
                window.append((multi, part))
                total += part.size
        if window:
            yield window

    def _hash(self, window: Sequence[tuple[Multipart, Part]]) -> None:
        """Hash a window's parts: files side by side, each file's parts in order."""
        by_file: dict[int, tuple[Multipart, list[Part]]] = {}
        for multi, part in window:
            by_file.setdefault(id(multi), (multi, []))[1].append(part)
        futures = [
            (multi, self._engine.hashers.submit(self._hash_file, multi, parts))
            for multi, parts in by_file.values()
            if multi.error is None
        ]
        for multi, future in futures:
            try:
                future.result()
            except HutchError as e:
                multi.error = e

    def _hash_file(self, multi: Multipart, parts: Sequence[Part]) -> None:
        if multi.known is not None:
            multi.crcs[1] = multi.known.crc64nvme
            return
        with opened(self._engine.root, multi.found) as handle:
            for part in parts:
                crc = hash_part(
                    multi.found,
                    handle,
                    part,
                    whole=multi.hasher,
                    stopped=self._engine.carrier.stopped,
                )
                multi.crcs[part.number] = to_text(crc)

    def _start(self, window: Iterable[tuple[Multipart, Part]]) -> list[_Sending]:
        """Ask for addresses and begin to send what the store does not hold."""
        engine = self._engine
        wanted = [
            (multi, part)
            for multi, part in window
            if multi.error is None and not self._is_held(multi, part)
        ]
        if not wanted:
            return []
        asked = [
            PartIn(intent=m.intent, number=p.number, crc64nvme=m.crcs[p.number])
            for m, p in wanted
        ]
        sending = []
        for (multi, part), answer in zip(wanted, self._sign(asked), strict=True):
            if answer.problem is not None:
                multi.error = multi.error or from_problem(answer.problem)
            elif answer.request is None:
                raise ServerAnswerError(
                    f"The server did not say where to send {multi.found.path!r}."
                )
            else:
                future = engine.senders.submit(
                    self._send_part, multi, part, answer.request
                )
                sending.append(_Sending(multi, part, future))
        return sending

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

    def _await(self, sending: Iterable[_Sending]) -> None:
        for one in sending:
            try:
                part = one.future.result()
            except HutchError as e:
                one.multi.error = one.multi.error or only_of_file(e)
            else:
                one.multi.acknowledged[part.number] = part
                one.multi.left -= 1

    def _complete(
        self, items: dict[int, tuple[Multipart, Outgoing]]
    ) -> Iterator[tuple[Multipart, Outgoing]]:
        for key, (multi, item) in list(items.items()):
            if multi.error is None and multi.left == 0:
                try:
                    multi.sums()
                except FileChangingError as e:
                    multi.error = e
            if multi.error is not None:
                self._engine.moved(multi.found.path, -multi.arrived())
            if multi.error is not None or multi.left == 0:
                del items[key]
                yield multi, item


def _same_etag(one: str, other: str) -> bool:
    return one.strip('"') == other.strip('"')
