"""The probe, on both real stores: whole ones, and ones that were crippled."""

import dataclasses
import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final, Self

import pytest
from awscrt import checksums

from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch_api.adapters.accounts import iam
from hutch_api.adapters.accounts import minio as minio_accounts
from hutch_api.adapters.policies import Buckets, Policy
from hutch_api.adapters.probe import (
    Need,
    ProbeNeededError,
    Report,
    Target,
    crc,
    probe,
    quick_check,
    require_passed,
    signatures,
)
from hutch_api.adapters.probe.bench import Bench
from hutch_api.adapters.probe.checks import try_out
from hutch_api.adapters.probe.run import CHECKS, fingerprint, store_name
from hutch_api.domain.accounts import Access
from hutch_api.ports.objects import Credentials
from tests import programs, servers
from tests.adapters.ready import Ready, set_up
from tests.programs import weed_environ
from tests.servers import WEB_ORIGIN, StoreServer

_BY_NAME: Final = {check.name: check for check in CHECKS}


@pytest.fixture(scope="module")
def ready(store_server: StoreServer) -> Ready:
    """Set up a store that no test changes."""
    return set_up(store_server)


@pytest.fixture(scope="module")
def report(ready: Ready) -> Report:
    return probe(target_of(ready))


@pytest.fixture
def crippled(store_server: StoreServer) -> Ready:
    """Set up a store for a test to spoil."""
    return set_up(store_server)


def target_of(ready: Ready, **changed: Any) -> Target:
    target = Target(
        place=ready.place,
        api=ready.made.api,
        server=ready.server,
        reader=ready.reader,
        public_url=ready.place.endpoint,
        web_origin=WEB_ORIGIN,
    )
    return dataclasses.replace(target, **changed)


def missing(report: Report) -> set[str]:
    return {outcome.name for outcome in report.missing}


def found(target: Target, *names: str) -> dict[str, str | None]:
    """Run some checks alone; tell what each found."""
    bench = Bench(target)
    try:
        bench.open()
        return {name: try_out(_BY_NAME[name], bench).found for name in names}
    finally:
        bench.close()


def everything(resources: list[str]) -> Policy:
    allowed = {"Effect": "Allow", "Action": ["s3:*"], "Resource": resources}
    return {"Version": "2012-10-17", "Statement": [allowed]}


def all_of(buckets: Buckets) -> list[str]:
    names = (buckets.data, buckets.meta)
    return [f"arn:aws:s3:::{name}{end}" for name in names for end in ("", "/*")]


def test_a_store_that_was_set_up_passes(report: Report) -> None:
    assert report.missing == ()
    assert report.passed
    assert report.rights["reader identity"] == ("read files", "read versions")
    by_header = {"write files"}  # takes the secret; SeaweedFS lets it through
    assert {*report.rights["put account"]} - by_header == {"write files by a URL"}


def test_the_probe_leaves_nothing_behind(crippled: Ready) -> None:
    ready = crippled
    probe(target_of(ready))
    root, buckets = ready.client(ready.root), ready.place.buckets
    left: dict[str, list[str]] = {}
    for bucket in (buckets.data, buckets.meta):
        answer: Any = root.list_object_versions(Bucket=bucket)
        rows = answer.get("Versions", []) + answer.get("DeleteMarkers", [])
        left[bucket] = [row["Key"] for row in rows]
    assert left == {buckets.data: [], buckets.meta: ["instance.json"]}
    assert list(Bench(target_of(ready)).accounts.key_ids()) == []


def test_a_report_survives_the_database(report: Report) -> None:
    kept = json.loads(json.dumps(report.to_record()))
    assert Report.from_record(kept) == report
    assert len(report.lines()) >= len(report.outcomes)


def test_no_secret_stands_in_a_report(ready: Ready, report: Report) -> None:
    text = json.dumps(report.to_record()) + "\n".join(report.lines())
    for identity in (ready.root, ready.server, ready.reader):
        assert identity.key_id not in text
        assert identity.secret not in text


def test_every_check_says_what_it_means_and_what_to_do() -> None:
    assert len(_BY_NAME) == len(CHECKS)
    for check in CHECKS:
        assert check.means
        assert check.remedy


def test_a_bucket_without_versions_is_named(crippled: Ready) -> None:
    crippled.client(crippled.root).put_bucket_versioning(
        Bucket=crippled.place.buckets.meta,
        VersioningConfiguration={"Status": "Suspended"},
    )
    assert found(target_of(crippled), "versioning")["versioning"] is not None


def test_default_retention_is_named(crippled: Ready) -> None:
    crippled.client(crippled.root).put_object_lock_configuration(
        Bucket=crippled.data,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    )
    name = "no-default-retention"
    assert found(target_of(crippled), name)[name] is not None


def test_a_reader_that_can_list_is_named(
    store_server: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "hutch_api.adapters.provisioning.reader_policy"
    monkeypatch.setattr(module, lambda buckets: everything(all_of(buckets)))
    name = "reader-identity-rights"
    text = found(target_of(set_up(store_server)), name)[name]
    assert "it may also" in (text or "")
    assert "list files" in (text or "")


def test_a_reader_whose_id_alone_can_write_is_named(minio: StoreServer) -> None:
    """MinIO takes a key id for a write credential: the reader's is in every URL."""
    ready = set_up(minio)
    target = target_of(ready, reader=ready.root)  # no policy binds it
    seen = found(target, "unsigned-trailer", "unsigned-part")
    assert "reader" in (seen["unsigned-trailer"] or "")
    assert seen["unsigned-part"] is not None


@pytest.fixture
def too_much(store_server: StoreServer, monkeypatch: pytest.MonkeyPatch) -> Ready:
    """Set up a store where server and put accounts may do everything."""

    def server_policy(buckets: Buckets, *, iam: bool) -> Policy:
        allowed = dict(everything(all_of(buckets)))
        if iam:
            more = {"Effect": "Allow", "Action": ["iam:*"], "Resource": ["*"]}
            allowed["Statement"] = [*allowed["Statement"], more]
        return allowed

    def account_policy(_: Access, *, bucket: str, prefix: str) -> Policy:
        del prefix
        return everything([f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"])

    monkeypatch.setattr("hutch_api.adapters.provisioning.server_policy", server_policy)
    for module in (iam, minio_accounts):
        monkeypatch.setattr(module, "account_policy", account_policy)
    return set_up(store_server)


def test_put_accounts_that_can_do_more_are_named(
    too_much: Ready, store_server: StoreServer
) -> None:
    report = probe(target_of(too_much))
    expected = {"account-prefix", "put-account-rights", "server-identity-rights"}
    expected |= {"tool-prefix", "tool-versions", "tool-retention"}
    if store_server.kind == "minio":  # SeaweedFS refuses these whatever is allowed
        expected |= {"copy-source", "unsigned-trailer", "unsigned-part"}
        expected |= {"account-retention", "unsigned-version"}
    assert expected <= missing(report)
    with pytest.raises(StoreError, match="account-prefix") as caught:
        require_passed(report)
    assert set(caught.value.facts["missing"]) == missing(report)


def test_a_bucket_that_is_open_to_all_is_named(minio: StoreServer) -> None:
    ready = set_up(minio)
    allowed: Any = {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{ready.data}/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    ready.client(ready.root).put_bucket_policy(
        Bucket=ready.data, Policy=json.dumps(policy)
    )
    assert found(target_of(ready), "signature")["signature"] is not None


@pytest.fixture(scope="module")
def open_store() -> Iterator[StoreServer]:
    """Run SeaweedFS without a key pair: it lets everybody in."""
    with _without_keys(), servers.seaweedfs() as server:
        yield server


@contextmanager
def _without_keys() -> Iterator[None]:
    def environ(root: Credentials) -> dict[str, str]:
        usual = weed_environ(root)
        return {k: v for k, v in usual.items() if not k.startswith("AWS_")}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "weed_environ", environ)
        yield


def test_a_store_that_is_open_to_all_is_not_set_up(open_store: StoreServer) -> None:
    with pytest.raises(StoreError, match="without a signature"):
        set_up(open_store)


def test_accounts_that_outlive_their_deletion_are_named(
    ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(target_of(ready))
    bench.open()
    made: list[str] = []
    try:
        with monkeypatch.context() as patch:
            patch.setattr(bench.accounts, "delete", made.append)
            assert not try_out(_BY_NAME["account-revocation"], bench).passed
    finally:
        for key_id in made:
            bench.accounts.delete(key_id)
        bench.close()


def test_a_clock_that_is_off_is_named(
    ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signatures, "_SKEW", timedelta(0))
    assert found(target_of(ready), "clock")["clock"] is not None


@pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True)
@pytest.mark.parametrize(("minutes", "which"), [(10, "behind"), (-10, "ahead of")])
def test_the_doctor_says_by_how_much_the_clocks_differ(
    ready: Ready, monkeypatch: pytest.MonkeyPatch, minutes: int, which: str
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(minutes=minutes)

    monkeypatch.setattr(signatures, "datetime", Wrong)
    told = found(target_of(ready), "clock")["clock"]
    assert told is not None
    assert re.fullmatch(
        rf"the store's clock is [56][0-9][0-9] s {which} this one", told
    )


def test_web_pages_of_others_are_a_warning(ready: Ready) -> None:
    assert found(target_of(ready), "cors") == {"cors": None}
    other = target_of(ready, web_origin="https://hutch.example")
    assert found(other, "cors")["cors"] is not None


def test_a_public_address_that_leads_elsewhere_is_a_warning(ready: Ready) -> None:
    target = target_of(ready, public_url="http://127.0.0.1:9")
    text = found(target, "public-address")["public-address"]
    assert text is not None
    assert "http" not in text
    assert _BY_NAME["public-address"].need is Need.OPTIONAL


def test_a_plain_start_accepts_what_was_recorded(ready: Ready, report: Report) -> None:
    quick_check(target_of(ready), report.to_record())


@pytest.mark.parametrize(
    "change",
    [
        lambda _: None,
        lambda _: {},
        lambda record: record | {"store": "another"},
        lambda record: record | {"settings": "other"},
    ],
    ids=["never", "unreadable", "another store", "other settings"],
)
def test_a_plain_start_asks_for_the_probe(
    ready: Ready, change: Callable[[dict[str, Any]], dict[str, Any] | None]
) -> None:
    target = target_of(ready)
    record = good_record(target)
    with pytest.raises(ProbeNeededError, match="hutch-api doctor"):
        quick_check(target, change(record))


def test_a_plain_start_refuses_a_store_that_failed(ready: Ready) -> None:
    target = target_of(ready)
    record = good_record(target)
    outcome = {"name": "expiry", "need": "must", "means": "m", "remedy": "r"}
    record["outcomes"] = [outcome | {"found": "something"}]
    with pytest.raises(StoreError, match="expiry: something"):
        quick_check(target, record)


def test_a_plain_start_refuses_buckets_of_another_installation(crippled: Ready) -> None:
    target = target_of(crippled)
    record = good_record(target)
    body = json.dumps({"instance": "00000000-0000-0000-0000-000000000000"}).encode()
    crippled.client(crippled.root).put_object(
        Bucket=crippled.place.buckets.meta, Key="instance.json", Body=body
    )
    with pytest.raises(StoreError, match="another installation"):
        quick_check(target, record)


def test_a_plain_start_refuses_a_store_where_accounts_do_more(too_much: Ready) -> None:
    target = target_of(too_much)
    with pytest.raises(StoreError, match="outside its prefix"):
        quick_check(target, good_record(target))


def test_a_store_that_is_gone_is_unavailable(ready: Ready) -> None:
    place = dataclasses.replace(ready.place, endpoint="http://127.0.0.1:9")
    target = target_of(ready, place=place)
    with pytest.raises(StoreUnavailableError):
        probe(target)


def good_record(target: Target) -> dict[str, Any]:
    """Write the record of a probe that passed, without running it."""
    return {
        "store": store_name(target.place.endpoint),
        "settings": fingerprint(target),
        "at": "2026-01-01T00:00:00+00:00",
        "outcomes": [],
        "rights": {},
    }


def test_the_plain_checksum_is_that_of_the_library() -> None:
    data = secrets.token_bytes(1000)
    assert crc.crc64nvme(data) == checksums.crc64nvme(data)
    first, last = checksums.crc64nvme(crc.FIRST_PART), crc.LAST_PART
    assert crc.encoded(first) == crc.FIRST_CHECKSUM
    whole = checksums.crc64nvme(crc.FIRST_PART + last)
    assert crc.encoded(whole) == crc.WHOLE_CHECKSUM


def test_every_check_is_explained() -> None:
    page = Path(__file__).parents[2] / "docs/explanation/store.md"
    text = page.read_text(encoding="utf-8")
    assert [name for name in _BY_NAME if f"| `{name}` |" not in text] == []
