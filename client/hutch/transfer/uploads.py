"""Drive one batch of files into the dataset: hash, announce, send, finish."""

from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass
from typing import Final
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
from hutch.transfer.source import hash_whole
from hutch.transfer.upload import Target, send
from hutch.workdir.journal import Entry, Upload
from hutch.workdir.walk import Found

FINISH_AT: Final = 500
"""Files that are finished together, unless the batch ends before."""
FINISH_PARTS: Final = 20_000
"""Parts that are finished together: about 2 MiB of a request that may have 8."""


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
        engine = self._engine
        futures = {
            item.found.path: engine.hashers.submit(
                hash_whole, engine.root, item.found, stopped=engine.carrier.stopped
            )
            for item in items
            if item.found.stamp.size <= SMALL and item.found.path not in self._sums
        }
        wait(futures.values())  # to be woken for each would cost as much as to hash it
        good = []
        for item in items:
            future = futures.get(item.found.path)
            try:
                if future is not None:
                    self._sums[item.found.path] = future.result()
            except HutchError as e:
                self._fail(item, e)
            else:
                good.append(item)
        return good

    def _send(self, items: Sequence[Outgoing]) -> None:
        engine = self._engine
        push, answers = engine.session.announce([self._announced(i) for i in items])
        ready: list[tuple[Outgoing, UploadOut, UUID]] = []
        for item, answer in zip(items, answers, strict=True):
            if answer.problem is not None:
                self._refused(item, from_problem(answer.problem))
            elif answer.intent is None or answer.verb is None:
                raise ServerAnswerError(
                    f"The server did not say how to send {item.found.path!r}."
                )
            else:
                ready.append((item, answer, answer.intent))
        engine.journal.note_uploads(_upload(i, push, intent) for i, _, intent in ready)
        reached(Step.UPLOADS_NOTED)
        singles = {
            engine.senders.submit(self._single, item, answer): (item, intent)
            for item, answer, intent in ready
            if answer.verb is Verb.SINGLE
        }
        parts = Parts(engine, push)
        for item, answer, intent in ready:
            if answer.verb is Verb.MULTIPART:
                multi = Multipart.of(
                    item.found, answer, intent, sums=self._sums.get(item.found.path)
                )
                parts.add(multi, item)
        self._gather(singles, push)
        for multi, item in parts.send():
            if multi.error is not None:
                self._fail(item, multi.error)
            else:
                sums = multi.sums()
                engine.journal.note_uploads([_upload(item, push, multi.intent, sums)])
                self._note(_Sent(item, push, multi.intent, sums, multi.sent()))

    def _gather(
        self, singles: dict[Future[None], tuple[Outgoing, UUID]], push: UUID
    ) -> None:
        left = list(singles)
        while left:
            # Some at a time: to be woken for each would cost as much as to send it.
            _, waiting = wait(left[:FINISH_AT], return_when=FIRST_EXCEPTION)
            for future in left[:FINISH_AT]:
                if future not in waiting:
                    self._take_single(future, *singles[future], push)
            left = [f for f in left[:FINISH_AT] if f in waiting] + left[FINISH_AT:]

    def _take_single(
        self, future: Future[None], item: Outgoing, intent: UUID, push: UUID
    ) -> None:
        try:
            future.result()
        except HutchError as e:
            self._fail(item, only_of_file(e))
        else:
            self._note(_Sent(item, push, intent, self._sums[item.found.path]))

    def _single(self, item: Outgoing, answer: UploadOut) -> None:
        engine = self._engine
        intent = answer.intent
        if answer.request is None or intent is None:
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
        target = Target(answer.request, renew)
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
        parts = sum(len(s.parts) for s in self._sent)
        if self._sent and parts + len(sent.parts) > FINISH_PARTS:
            self._flush()
        self._sent.append(sent)
        if len(self._sent) >= FINISH_AT:
            self._flush()

    def _flush(self) -> None:
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
