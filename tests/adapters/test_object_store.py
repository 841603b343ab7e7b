"""Every object store must pass this, the one in memory as well."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from uuid import uuid4

import pytest

from hutch.contract.problems import (
    StoreUnavailableError,
)
from hutch_api.adapters.memory import checksum
from hutch_api.adapters.s3 import Buckets, S3Store, create_s3_store, make_client
from tests.adapters.subject import Subject, Tool, memory_subject, send, send_cut
from tests.adapters.writing import WritingSuite, altered
from tests.conftest import Clock
from tests.servers import (
    REGION,
    StoreServer,
    free_port,
    random_credentials,
    wait_until,
)

TREE = [
    "Z",
    "a b",
    "a!x/y",
    "a(1)/z",
    "a-b",
    "a.b",
    "a/b d",
    "a/b.c",
    "a/b/c",
    "a/b0",
    "a/f",
    "a0",
    "a~",
    "b",
    "img",
    "img.0001",
    "img.0002",
    "img.w",
    "ä",
    "日本.1",
    "日本/1",
]
"""In the order of their bytes, which is not the order of a walk over directories."""


class ObjectStoreSuite(WritingSuite):
    """What the port promises."""

    def test_versions_come_by_key_and_the_newest_first(self, store: Subject) -> None:
        for path in reversed(TREE):
            for content in (b"1", b"22"):
                store.foreign.write(store.key(path), content)
        store.foreign.mark_deleted(store.key("b"))
        rows = store.versions()
        assert [r.key for r in rows if r.is_latest] == [store.key(p) for p in TREE]
        assert [(r.size, r.is_marker) for r in rows if r.key == store.key("b")] == [
            (0, True),
            (2, False),
            (1, False),
        ]
        assert all(
            sizes == [2, 1]
            for p in TREE
            if p != "b"
            for sizes in [[r.size for r in rows if r.key == store.key(p)]]
        )
        assert [r.key for r in rows] == sorted(
            (r.key for r in rows), key=lambda key: key.encode()
        )

    def test_versions_begin_where_they_are_told(self, store: Subject) -> None:
        for path in TREE:
            store.foreign.write(store.key(path), b"1")
        for place, path in enumerate(TREE):
            assert store.paths(first=path) == TREE[place:]
        assert store.paths(first="a/") == TREE[TREE.index("a/b d") :]
        assert store.paths(first="") == TREE
        assert list(store.objects.versions(store.prefix, first="e")) == []
        assert len(list(store.objects.versions(store.prefix, first="c"))) == len(TREE)

    @pytest.mark.parametrize("path", [".0", "..0", " . 0", "a/.0", "a/..0", "a/0", "0"])
    def test_versions_begin_at_a_name_of_dots_and_a_nought(
        self, store: Subject, path: str
    ) -> None:
        """The marker before it ended in "./", which MinIO refused."""
        before = "a/ !" if path.startswith("a/") else " !"
        for written in (before, path):
            store.foreign.write(store.key(written), b"1")
        assert store.paths(first=path) == [path]

    def test_versions_of_others_are_not_listed(self, store: Subject) -> None:
        store.foreign.write(store.prefix.removesuffix("/") + "0/f", b"1")
        assert store.versions() == []

    def test_what_a_tool_wrote_has_no_intent(self, store: Subject) -> None:
        version = store.foreign.write(store.key("f"), b"hello")
        stat = store.objects.stat(store.key("f"), version)
        assert stat is not None
        assert (stat.size, stat.intent) == (5, None)

    def test_stat_of_what_is_gone_is_none(self, store: Subject) -> None:
        key = store.key("f")
        version = store.foreign.write(key, b"hello")
        marker = store.foreign.mark_deleted(key)
        store.objects.delete([(key, version)])
        assert store.objects.stat(key, version) is None
        assert store.objects.stat(key, marker) is None
        assert store.objects.stat(store.key("never"), version) is None

    def test_delete_takes_exactly_what_it_is_told(self, store: Subject) -> None:
        key = store.key("f")
        made = [store.foreign.write(key, bytes(size)) for size in (1, 2, 3)]
        marker = store.foreign.mark_deleted(key)
        store.objects.delete([(key, made[1]), (key, marker)])
        store.objects.delete([(key, made[1]), (store.key("never"), marker)])
        assert [(r.version, r.is_latest) for r in store.versions()] == [
            (made[2], True),
            (made[0], False),
        ]

    def test_a_get_keeps_to_its_version(self, store: Subject) -> None:
        key = store.key("f")
        version = store.foreign.write(key, b"pinned")
        store.foreign.write(key, b"newer")
        store.foreign.mark_deleted(key)
        answer = store.send(store.objects.sign_get(key, version), b"")
        assert (answer.status, answer.body) == (200, b"pinned")
        assert b"".join(store.objects.read(key, version)) == b"pinned"

    def test_a_signed_get_reads_one_version_and_nothing_else(
        self, store: Subject
    ) -> None:
        key = store.key("f")
        version = store.foreign.write(key, b"pinned")
        newer = store.foreign.write(key, b"newer")
        request = store.objects.sign_get(key, version)
        for method, change in (
            ("PUT", ("", "")),
            ("DELETE", ("", "")),
            ("GET", (version, newer)),
            ("GET", (f"versionId={version}&", "")),
            ("GET", ("versionId", "versions&versionId")),
            ("GET", ("/f?", "/g?")),
            ("GET", ("/f?", "/?")),
        ):
            if change[0] not in request.url:
                continue
            sent = replace(request, method=method, url=request.url.replace(*change))
            assert store.send(sent, b"").status in {400, 403, 405}
        assert len(store.versions()) == 2

    def test_records_are_kept_and_deleted_by_prefix(self, store: Subject) -> None:
        objects, name = store.objects, f"datasets/{uuid4()}"
        assert objects.get_record(f"{name}/seal.json") is None
        objects.put_record(f"{name}/seal.json", b"first")
        objects.put_record(f"{name}/seal.json", b"second")
        objects.put_record(f"{name}/empty", b"")
        objects.put_record(f"{name}0/other", b"other")
        assert objects.get_record(f"{name}/seal.json") == b"second"
        assert objects.get_record(f"{name}/empty") == b""
        assert list(objects.records(f"{name}/")) == [
            f"{name}/empty",
            f"{name}/seal.json",
        ]
        objects.delete_records(f"{name}/")
        assert objects.get_record(f"{name}/seal.json") is None
        assert objects.get_record(f"{name}0/other") == b"other"


class TestMemory(ObjectStoreSuite):
    @pytest.fixture
    def store(self, clock: Clock) -> Subject:
        return memory_subject(clock)


class RealStoreSuite(ObjectStoreSuite):
    """What only a server can show."""

    shows_intents = False

    @pytest.fixture
    def store(self, server: StoreServer) -> Subject:
        objects, clock = real_store(server)
        clock.now = datetime.now(UTC)
        tool = bucket_pair(server)[1]
        return Subject(objects, clock, server.root, tool, f"d/{uuid4()}/", send)

    def test_a_get_may_ask_for_a_range(self, store: Subject) -> None:
        key = store.key("f")
        version = store.foreign.write(key, b"0123456789")
        request = store.objects.sign_get(key, version)
        answer = store.send(altered(request, range="bytes=3-5"), b"")
        assert (answer.status, answer.body) == (206, b"345")

    def test_a_put_that_is_cut_leaves_nothing(self, store: Subject) -> None:
        content = bytes(100_000)
        request = store.signed_put("f", content)
        send_cut(request, content)
        wait_until(lambda: store.send(request, content).status == 200, what="a put")
        assert store.only("f").size == len(content)

    def test_a_listing_shows_the_intents_or_says_that_it_does_not(
        self, store: Subject
    ) -> None:
        intent = uuid4()
        upload = store.objects.create_upload(store.key("m"), intent=intent)
        part = store.put_part("m", upload, b"parts")
        crc = checksum(b"parts")
        store.objects.complete_upload(store.key("m"), upload, [part], crc64nvme=crc)
        assert store.put("s", b"single", intent=intent) == 200
        store.foreign.write(store.key("t"), b"tool")
        rows = list(store.objects.versions(store.prefix, expected=3, intents=True))
        assert [r.intent for r in rows] == [
            *(2 * [intent if self.shows_intents else None]),
            None,
        ]
        assert [r.intent for r in store.versions()] == [None, None, None]

    def test_thousands_of_versions_are_deleted_in_one_call(
        self, store: Subject
    ) -> None:
        key = store.key("f")
        rows = [(key, store.foreign.write(key, b"1")) for _ in range(20)]
        never = [(store.key(f"never/{n}"), rows[0][1]) for n in range(1_100)]
        store.objects.delete([*rows[:10], *never, *rows[10:]])
        assert store.versions() == []


SUITE = Buckets("suite-data", "suite-meta")


@cache
def bucket_pair(server: StoreServer) -> tuple[Buckets, Tool]:
    """Make the buckets of this test worker, once for each server."""
    client = make_client(server.url, region=REGION, credentials=server.root)
    for name in (SUITE.data, SUITE.meta):
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return SUITE, Tool(client, SUITE.data)


@cache
def real_store(server: StoreServer) -> tuple[S3Store, Clock]:
    """Open the store, once for each server: botocore takes its time."""
    clock = Clock()
    store = create_s3_store(
        internal_url=server.url,
        public_url=server.url,
        buckets=bucket_pair(server)[0],
        server=server.root,
        reader=server.root,
        clock=clock,
    )
    return store, clock


class TestSeaweedfs(RealStoreSuite):
    @pytest.fixture
    def server(self, seaweedfs: StoreServer) -> StoreServer:
        return seaweedfs


class TestMinio(RealStoreSuite):
    shows_intents = True

    @pytest.fixture
    def server(self, minio: StoreServer) -> StoreServer:
        return minio


def test_a_store_that_is_not_there_is_unavailable() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    store = create_s3_store(
        internal_url=url,
        public_url=url,
        buckets=Buckets(),
        server=random_credentials(),
        reader=random_credentials(),
    )
    for ask in (
        lambda: store.create_upload("d/x/f", intent=uuid4()),
        lambda: store.stat("d/x/f", "v"),
        lambda: list(store.versions("d/x/")),
        lambda: store.get_record("r"),
        lambda: store.delete([("d/x/f", "v")]),
    ):
        with pytest.raises(StoreUnavailableError) as caught:
            ask()
        assert "127.0.0.1" not in str(caught.value)
        assert "127.0.0.1" not in str(caught.value.facts)
    store.close()
