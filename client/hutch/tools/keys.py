"""Keys of the store, kept for this user until they end.

Tools start a new process each time and ask anew, and the store bears few accounts. So
keys lie in ``$XDG_CACHE_HOME/hutch/s3`` (``~/.cache`` by default), which is its owner's
alone, one file for each dataset and token. The server is asked whether an account
still lives before its keys are given out.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from hutch.client import Client
from hutch.contract.problems import (
    DatabaseUnavailableError,
    HutchError,
    InternalError,
    StoppingError,
)
from hutch.contract.wire.tools import (
    LIFE_S,
    LONGEST_LIFE_S,
    StoreAccess,
    StoreAccountCreated,
)
from hutch.errors import ServerAnswerError, ServerUnavailableError
from hutch.tools.private import location, locked, prepared

MARGIN: Final = timedelta(minutes=5)
"""Tools are told an end that is so much before the real one: some use keys until the
last second, and clocks differ."""
LEFT: Final = timedelta(minutes=15)
"""Keys are given out with more than this to go until the end that is told: from then
on botocore asks again before every single request."""
_AWAY: Final = (
    ServerUnavailableError,
    ServerAnswerError,
    DatabaseUnavailableError,
    StoppingError,
    InternalError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreKeys:
    """Keys by which S3 tools reach one dataset.

    Attributes:
        account: Id of the store account that they belong to.
        bucket: Bucket of the files.
        prefix: Start of the dataset's keys, with ``/`` at its end.
        expires_at: When the store stops taking them, if they are not revoked before.
        is_last: New ones would end no later, because the token ends then.
    """

    account: UUID
    dataset: UUID
    access: StoreAccess
    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    endpoint: str
    region: str
    bucket: str
    prefix: str
    expires_at: datetime
    is_last: bool

    @property
    def good_until(self) -> datetime:
        """The end that tools are told, so that they ask for new keys in time."""
        return self.expires_at if self.is_last else self.expires_at - MARGIN

    def is_fresh(self, now: datetime, *, left: timedelta = LEFT) -> bool:
        """Tell whether to give them out, instead of making new ones."""
        if self.is_last:
            return now < self.expires_at
        return self.good_until - now > left


def s3_keys(
    client: Client,
    dataset: UUID,
    access: StoreAccess = StoreAccess.READ,
    *,
    long: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> StoreKeys:
    """Give keys of a dataset: those that are kept, or new ones.

    Args:
        client: The server; the keys end with its token.
        dataset: What they reach.
        access: What they may do; ``write`` only while the dataset is open.
        long: For tools that cannot ask again: good for at least six hours.
        environ: Where the variables are looked up.

    Raises:
        NotFoundError: No such dataset for the caller.
        ForbiddenError: The caller may not write to it.
        DatasetClosedError: It is closed, so that nothing writes to it.
        ConflictError: The caller has too many accounts.
        ClientError: They cannot be kept.
    """
    life_s = LONGEST_LIFE_S if long else LIFE_S
    left = timedelta(seconds=life_s) / 2 if long else LEFT
    name = f"{client.caller}-{dataset}-{access}{'-long' if long else ''}.json"
    with prepared(environ) as place:
        held = _read(place / name)
        if held is not None and held.is_fresh(datetime.now(UTC), left=left):
            try:
                if _lives(client, held):
                    return held
            except HutchError:
                (place / name).unlink(missing_ok=True)
                raise
        with locked(place, "lock"):  # many tools that start at once need one account
            again = _read(place / name)
            if again is not None and again != held:
                return again  # another process has made them just now
            return _make(client, dataset, access, life_s, place / name)


def forget(account: UUID, *, environ: Mapping[str, str] = os.environ) -> None:
    """Keep the keys of an account no longer."""
    for file, keys in _kept(location(environ)):
        if keys.account == account:
            file.unlink(missing_ok=True)


def forget_all(caller: str, *, environ: Mapping[str, str] = os.environ) -> None:
    """Keep no keys that a token has made; ``client.caller`` tells whose they are."""
    for file in location(environ).glob(f"{caller}-*.json"):
        file.unlink(missing_ok=True)


def _make(
    client: Client, dataset: UUID, access: StoreAccess, life_s: int, file: Path
) -> StoreKeys:
    for old, keys in _kept(file.parent):
        if keys.expires_at <= datetime.now(UTC):
            old.unlink(missing_ok=True)
    made = client.store_accounts.create(dataset, access, life_s=life_s)
    keys = _keys_of(made, dataset, life_s)
    _write(file, keys)
    return keys


def _keys_of(made: StoreAccountCreated, dataset: UUID, life_s: int) -> StoreKeys:
    info = made.info
    return StoreKeys(
        account=info.id,
        dataset=dataset,
        access=info.access,
        key_id=made.key_id,
        secret=made.secret,
        endpoint=made.endpoint,
        region=made.region,
        bucket=made.bucket,
        prefix=made.prefix,
        expires_at=info.expires_at,
        is_last=info.expires_at - info.created_at < timedelta(seconds=life_s),
    )


def _lives(client: Client, held: StoreKeys) -> bool:
    """Ask whether the account still lives; if nobody can say so, the store will."""
    try:
        alive = client.store_accounts.list(held.dataset).items
    except _AWAY:
        return True
    return any(account.id == held.account for account in alive)


def _kept(place: Path) -> Iterator[tuple[Path, StoreKeys]]:
    for file in place.glob("*.json"):
        if (keys := _read(file)) is not None:
            yield file, keys


def _read(file: Path) -> StoreKeys | None:
    """Read keys; what cannot be read is made anew."""
    with suppress(FileNotFoundError, msgspec.DecodeError):
        return msgspec.json.decode(file.read_bytes(), type=StoreKeys)
    return None


def _write(file: Path, keys: StoreKeys) -> None:
    # mkstemp makes it 0600 from the start: there is no moment at which others read.
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(msgspec.json.encode(keys))
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
