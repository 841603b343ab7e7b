"""The tables. What may be in them together is said here, what may happen is not.

Rows that wait for work in the store say so by their state (accounts ``deleting``,
intents with an upload to abort, superseded versions): the outbox is the rows.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index
from sqlmodel import Field, SQLModel

from hutch.contract.wire.accounts import Role
from hutch.contract.wire.datasets import (
    Fault,
    OperationKind,
    OperationState,
    Right,
    State,
)
from hutch_api.domain.accounts import Access
from hutch_api.store.columns import (
    BIG,
    ByteOrdered,
    ExactJson,
    JsonColumn,
    UtcDateTime,
    one_of,
)
from hutch_api.store.indexes import ENDED, LIVE, MULTIPART, UNCLEARED, partial_index


class Verb(StrEnum):
    """How the bytes of an intent arrive: verb S or M."""

    SINGLE = "single"
    MULTIPART = "multipart"


class IntentState(StrEnum):
    """``new → url → completing → done | aborted``; the last two are final."""

    NEW = "new"
    URL = "url"
    COMPLETING = "completing"
    DONE = "done"
    ABORTED = "aborted"


LIVE_INTENTS = (IntentState.NEW, IntentState.URL, IntentState.COMPLETING)


class AccountState(StrEnum):
    """``creating → live → deleting → gone``."""

    CREATING = "creating"
    LIVE = "live"
    DELETING = "deleting"
    GONE = "gone"


class Instance(SQLModel, table=True):
    """This installation; the same id lies in the bucket.

    ``scrub_allowance`` is how many bytes the scrub may read, as of
    ``scrub_refilled_at``; below 0 it has read ahead.
    """

    id: UUID = Field(primary_key=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    probe: dict[str, Any] | None = Field(default=None, sa_type=JsonColumn)
    collected_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    rebuild_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    scrub_allowance: int = Field(default=0, sa_type=BIG)
    scrub_refilled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class User(SQLModel, table=True):
    """A person or a machine that logs in."""

    __tablename__ = "users"

    id: UUID = Field(primary_key=True)
    name: str = Field(unique=True)
    password: str = Field(repr=False)
    role: Role = Field(sa_type=one_of(Role))
    created_at: datetime = Field(sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Token(SQLModel, table=True):
    """A bearer secret, kept as a keyed hash.

    One with an ``attempt_id`` belongs to a step of a run and lives no longer.
    """

    __tablename__ = "tokens"

    id: UUID = Field(primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", index=True)
    name: str
    hash: str = Field(unique=True, repr=False)
    scopes: list[str] = Field(sa_type=JsonColumn)
    datasets: list[str] | None = Field(default=None, sa_type=JsonColumn)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempt_id: UUID | None = Field(default=None, index=True)


class Group(SQLModel, table=True):
    """A named set of users, managed by its owner."""

    __tablename__ = "groups"

    id: UUID = Field(primary_key=True)
    name: str = Field(unique=True)
    owner_id: UUID = Field(foreign_key="users.id", index=True)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Member(SQLModel, table=True):
    """A user in a group."""

    __tablename__ = "members"

    group_id: UUID = Field(
        sa_column=Column(ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    )
    user_id: UUID = Field(foreign_key="users.id", primary_key=True, index=True)


class Dataset(SQLModel, table=True):
    """A dataset, or the tombstone of one.

    ``sweep_at`` and ``about_at`` say when work in the store is due, ``tools_since``
    from when on tools may have written there. A round of the scrub began at
    ``scrub_since`` and has come to ``scrub_after``; one has it until ``scrub_until``.

    ``name_is_unique`` is set by an owner who sees all that they have. Whoever names or
    gives a dataset without seeing the rest must not learn from a refusal what is there.

    ``attempt_id`` is set while an attempt at a run fills it: nobody else sees it then.
    ``run`` is the record of the run that made it, as the seal covers it; the rules are
    due for it when ``rules_at`` is set.
    """

    __tablename__ = "datasets"
    __table_args__ = (
        partial_index(
            "datasets_name",
            "owner_id",
            "name",
            where="state != 'deleted' and name_is_unique",
            unique=True,
        ),
        Index("datasets_newest", "created_at", "id"),
        Index("datasets_of_owner", "owner_id", "created_at", "id"),
        Index("datasets_in_state", "state", "created_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    name: str
    name_is_unique: bool = False
    owner_id: UUID = Field(foreign_key="users.id")
    creator_id: UUID = Field(foreign_key="users.id", index=True)
    type: str
    type_version: int
    attributes: dict[str, Any] = Field(sa_type=ExactJson)
    description: str = ""
    keywords: list[str] = Field(sa_type=JsonColumn)
    state: State = Field(sa_type=one_of(State))
    revision: int = 0
    correction: bool = False
    files: int = 0
    bytes: int = Field(default=0, sa_type=BIG)
    digest: str | None = None
    seal: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sweep_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)
    sweeps: int = 0
    about_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)
    tools_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    faults: int = 0
    scrubbed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    scrub_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    scrub_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    scrub_after: str | None = None
    attempt_id: UUID | None = Field(default=None, index=True)
    run: dict[str, Any] | None = Field(default=None, sa_type=ExactJson)
    rules_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)


class Input(SQLModel, table=True):
    """An edge: a parent by what it held when the child was made."""

    __tablename__ = "inputs"

    child_id: UUID = Field(foreign_key="datasets.id", primary_key=True)
    position: int = Field(primary_key=True)
    parent_id: UUID = Field(foreign_key="datasets.id", index=True)
    digest: str
    seal: str


class Share(SQLModel, table=True):
    """A right on a dataset, given to a user or to a group (exactly one is set)."""

    __tablename__ = "shares"
    __table_args__ = (
        Index("shares_user", "dataset_id", "user_id", unique=True),
        Index("shares_group", "dataset_id", "group_id", unique=True),
    )

    id: UUID = Field(primary_key=True)
    dataset_id: UUID = Field(foreign_key="datasets.id", index=True)
    user_id: UUID | None = Field(default=None, foreign_key="users.id", index=True)
    group_id: UUID | None = Field(
        default=None,
        sa_column=Column(ForeignKey("groups.id", ondelete="CASCADE"), index=True),
    )
    right: Right = Field(sa_type=one_of(Right))
    since: datetime = Field(sa_type=UtcDateTime)


class File(SQLModel, table=True):
    """A line of the manifest with its pin.

    ``fault`` is what the scrub found wrong when it read the file last.
    """

    __tablename__ = "files"
    __table_args__ = (Index("files_fold", "dataset_id", "fold", unique=True),)

    dataset_id: UUID = Field(foreign_key="datasets.id", primary_key=True)
    path: str = Field(sa_type=ByteOrdered, primary_key=True)
    fold: str = Field(sa_type=ByteOrdered)
    size: int = Field(sa_type=BIG)
    sha256: str
    crc64nvme: str
    version: str
    intent_id: UUID
    confirmed: bool = False
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    fault: Fault | None = Field(default=None, sa_type=one_of(Fault))
    committed_at: datetime = Field(sa_type=UtcDateTime)
    committed_by: UUID = Field(foreign_key="users.id")


class Push(SQLModel, table=True):
    """A working directory sending what changed."""

    __tablename__ = "pushes"

    id: UUID = Field(primary_key=True)
    dataset_id: UUID = Field(foreign_key="datasets.id", index=True)
    actor_id: UUID = Field(foreign_key="users.id", index=True)
    token_id: UUID | None = Field(default=None, foreign_key="tokens.id", index=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime = Field(sa_type=UtcDateTime)


class Intent(SQLModel, table=True):
    """A file on its way; there before the store hears of it.

    ``version`` is set when it is done; ``cleared`` when it has ended and the store
    holds nothing of it any more. Most rows are both: only the index of ids has them.
    """

    __tablename__ = "intents"
    __table_args__ = (
        partial_index("intents_live", "dataset_id", "fold", where=LIVE, unique=True),
        partial_index("intents_touched", "state", "touched_at", where=UNCLEARED),
        partial_index(
            "intents_ended",
            "dataset_id",
            "path",
            where=f"{ENDED} and {UNCLEARED}",
        ),
        partial_index("intents_multipart", "dataset_id", "path", where=MULTIPART),
    )

    id: UUID = Field(primary_key=True)
    dataset_id: UUID = Field(foreign_key="datasets.id")
    push_id: UUID = Field(foreign_key="pushes.id")
    actor_id: UUID = Field(foreign_key="users.id")
    path: str = Field(sa_type=ByteOrdered)
    fold: str = Field(sa_type=ByteOrdered)
    verb: Verb = Field(sa_type=one_of(Verb))
    state: IntentState = Field(sa_type=one_of(IntentState))
    size: int = Field(sa_type=BIG)
    part_size: int | None = Field(default=None, sa_type=BIG)
    base: str | None = None
    force: bool = False
    crc64nvme: str | None = None
    sha256: str | None = None
    upload: str | None = None
    cleared: bool = False
    version: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    touched_at: datetime = Field(sa_type=UtcDateTime)


class Superseded(SQLModel, table=True):
    """A version that left the manifest and waits to be deleted from the store."""

    __tablename__ = "superseded"

    dataset_id: UUID = Field(foreign_key="datasets.id", primary_key=True)
    path: str = Field(sa_type=ByteOrdered, primary_key=True)
    version: str = Field(primary_key=True)
    since: datetime = Field(sa_type=UtcDateTime, index=True)


class Account(SQLModel, table=True):
    """A store account of a dataset, in one generation; secrets are computed.

    ``user_id`` and ``token_id`` say for whom it is; one that signs is nobody's.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        partial_index(
            "accounts_signing",
            "dataset_id",
            where="state in ('creating', 'live') and access = 'put'",
            unique=True,
        ),
    )

    generation: str = Field(primary_key=True)
    access: Access = Field(sa_type=one_of(Access))
    user_id: UUID | None = Field(default=None, index=True)
    token_id: UUID | None = None
    dataset_id: UUID = Field(foreign_key="datasets.id", index=True)
    key_id: str = Field(unique=True, repr=False)
    server_key: int
    state: AccountState = Field(sa_type=one_of(AccountState), index=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)


class Operation(SQLModel, table=True):
    """A close or a deletion on its way; ``leased_until`` says who may go on."""

    __tablename__ = "operations"

    id: UUID = Field(primary_key=True)
    kind: OperationKind = Field(sa_type=one_of(OperationKind))
    dataset_id: UUID = Field(foreign_key="datasets.id", index=True)
    actor_id: UUID = Field(foreign_key="users.id")
    request_id: str
    options: dict[str, Any] = Field(sa_type=JsonColumn)
    state: OperationState = Field(sa_type=one_of(OperationState), index=True)
    done: int = 0
    total: int = 0
    problem: dict[str, Any] | None = Field(default=None, sa_type=JsonColumn)
    result: dict[str, Any] | None = Field(default=None, sa_type=JsonColumn)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    leased_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Audit(SQLModel, table=True):
    """A change: who, when, what. Written in the change's own transaction."""

    __tablename__ = "audit"

    id: int | None = Field(
        default=None, sa_column=Column(BIG, primary_key=True, autoincrement=True)
    )
    at: datetime = Field(sa_type=UtcDateTime)
    actor_id: UUID | None = Field(default=None, foreign_key="users.id", index=True)
    token_id: UUID | None = None
    action: str
    dataset_id: UUID | None = Field(default=None, foreign_key="datasets.id", index=True)
    facts: dict[str, Any] = Field(sa_type=JsonColumn)
    request_id: str
