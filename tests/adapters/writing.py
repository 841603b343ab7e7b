"""What the port of the object store promises of writes."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from hutch.contract.parts import MIB
from hutch.contract.problems import (
    UploadGoneError,
    UploadIncompleteError,
)
from hutch.contract.wire.transfer import SignedRequest
from hutch_api.adapters.memory import checksum
from tests.adapters.subject import Subject
from tests.servers import (
    random_credentials,
)

ODD_PATHS = [
    "with blank/two  blanks",
    "Käse/größe µ.txt",
    "日本語/データ.h5",
    "+&=?#%~'()*!@$,;:[]{}|^`\"<>",
    "100%25/%2F.txt",
    "a..b/...c/.d",
    "s" * 255,
    "ß" * 127 + "/" + "界" * 85,
    "/".join(["deep"] * 60),
]


def altered(request: SignedRequest, **headers: str) -> SignedRequest:
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(request, headers={**request.headers, **changed})


def lacking(request: SignedRequest, header: str) -> SignedRequest:
    kept = {name: value for name, value in request.headers.items() if name != header}
    return replace(request, headers=kept)


class WritingSuite:
    """Single files and files in parts, as an account may send them."""

    def test_a_signed_put_lands_with_size_checksum_and_intent(
        self, store: Subject
    ) -> None:
        intent = uuid4()
        assert store.put("f", b"hello", intent=intent) == 200
        found = store.only("f")
        assert (found.size, found.is_latest, found.is_marker) == (5, True, False)
        stat = store.objects.stat(found.key, found.version)
        assert stat is not None
        assert (stat.size, stat.crc64nvme, stat.intent) == (
            5,
            checksum(b"hello"),
            intent,
        )

    def test_a_file_may_be_empty(self, store: Subject) -> None:
        assert store.put("empty", b"") == 200
        found = store.only("empty")
        assert found.size == 0
        assert list(store.objects.read(found.key, found.version)) == []

    @pytest.mark.parametrize("path", ODD_PATHS)
    def test_a_path_may_hold_all_that_the_rule_allows(
        self, store: Subject, path: str
    ) -> None:
        assert store.put(path, b"odd") == 200
        found = store.only(path)
        assert found.key == store.key(path)
        answer = store.send(store.objects.sign_get(found.key, found.version), b"")
        assert (answer.status, answer.body) == (200, b"odd")
        upload = store.objects.create_upload(found.key, intent=uuid4())
        part = store.put_part(path, upload, b"multi")
        store.objects.complete_upload(
            found.key, upload, [part], crc64nvme=checksum(b"multi")
        )
        rows = store.versions(path)
        assert [row.key for row in rows] == [found.key] * 2
        store.objects.delete((row.key, row.version) for row in rows)
        assert store.versions() == []

    @pytest.mark.parametrize("body", [b"hellO", b"hell", b"hello!", b""])
    def test_a_signed_put_admits_only_its_own_bytes(
        self, store: Subject, body: bytes
    ) -> None:
        request = store.signed_put("f", b"hello")
        sent = altered(request, content_length=str(len(body)))
        assert store.send(sent, body).status in {400, 403}
        assert store.versions() == []

    @pytest.mark.parametrize(
        "header",
        ["if-none-match", "x-amz-checksum-crc64nvme", "x-amz-meta-hutch-intent"],
    )
    def test_a_signed_put_needs_each_of_its_headers(
        self, store: Subject, header: str
    ) -> None:
        request = store.signed_put("f", b"hello")
        assert store.send(lacking(request, header), b"hello").status in {400, 403}
        changed = altered(request, **{header: checksum(b"other")})
        assert store.send(changed, b"hello").status in {400, 403}
        assert store.versions() == []

    def test_a_signed_put_is_for_one_key_and_one_method(self, store: Subject) -> None:
        request = store.signed_put("f", b"hello")
        elsewhere = replace(request, url=request.url.replace("/f?", "/g?"))
        assert store.send(elsewhere, b"hello").status == 403
        store.foreign.write(store.key("f"), b"there")
        for method in ("GET", "DELETE", "POST"):
            sent = replace(altered(request, content_length="0"), method=method)
            assert store.send(sent, b"").status in {400, 403, 405}
        assert [row.is_marker for row in store.versions()] == [False]

    def test_a_signed_request_expires(self, store: Subject) -> None:
        store.clock.move(timedelta(hours=-1, seconds=-30))
        put = store.signed_put("f", b"hello")
        store.clock.move(timedelta(hours=1, seconds=30))
        assert store.send(put, b"hello").status == 403
        assert store.put("f", b"hello") == 200
        found = store.only("f")
        store.clock.move(timedelta(minutes=-10, seconds=-30))
        get = store.objects.sign_get(found.key, found.version)
        store.clock.move(timedelta(minutes=10, seconds=30))
        assert store.send(get, b"").status == 403

    def test_another_account_cannot_use_a_signature(self, store: Subject) -> None:
        stranger = random_credentials()
        request = store.objects.sign_put(
            store.key("f"),
            size=5,
            crc64nvme=checksum(b"hello"),
            intent=uuid4(),
            account=stranger,
        )
        assert store.send(request, b"hello").status == 403

    def test_a_put_creates_and_never_replaces(self, store: Subject) -> None:
        assert store.put("f", b"first") == 200
        assert store.put("f", b"second") == 412
        assert [row.size for row in store.versions()] == [5]

    def test_a_put_after_a_delete_marker_creates(self, store: Subject) -> None:
        store.put("f", b"first")
        store.foreign.mark_deleted(store.key("f"))
        assert store.put("f", b"again!") == 200
        assert [(r.size, r.is_marker, r.is_latest) for r in store.versions()] == [
            (6, False, True),
            (0, True, False),
            (5, False, False),
        ]

    def test_parts_are_invisible_until_they_are_completed(self, store: Subject) -> None:
        intent = uuid4()
        key, first, last = store.key("big"), b"a" * (5 * MIB), b"b" * 7
        upload = store.objects.create_upload(key, intent=intent)
        assert store.objects.uploads(key) == [upload]
        sent = [
            store.put_part("big", upload, first, number=1),
            store.put_part("big", upload, last, number=2),
        ]
        assert store.versions() == []
        held = store.objects.parts(key, upload)
        assert [(p.number, p.size, p.etag) for p in held] == [
            (1, len(first), sent[0].etag),
            (2, 7, sent[1].etag),
        ]
        assert {p.crc64nvme for p in held} <= {None, *(s.crc64nvme for s in sent)}
        whole = checksum(first + last)
        store.objects.complete_upload(key, upload, sent, crc64nvme=whole)
        found = store.only("big")
        stat = store.objects.stat(key, found.version)
        assert stat is not None
        assert (stat.size, stat.crc64nvme, stat.intent) == (
            len(first) + 7,
            whole,
            intent,
        )
        assert store.objects.uploads(key) == []

    def test_a_part_admits_only_its_own_bytes(self, store: Subject) -> None:
        upload = store.objects.create_upload(store.key("big"), intent=uuid4())
        request = store.signed_part("big", upload, b"hello")
        assert store.send(request, b"hellO").status == 400
        assert store.send(altered(request, content_length="4"), b"hell").status in {
            400,
            403,
        }
        assert store.objects.parts(store.key("big"), upload) == []

    def test_a_part_may_be_sent_again(self, store: Subject) -> None:
        key = store.key("big")
        upload = store.objects.create_upload(key, intent=uuid4())
        store.put_part("big", upload, b"first")
        part = store.put_part("big", upload, b"second")
        store.objects.complete_upload(
            key, upload, [part], crc64nvme=checksum(b"second")
        )
        found = store.only("big")
        assert b"".join(store.objects.read(key, found.version)) == b"second"

    def test_an_upload_may_hold_nothing(self, store: Subject) -> None:
        key = store.key("empty")
        upload = store.objects.create_upload(key, intent=uuid4())
        part = store.put_part("empty", upload, b"")
        store.objects.complete_upload(key, upload, [part], crc64nvme=checksum(b""))
        assert store.only("empty").size == 0

    def test_a_wrong_checksum_completes_nothing(self, store: Subject) -> None:
        key = store.key("big")
        upload = store.objects.create_upload(key, intent=uuid4())
        part = store.put_part("big", upload, b"hello")
        with pytest.raises(UploadIncompleteError):
            store.objects.complete_upload(
                key, upload, [part], crc64nvme=checksum(b"other")
            )
        assert store.versions() == []

    def test_parts_that_do_not_fit_complete_nothing(self, store: Subject) -> None:
        key = store.key("big")
        upload = store.objects.create_upload(key, intent=uuid4())
        part = store.put_part("big", upload, b"hello")
        for parts in (
            [],
            [part, replace(part, number=2)],
            [replace(part, etag='"d41d8cd98f00b204e9800998ecf8427e"')],
            [replace(part, crc64nvme=checksum(b"other"))],
        ):
            with pytest.raises(UploadIncompleteError):
                store.objects.complete_upload(
                    key, upload, parts, crc64nvme=checksum(b"hello")
                )
        assert store.versions() == []
        store.objects.complete_upload(key, upload, [part], crc64nvme=checksum(b"hello"))

    def test_completing_twice_makes_one_version(self, store: Subject) -> None:
        key = store.key("big")
        upload = store.objects.create_upload(key, intent=uuid4())
        part = store.put_part("big", upload, b"hello")
        crc = checksum(b"hello")
        store.objects.complete_upload(key, upload, [part], crc64nvme=crc)
        made = store.only("big")
        with suppress(UploadGoneError):  # one store says so, the other that it is done
            store.objects.complete_upload(key, upload, [part], crc64nvme=crc)
        assert store.only("big") == made

    def test_after_complete_or_abort_a_part_is_refused(self, store: Subject) -> None:
        key = store.key("big")
        done = store.objects.create_upload(key, intent=uuid4())
        part = store.put_part("big", done, b"hello")
        late = store.signed_part("big", done, b"late")
        store.objects.complete_upload(key, done, [part], crc64nvme=checksum(b"hello"))
        assert store.send(late, b"late").status == 404
        ended = store.objects.create_upload(key, intent=uuid4())
        late = store.signed_part("big", ended, b"late")
        store.objects.abort_upload(key, ended)
        store.objects.abort_upload(key, ended)
        assert store.send(late, b"late").status == 404
        with pytest.raises(UploadGoneError):
            store.objects.parts(key, ended)
        with pytest.raises(UploadGoneError):
            store.objects.complete_upload(
                key, ended, [part], crc64nvme=checksum(b"hello")
            )
        assert store.only("big").size == 5

    def test_uploads_of_other_keys_are_not_named(self, store: Subject) -> None:
        store.objects.create_upload(store.key("big.2"), intent=uuid4())
        wanted = [
            store.objects.create_upload(store.key("big"), intent=uuid4())
            for _ in range(2)
        ]
        assert sorted(store.objects.uploads(store.key("big"))) == sorted(wanted)
