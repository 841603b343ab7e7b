"""A version that is there stays as it is: its id is what readers are given."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from hutch_api.adapters import policies, provisioning
from hutch_api.adapters.provisioning import random_credentials
from hutch_api.adapters.s3 import Buckets, create_s3_store
from hutch_api.domain.accounts import Access
from hutch_api.ports.objects import Credentials, ObjectStore
from tests.adapters.ready import Ready, set_up
from tests.laws.attack.arsenal import Loot, Shot, archive, trailer, trailer_part
from tests.laws.attack.firing import fire
from tests.laws.attack.world import bucket_pair
from tests.laws.conftest import Count
from tests.servers import REGION, StoreServer
from tests.transfer.flow import crc

SEED = 7
TRIES = 60


@dataclass(frozen=True)
class Pinned:
    """One version, and a live put account that may write beside it."""

    ready: Ready
    account: Credentials
    objects: ObjectStore
    loot: Loot

    @property
    def now(self) -> list[bytes]:
        """What the pinned versions hold."""
        client = self.ready.client(self.ready.server)
        return [
            client.get_object(
                Bucket=self.loot.bucket, Key=self.loot.prefix + path, VersionId=version
            )["Body"].read()
            for path, version in sorted(self.loot.pins.items())
        ]


@pytest.fixture
def pinned(store_server: StoreServer) -> Iterator[Pinned]:
    with pinned_in(bucket_pair(store_server)) as made:
        yield made


@contextmanager
def pinned_in(ready: Ready, access: Access = Access.PUT) -> Iterator[Pinned]:
    """Make pinned versions and a live account beside them."""
    accounts, account = ready.accounts(), random_credentials()
    prefix = f"d/{uuid4()}/"
    until = datetime.now(UTC) + timedelta(hours=1)
    accounts.create(account, access=access, prefix=prefix, expires_at=until)
    client = ready.client(ready.server)
    pins = {
        path: client.put_object(Bucket=ready.data, Key=prefix + path, Body=b"pinned")[
            "VersionId"
        ]
        for path in ("a", "dir/b")
    }
    objects = create_s3_store(
        internal_url=ready.place.endpoint,
        public_url=ready.place.endpoint,
        region=REGION,
        buckets=Buckets(ready.data, ready.place.buckets.meta),
        server=ready.server,
        reader=ready.reader,
    )
    signed = objects.sign_put(
        f"{prefix}new", size=3, crc64nvme=crc(b"new"), intent=uuid4(), account=account
    )
    yield Pinned(
        ready,
        account,
        objects,
        Loot(
            origin=ready.place.endpoint,
            bucket=ready.data,
            meta=ready.place.buckets.meta,
            signed=[(signed, b"new")],
            key_ids=[account.key_id],
            prefix=prefix,
            pins=pins,
            neighbours=pins,
        ),
    )
    accounts.delete(account.key_id)
    objects.delete([(v.key, v.version) for v in objects.versions(prefix)])


@pytest.mark.parametrize("whose", ["put account", "server", "reader"])
def test_a_key_id_alone_writes_nothing(
    pinned: Pinned, count: Count, whose: str
) -> None:
    """On MinIO a stream with an unsigned trailer could name the version it replaces."""
    ready = pinned.ready
    known = {
        "put account": pinned.account,
        "server": ready.server,
        "reader": ready.reader,
    }
    hits = write_unsigned(pinned, known[whose])
    count(f"writes with the key id of a {whose}, unsigned", hits, "requests")


def write_unsigned(pinned: Pinned, known: Credentials) -> int:
    """Try to write with a key id alone, and see that nothing was written."""
    loot = replace(pinned.loot, key_ids=[known.key_id])
    rng = random.Random(SEED)  # noqa: S311 -- the same attack every time
    shots = [trailer(rng, loot) for _ in range(TRIES)]
    shots += [trailer_part(rng, loot) for _ in range(TRIES // 4)]
    hits = [fire(loot.origin, shot) for shot in shots]
    assert pinned.now == [b"pinned"] * 2
    assert {hit.status for hit in hits if not hit.refused} == set()
    return len(hits)


@pytest.mark.parametrize("access", [Access.PUT, Access.WRITE])
def test_accounts_are_bound_where_the_server_is_not_yet(
    minio: StoreServer, monkeypatch: pytest.MonkeyPatch, access: Access
) -> None:
    """An update changes what new accounts may do, before anybody sets the store up."""

    def unbound(buckets: policies.Buckets, *, iam: bool) -> policies.Policy:
        policy = policies.server_policy(buckets, iam=iam)
        for statement in policy["Statement"]:
            statement.pop("Condition", None)
        return policy

    monkeypatch.setattr(provisioning, "server_policy", unbound)
    with pinned_in(set_up(minio), access) as pinned:
        write_unsigned(pinned, pinned.account)


def test_no_archive_is_unpacked_over_a_version(pinned: Pinned, count: Count) -> None:
    """The members of an archive name versions as well; a URL for one file is enough."""
    rng = random.Random(SEED)  # noqa: S311 -- the same attack every time
    shots = [archive(rng, pinned.loot) for _ in range(TRIES)]
    for shot in shots:
        fire(pinned.loot.origin, shot)
        fire(pinned.loot.origin, _fitting(shot, pinned))
    assert pinned.now == [b"pinned"] * 2
    count("archives that name versions", 2 * len(shots), "requests")


def _fitting(shot: Shot, pinned: Pinned) -> Shot:
    """The same by a URL that was signed for exactly these bytes."""
    signed = pinned.objects.sign_put(
        f"{pinned.loot.prefix}{uuid4()}.tar",
        size=len(shot.body),
        crc64nvme=crc(shot.body),
        intent=uuid4(),
        account=pinned.account,
    )
    unpack = {n: v for n, v in shot.headers.items() if "snowball" in n}
    target = signed.url.removeprefix(pinned.loot.origin)
    return replace(shot, target=target, headers={**signed.headers, **unpack})
