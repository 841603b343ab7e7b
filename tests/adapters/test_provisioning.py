"""Setting a store up, on both real stores."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch_api.adapters.policies import Buckets, reader_policy, server_policy
from hutch_api.adapters.provisioning import (
    Place,
    init_store,
    random_credentials,
    read_instance,
    require_ours,
)
from hutch_api.adapters.stores import accepts, detect
from hutch_api.domain.accounts import Access
from hutch_api.ports.accounts import AccountsApi
from tests.adapters.ready import Ready, set_up
from tests.servers import REGION, StoreServer


@pytest.fixture
def ready(store_server: StoreServer) -> Ready:
    return set_up(store_server)


def again(ready: Ready, **changed: Any) -> tuple[str, ...]:
    identities = {"root": ready.root, "server": ready.server, "reader": ready.reader}
    wanted = {"place": ready.place} | identities | changed
    return init_store(wanted.pop("place"), **wanted).changes


def refusal(call: Any, **arguments: Any) -> int:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return int(caught.value.response["ResponseMetadata"]["HTTPStatusCode"])


def test_both_buckets_are_versioned_and_data_can_be_locked(ready: Ready) -> None:
    root, buckets = ready.client(ready.root), ready.place.buckets
    for bucket in (buckets.data, buckets.meta):
        assert root.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    lock = root.get_object_lock_configuration(Bucket=buckets.data)
    assert lock["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}


def test_setting_up_again_changes_nothing(ready: Ready) -> None:
    assert ready.made.changes != ()
    assert again(ready) == ()


def test_the_kind_of_store_is_found_by_root_and_by_the_server(
    ready: Ready, store_server: StoreServer
) -> None:
    expected = {"minio": AccountsApi.MINIO, "seaweedfs": AccountsApi.IAM}
    for identity in (ready.root, ready.server):
        assert detect(store_server.url, identity) is expected[store_server.kind]


def test_buckets_of_another_installation_are_refused(ready: Ready) -> None:
    other = dataclasses.replace(ready.place, instance=uuid4())
    with pytest.raises(StoreError, match="belong to another installation"):
        again(ready, place=other, server=random_credentials())
    with pytest.raises(StoreError, match="belong to another installation"):
        require_ours(other, ready.server)
    assert read_instance(ready.place, ready.server) == ready.place.instance


def test_buckets_that_are_nobodys_are_told(ready: Ready) -> None:
    nowhere = dataclasses.replace(ready.place, buckets=Buckets("no-data", "no-meta"))
    assert read_instance(nowhere, ready.root) is None
    with pytest.raises(StoreError, match="hutch-api store init"):
        require_ours(nowhere, ready.root)


def test_an_administrator_whom_the_store_does_not_know_is_told(ready: Ready) -> None:
    with pytest.raises(StoreError, match="does not know this key pair"):
        again(ready, root=random_credentials())


def test_a_key_id_that_has_another_secret_is_told(ready: Ready) -> None:
    wrong = dataclasses.replace(ready.server, secret="0" * 40)
    with pytest.raises(StoreError, match="with another secret"):
        again(ready, server=wrong)


def test_a_new_key_pair_ends_the_one_before(ready: Ready) -> None:
    server = random_credentials()
    assert again(ready, server=server) != ()
    assert again(ready, server=server) == ()
    assert read_instance(ready.place, server) == ready.place.instance
    assert not accepts(ready.place.endpoint, ready.server, region=REGION)


def test_no_account_of_an_earlier_key_pair_outlives_its_deletion(ready: Ready) -> None:
    """On MinIO the new identity is told that an account of the old one is gone."""
    account, prefix = random_credentials(), f"d/{uuid4()}/"
    ready.accounts().create(
        account,
        access=Access.PUT,
        prefix=prefix,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    server = random_credentials()
    again(ready, server=server)
    ready.accounts(server=server).delete(account.key_id)
    put: Any = {"Bucket": ready.data, "Key": prefix + "f", "Body": b"x"}
    assert refusal(ready.client(account).put_object, **put) == 403


def test_a_policy_that_was_changed_is_put_right(
    ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "hutch_api.adapters.provisioning.reader_policy"
    with monkeypatch.context() as patch:
        patch.setattr(
            module,
            lambda buckets: {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": ["s3:ListBucket"],
                        "Resource": [f"arn:aws:s3:::{buckets.data}"],
                    }
                ],
            },
        )
        assert again(ready) != ()
    reader = ready.client(ready.reader)
    reader.list_objects_v2(Bucket=ready.data)
    assert again(ready) != ()
    assert refusal(reader.list_objects_v2, Bucket=ready.data) == 403
    assert again(ready) == ()


def test_the_server_can_neither_make_buckets_nor_change_them(ready: Ready) -> None:
    server = ready.client(ready.server)
    assert refusal(server.create_bucket, Bucket=f"b-{uuid4().hex[:8]}") == 403
    off = {"Status": "Suspended"}
    changed = {"Bucket": ready.data, "VersioningConfiguration": off}
    assert refusal(server.put_bucket_versioning, **changed) == 403


def test_the_reader_reads_and_does_nothing_else(ready: Ready) -> None:
    server, reader = ready.client(ready.server), ready.client(ready.reader)
    key = f"d/{uuid4()}/f"
    there: Any = {"Bucket": ready.data, "Key": key}
    version = server.put_object(**there, Body=b"x")["VersionId"]
    assert reader.get_object(**there, VersionId=version)["Body"].read() == b"x"
    assert refusal(reader.put_object, **there, Body=b"y") == 403
    assert refusal(reader.delete_object, **there) == 403
    assert refusal(reader.list_objects_v2, Bucket=ready.data) == 403
    assert refusal(reader.list_object_versions, Bucket=ready.data) == 403


def test_the_reader_sees_previews_and_logs_but_no_records(ready: Ready) -> None:
    server, reader = ready.client(ready.server), ready.client(ready.reader)
    meta = ready.place.buckets.meta
    for key in ("previews/x", "logs/x", "datasets/x/seal.json"):
        server.put_object(Bucket=meta, Key=key, Body=b"x")
    assert reader.get_object(Bucket=meta, Key="previews/x")["Body"].read() == b"x"
    assert reader.get_object(Bucket=meta, Key="logs/x")["Body"].read() == b"x"
    assert refusal(reader.get_object, Bucket=meta, Key="datasets/x/seal.json") == 403
    assert refusal(reader.get_object, Bucket=meta, Key="instance.json") == 403


def test_a_store_that_is_gone_is_unavailable() -> None:
    place = Place(endpoint="http://127.0.0.1:9", instance=uuid4())
    own = random_credentials()
    with pytest.raises(StoreUnavailableError):
        init_store(place, root=own, server=own, reader=own)
    with pytest.raises(StoreUnavailableError):
        detect("http://127.0.0.1:9", own, region=REGION)
    with pytest.raises(StoreUnavailableError):
        read_instance(place, own)


def test_every_action_of_a_policy_is_explained() -> None:
    page = Path(__file__).parents[2] / "infra/minio/README.md"
    text = page.read_text(encoding="utf-8")
    policies = [server_policy(Buckets(), iam=True), reader_policy(Buckets())]
    actions = {a for p in policies for s in p["Statement"] for a in s["Action"]}
    assert sorted(a for a in actions if f"`{a}`" not in text) == []
