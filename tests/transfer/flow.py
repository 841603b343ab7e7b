"""A pusher without a working directory: announces, sends and finishes bytes."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from awscrt.checksums import crc64nvme

from hutch.contract.parts import SMALL, plan
from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import (
    CloseIn,
    DatasetIn,
    DatasetOut,
    OperationOut,
    PrincipalKind,
    Right,
    ShareIn,
)
from hutch.contract.wire.transfer import (
    Finished,
    FinishIn,
    FinishItem,
    FinishOut,
    PartIn,
    PartSent,
    PartsIn,
    SignedRequest,
    UploadIn,
    UploadOut,
    UploadsIn,
    Verb,
)
from hutch_api.domain.access import Actor
from hutch_api.services import sharing
from hutch_api.services.closing import close
from hutch_api.services.datasets import create_dataset
from hutch_api.services.finishing import finish
from hutch_api.services.pushes import start_push
from hutch_api.services.uploads import announce, sign_parts
from hutch_api.services.work import Site
from hutch_api.store.tables import Intent, User

Send = Callable[[SignedRequest, bytes], int]
"""Sends a signed request to the store and gives the HTTP status."""


def crc(data: bytes) -> str:
    """CRC-64/NVME as it travels."""
    return base64.b64encode(crc64nvme(data).to_bytes(8, "big")).decode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Flow:
    """The way of bytes into a dataset, a step at a time."""

    site: Site
    send: Send
    users: dict[str, Actor] = field(default_factory=dict)

    def user(self, name: str, *, role: Role = Role.USER) -> Actor:
        if name not in self.users:
            with self.site.begin() as work:
                row = User(
                    id=uuid4(),
                    name=name,
                    password="-",
                    role=role,
                    created_at=work.now,
                )
                work.session.add(row)
            self.users[name] = Actor(
                user=row.id, name=name, role=role, request_id="test"
            )
        return self.users[name]

    def dataset(self, actor: Actor, name: str = "scan", **more: object) -> DatasetOut:
        with self.site.begin() as work:
            return create_dataset(work, actor, DatasetIn(name=name, **more))  # type: ignore[arg-type]

    def share(self, owner: Actor, dataset: UUID, *, to: str, right: Right) -> None:
        with self.site.begin() as work:
            sharing.share(
                work,
                owner,
                dataset,
                kind=PrincipalKind.USER,
                name=to,
                wanted=ShareIn(right=right),
            )

    def start(self, actor: Actor, dataset: UUID) -> UUID:
        with self.site.begin() as work:
            return start_push(work, actor, dataset).id

    def announce(
        self,
        actor: Actor,
        push: UUID,
        files: Mapping[str, bytes],
        *,
        base: Mapping[str, str] | None = None,
        force: bool = False,
    ) -> list[UploadOut]:
        wanted = [
            UploadIn(
                path=path,
                size=len(data),
                base=(base or {}).get(path),
                crc64nvme=crc(data) if len(data) <= SMALL else None,
            )
            for path, data in files.items()
        ]
        out = announce(
            self.site, actor, push, UploadsIn(files=tuple(wanted), force=force)
        )
        return list(out.files)

    def carry(
        self, actor: Actor, push: UUID, upload: UploadOut, data: bytes
    ) -> FinishItem:
        """Send one announced file and make the item that finishes it."""
        assert upload.intent is not None, upload.problem
        parts: Sequence[PartSent] = ()
        if upload.verb is Verb.SINGLE:
            assert upload.request is not None
            assert self.send(upload.request, data) in {200, 412}
        else:
            parts = self.send_parts(actor, push, upload, data)
        return FinishItem(
            intent=upload.intent,
            crc64nvme=crc(data),
            sha256=sha256(data),
            parts=tuple(parts),
        )

    def signed(
        self, actor: Actor, push: UUID, upload: UploadOut, data: bytes
    ) -> SignedRequest:
        """Give the request that sends a file: one PUT, or its first part."""
        if upload.request is not None:
            return upload.request
        assert upload.intent is not None, upload.problem
        part = PartIn(intent=upload.intent, number=1, crc64nvme=crc(data))
        [signed] = sign_parts(self.site, actor, push, PartsIn(parts=(part,))).parts
        assert signed.request is not None, signed.problem
        return signed.request

    def send_parts(
        self, actor: Actor, push: UUID, upload: UploadOut, data: bytes
    ) -> list[PartSent]:
        assert upload.intent is not None
        pieces = {
            p.number: data[p.offset : p.offset + p.size]
            for p in plan(len(data), length=upload.part_size)
        }
        wanted = tuple(
            PartIn(intent=upload.intent, number=number, crc64nvme=crc(piece))
            for number, piece in pieces.items()
        )
        signed = sign_parts(self.site, actor, push, PartsIn(parts=wanted))
        for part in signed.parts:
            assert part.request is not None, part.problem
            assert self.send(part.request, pieces[part.number]) == 200
        with self.site.look() as work:
            intent = work.session.get_one(Intent, upload.intent)
        assert intent.upload is not None
        held = self.site.objects.parts(
            f"d/{intent.dataset_id}/{intent.path}", intent.upload
        )
        return [
            PartSent(number=h.number, etag=h.etag, crc64nvme=crc(pieces[h.number]))
            for h in held
        ]

    def finish(
        self, actor: Actor, push: UUID, items: Sequence[FinishItem]
    ) -> FinishOut:
        return finish(self.site, actor, push, FinishIn(files=tuple(items)))

    def push(
        self,
        actor: Actor,
        dataset: UUID,
        files: Mapping[str, bytes],
        *,
        base: Mapping[str, str] | None = None,
        force: bool = False,
    ) -> dict[str, Finished]:
        """Push files, all the way; each announced file has to be accepted."""
        push = self.start(actor, dataset)
        uploads = self.announce(actor, push, files, base=base, force=force)
        items = [self.carry(actor, push, u, files[u.path]) for u in uploads]
        done = self.finish(actor, push, items)
        return {u.path: f for u, f in zip(uploads, done.files, strict=True)}

    def close(self, actor: Actor, dataset: UUID, **options: bool) -> OperationOut:
        return close(self.site, actor, dataset, CloseIn(**options))

    def closed(
        self, actor: Actor, files: Mapping[str, bytes], name: str = "scan"
    ) -> UUID:
        """Make a closed dataset that holds these files."""
        dataset = self.dataset(actor, name).id
        self.push(actor, dataset, files)
        self.close(actor, dataset)
        return dataset


def code(problem: Mapping[str, object] | None) -> str | None:
    """The code of a problem document."""
    return None if problem is None else str(problem["type"]).rpartition(":")[2]
