"""A store that was set up the way ``hutch-api store init`` does it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hutch_api.adapters.accounts import open_accounts
from hutch_api.adapters.policies import Buckets
from hutch_api.adapters.provisioning import (
    Place,
    Provisioned,
    init_store,
    random_credentials,
)
from hutch_api.adapters.stores import open_s3
from hutch_api.ports.accounts import StoreAccounts
from hutch_api.ports.objects import Credentials
from tests.servers import REGION, StoreServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A store that was set up, and who may do what in it."""

    place: Place
    root: Credentials
    server: Credentials
    reader: Credentials
    made: Provisioned

    @property
    def data(self) -> str:
        return self.place.buckets.data

    def client(self, identity: Credentials) -> "S3Client":
        return open_s3(self.place.endpoint, identity, region=REGION)

    def accounts(self, **changed: Any) -> StoreAccounts:
        wanted: dict[str, Any] = {
            "endpoint": self.place.endpoint,
            "server": self.server,
            "instance": self.place.instance,
            "bucket": self.data,
        } | changed
        return open_accounts(self.made.api, **wanted)


def set_up(server: StoreServer) -> Ready:
    """Make a bucket pair with its identities."""
    tag = uuid4().hex[:8]
    place = Place(
        endpoint=server.url,
        instance=uuid4(),
        buckets=Buckets(f"data-{tag}", f"meta-{tag}"),
    )
    own, reader = random_credentials(), random_credentials()
    made = init_store(place, root=server.root, server=own, reader=reader)
    return Ready(place=place, root=server.root, server=own, reader=reader, made=made)
