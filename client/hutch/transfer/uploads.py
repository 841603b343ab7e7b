"""Drive one batch of files into the dataset: hash, announce, send, finish."""

from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple
from uuid import UUID

from hutch.contract.parts import SMALL, Part
from hutch.contract.problems import (
    FileChangedError,
    HutchError,
    NotFoundError,
    StoreError,
    UploadGoneError,
    from_problem,
)
from hutch.contract.steps import Step, reached
from hutch.contract.wire.transfer import (
    FinishItem,
    PartSent,
    SignedRequest,
    UploadIn,
    UploadOut,
    Verb,
)
from hutch.errors import LocalFileError, ServerAnswerError
from hutch.transfer.checksums import Sums
from hutch.transfer.engine import Engine, Outcome, Outgoing, only_of_file
from hutch.transfer.multipart import Multipart, Parts
from hutch.transfer.pipeline import GROUP, batches
from hutch.transfer.source import hash_whole
from hutch.transfer.upload import Target, send
from hutch.workdir.journal import Entry, Upload
from hutch.workdir.walk import Found

FINISH_AT: Final = 500
"""Files that are finished together, unless the batch ends before."""
FINISH_PARTS: Final = 20_000
"""Parts that are finished together: about 2 MiB of a request that may have 8."""


class _Ready(NamedTuple):
    """A file that the server awaits."""

    item: Outgoing
    answer: UploadOut
    intent: UUID


@dataclass(slots=True)
class _Sent:
    """A file that the store has whole, as far as the client knows."""

    item: Outgoing
    push: UUID
    intent: UUID
    sums: Sums
    parts: tuple[PartSent, ...] = ()


def drive(engine: Engine, batch: Sequence[Outgoing]) -> list[Outcome]:
    """Bring a batch of files into the dataset.

    Returns:
        One outcome for each file, in no particular order.

    Raises:
        HutchError: Whatever stops the push as a whole.
    """
    return _Batch(engine).drive(batch)


class _Batch:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._outcomes: list[Outcome] = []
        self._sent: list[_Sent] = []
        self._sent_parts = 0
        self._sums: dict[str, Sums] = {}

    def drive(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        self._finish_earlier(batch)
        settled = {o.item.found.path for o in self._outcomes}
        items = self._hash_small([i for i in batch if i.found.path not in settled])
        if items:
            self._send(items)
        self._flush()
        return self._outcomes

    def _finish_earlier(self, batch: Sequence[Outgoing]) -> None:
        """Finish what an earlier run has sent whole; the rest goes the normal way.

        Of a small file only the store knows whether it was: it is asked.
        """
        begun = {}
        for item in batch:
            upload = self._engine.under_way.pop(item.found.path, None)
            if upload is not None and upload.stamp == item.found.stamp:
                begun[item.found.path] = item, upload
        self._hash_small([i for i, upload in begun.values() if upload.sha256 is None])
        earlier: dict[UUID, list[_Sent]] = {}
        for item, upload in begun.values():
            sums = self._sums.get(item.found.path)
            if upload.sha256 is not None and upload.crc64nvme is not None:
                sums = Sums(upload.sha256, upload.crc64nvme)
            if sums is not None:
                parts = tuple(
                    PartSent(number=n, etag=etag, crc64nvme=crc)
                    for n, (etag, crc) in self._engine.journal.parts(
                        upload.intent
                    ).items()
                )
                earlier.setdefault(upload.push, []).append(
                    _Sent(item, upload.push, upload.intent, sums, parts)
                )
        for sent in earlier.values():
            for one, outcome in self._finish(sent):
                if outcome.entry is not None:
                    self._engine.moved(one.item.found.path, one.item.found.stamp.size)
                    self._outcomes.append(outcome)
                elif not _is_over(outcome):
                    self._outcomes.append(outcome)

    def _hash_small(self, items: Sequence[Outgoing]) -> list[Outgoing]:
        """Hash what fits one PUT; without its CRC it cannot be announced.

        Returns:
            The files that can go on.
        """
        small = (
            item
            for item in items
            if item.found.stamp.size <= SMALL and item.found.path not in self._sums
        )
        futures = [
            self._engine.hashers.submit(self._hash, group)
            for group in batches(small, _size, most_files=GROUP, most_bytes=SMALL)
        ]
        wait(futures)  # to be woken for each would cost as much as to hash it
        failed = set()
        for item, sums in chain.from_iterable(future.result() for future in futures):
            if isinstance(sums, HutchError):
                failed.add(item.found.path)
                self._fail(item, sums)
            else:
                self._sums[item.found.path] = sums
        return [item for item in items if item.found.path not in failed]

    def _hash(
        self, items: Sequence[Outgoing]
    ) -> list[tuple[Outgoing, Sums | HutchError]]:
        """Hash a few files, one after the other; gives what went wrong with each."""
        root, stopped = self._engine.root, self._engine.carrier.stopped
        hashed: list[tuple[Outgoing, Sums | HutchError]] = []
        for item in items:
            try:
                hashed.append((item, hash_whole(root, item.found, stopped=stopped)))
            except HutchError as e:
                hashed.append((item, e))
        return hashed

    def _send(self, items: Sequence[Outgoing]) -> None:
        engine = self._engine
        push, answers = engine.session.announce([self._announced(i) for i in items])
        ready: list[_Ready] = []
        for item, answer in zip(items, answers, strict=True):
            if answer.problem is not None:
                self._refused(item, from_problem(answer.problem))
            elif answer.intent is None or answer.verb is None:
                raise ServerAnswerError(
                    f"The server did not say how to send {item.found.path!r}."
                )
            else:
                ready.append(_Ready(item, answer, answer.intent))
        engine.journal.note_uploads(_upload(r.item, push, r.intent) for r in ready)
        reached(Step.UPLOADS_NOTED)
        singles = (r for r in ready if r.answer.verb is Verb.SINGLE)
        sending = [
            engine.senders.submit(self._send_singles, group)
            for group in batches(
                singles, lambda r: _size(r.item), most_files=GROUP, most_bytes=SMALL
            )
        ]
        parts = Parts(engine, push)
        for one in ready:
            if one.answer.verb is Verb.MULTIPART:
                sums = self._sums.get(one.item.found.path)
                multi = Multipart.of(one.item.found, one.answer, one.intent, sums=sums)
                parts.add(multi, one.item)
        self._gather(sending, push)
        for multi, item in parts.send():
            if multi.error is not None:
                self._fail(item, multi.error)
            else:
                sums = multi.sums()
                engine.journal.note_uploads([_upload(item, push, multi.intent, sums)])
                self._note(_Sent(item, push, multi.intent, sums, multi.sent()))

    def _gather(
        self,
        sending: list[Future[list[tuple[_Ready, HutchError | None]]]],
        push: UUID,
    ) -> None:
        left = sending
        while left:
            # Some at a time: to be woken for each would cost as much as to send it.
            done, _ = wait(left[: FINISH_AT // GROUP], return_when=FIRST_EXCEPTION)
            for one, error in chain.from_iterable(f.result() for f in done):
                if error is None:
                    sums = self._sums[one.item.found.path]
                    self._note(_Sent(one.item, push, one.intent, sums))
                else:
                    self._fail(one.item, error)
            left = [future for future in left if future not in done]

    def _send_singles(
        self, group: Sequence[_Ready]
    ) -> list[tuple[_Ready, HutchError | None]]:
        """Send a few files, one after the other; gives what went wrong with each.

        Raises:
            HutchError: What no other file would escape.
        """
        ended: list[tuple[_Ready, HutchError | None]] = []
        for one in group:
            try:
                self._send_single(one)
            except HutchError as e:
                ended.append((one, only_of_file(e)))
            else:
                ended.append((one, None))
        return ended

    def _send_single(self, one: _Ready) -> None:
        engine, item, intent = self._engine, one.item, one.intent
        if one.answer.request is None:
            raise ServerAnswerError(
                f"The server did not say where to send {item.found.path!r}."
            )

        def renew() -> SignedRequest:
            _, (fresh,) = engine.session.announce([self._announced(item)])
            if fresh.problem is not None:
                raise from_problem(fresh.problem)
            if fresh.intent != intent or fresh.request is None:
                raise UploadGoneError(
                    f"The upload of {item.found.path!r} has ended; push again.",
                    path=item.found.path,
                )
            return fresh.request

        whole = Part(1, 0, item.found.stamp.size)
        target = Target(one.answer.request, renew)
        send(engine.carrier, engine.root, item.found, whole, target, moved=engine.moved)
        reached(Step.FILE_SENT)

    def _announced(self, item: Outgoing) -> UploadIn:
        sums = self._sums.get(item.found.path)
        return UploadIn(
            path=item.found.path,
            size=item.found.stamp.size,
            base=item.base,
            crc64nvme=sums.crc64nvme if sums else None,
        )

    def _note(self, sent: _Sent) -> None:
        if self._sent and self._sent_parts + len(sent.parts) > FINISH_PARTS:
            self._flush()
        self._sent.append(sent)
        self._sent_parts += len(sent.parts)
        if len(self._sent) >= FINISH_AT:
            self._flush()

    def _flush(self) -> None:
        self._sent_parts = 0
        while self._sent:
            now, self._sent = self._sent[:FINISH_AT], self._sent[FINISH_AT:]
            for one, outcome in self._finish(now):
                self._outcomes.append(outcome)
                if outcome.error is not None:
                    found = one.item.found
                    self._engine.moved(found.path, -found.stamp.size)

    def _finish(self, sent: Sequence[_Sent]) -> Iterable[tuple[_Sent, Outcome]]:
        """Finish uploads of one push and note in the journal what became of them."""
        items = [
            FinishItem(
                intent=s.intent,
                crc64nvme=s.sums.crc64nvme,
                sha256=s.sums.sha256,
                parts=s.parts,
            )
            for s in sent
        ]
        reached(Step.SENT_NOTED)
        try:
            answers = self._engine.session.finish(sent[0].push, items).files
        except NotFoundError:
            gone = UploadGoneError("The server has forgotten the push; push again.")
            return [(s, Outcome(s.item, error=gone)) for s in sent]
        reached(Step.FINISH_ANSWERED)
        outcomes = []
        for one, answer in zip(sent, answers, strict=True):
            outcome = Outcome(one.item)
            if answer.problem is not None:
                outcome.error = from_problem(answer.problem)
            else:
                outcome.entry = _entry(
                    one.item,
                    one.sums,
                    answer.version or "",
                    self._engine.started_ns,
                )
            outcomes.append((one, outcome))
        self._engine.journal.record(o.entry for _, o in outcomes if o.entry)
        self._engine.journal.end_uploads(
            o.item.found.path for _, o in outcomes if _is_over(o)
        )
        reached(Step.FILES_NOTED)
        return outcomes

    def _refused(self, item: Outgoing, error: HutchError) -> None:
        """Take a refusal, unless the dataset holds the very same bytes."""
        version = error.facts.get("version")
        if not isinstance(error, FileChangedError) or not isinstance(version, str):
            self._fail(item, error)
            return
        engine, found = self._engine, item.found
        try:
            sums = self._sums_if_equal(found)
        except LocalFileError as e:
            self._fail(item, e)
            return
        if sums is None:
            self._fail(item, error)
            return
        entry = _entry(item, sums, version, engine.started_ns)
        engine.journal.record([entry])
        engine.moved(found.path, found.stamp.size)
        self._outcomes.append(Outcome(item, entry=entry, equal=True))

    def _sums_if_equal(self, found: Found) -> Sums | None:
        """Tell the checksums of a file that the dataset holds as it is here."""
        engine = self._engine
        try:
            size, sha256 = engine.session.client.files.sha256(
                engine.session.dataset, found.path
            )
        except HutchError:
            return None  # it cannot be told: then the refusal stands
        if size != found.stamp.size:
            return None
        sums = self._sums.get(found.path) or hash_whole(
            engine.root, found, stopped=engine.carrier.stopped
        )
        return sums if sums.sha256 == sha256 else None

    def _fail(self, item: Outgoing, error: HutchError) -> None:
        self._outcomes.append(Outcome(item, error=error))


def _size(item: Outgoing) -> int:
    return item.found.stamp.size


def _is_over(outcome: Outcome) -> bool:
    """Whether an upload failed for good; otherwise finishing it again may help."""
    return outcome.error is not None and not isinstance(outcome.error, StoreError)


def _upload(
    item: Outgoing, push: UUID, intent: UUID, sums: Sums | None = None
) -> Upload:
    return Upload(
        path=item.found.path,
        push=push,
        intent=intent,
        stamp=item.found.stamp,
        sha256=sums.sha256 if sums else None,
        crc64nvme=sums.crc64nvme if sums else None,
    )


def _entry(item: Outgoing, sums: Sums, version: str, now_ns: int) -> Entry:
    return Entry(
        path=item.found.path,
        stamp=item.found.stamp,
        sha256=sums.sha256,
        crc64nvme=sums.crc64nvme,
        version=version,
        recorded_ns=now_ns,
    )
