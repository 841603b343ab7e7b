"""The tables of derivations: definitions, runs, their attempts, and rules.

A row of ``runs`` is its place in the queue: whoever holds its lease goes on with it,
and ``attempt_id`` fences what earlier attempts may still try.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index
from sqlmodel import Field, SQLModel

from hutch.contract.wire.definitions import Mode, Target
from hutch.contract.wire.runs import Reason, RunState, StepKind
from hutch_api.store.columns import BIG, ExactJson, JsonColumn, UtcDateTime, one_of
from hutch_api.store.indexes import partial_index


class Image(SQLModel, table=True):
    """A container image that somebody has approved, by digest or id."""

    __tablename__ = "images"
    __table_args__ = (
        partial_index(
            "images_approved", "image", where="revoked_at is null", unique=True
        ),
    )

    id: UUID = Field(primary_key=True)
    image: str
    note: str
    by_id: UUID = Field(foreign_key="users.id")
    approved_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Definition(SQLModel, table=True):
    """A program in a container, in one version; what it says never changes.

    ``owner_id`` is None for those of hutch itself, which are no containers.
    ``output_type`` is None where previews are made.
    """

    __tablename__ = "definitions"
    __table_args__ = (Index("definitions_name", "name", "version", unique=True),)

    id: UUID = Field(primary_key=True)
    name: str
    version: int
    owner_id: UUID | None = Field(default=None, foreign_key="users.id")
    target: Target = Field(default=Target.DATASET, sa_type=one_of(Target))
    title: str
    image: str
    argv: list[str] = Field(sa_type=JsonColumn)
    mode: Mode = Field(sa_type=one_of(Mode))
    inputs: dict[str, str] = Field(sa_type=ExactJson)
    output_type: str | None
    parameters: dict[str, Any] = Field(sa_type=ExactJson)
    resources: dict[str, Any] = Field(sa_type=JsonColumn)
    retries: int
    created_at: datetime = Field(sa_type=UtcDateTime)
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Rule(SQLModel, table=True):
    """When a dataset of a type closes, run a definition on it, as the rule's owner."""

    __tablename__ = "rules"
    __table_args__ = (
        partial_index(
            "rules_name", "owner_id", "name", where="ended_at is null", unique=True
        ),
    )

    id: UUID = Field(primary_key=True)
    owner_id: UUID = Field(foreign_key="users.id", index=True)
    name: str
    type: str
    matching: dict[str, Any] = Field(sa_type=ExactJson)
    definition_id: UUID = Field(foreign_key="definitions.id")
    input: str
    parameters: dict[str, Any] = Field(sa_type=ExactJson)
    from_attributes: dict[str, str] = Field(sa_type=JsonColumn)
    output_name: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Firing(SQLModel, table=True):
    """A rule has seen a dataset that closed: once, whatever came of it.

    ``run_id`` is None where it began none; ``detail`` says why.
    """

    __tablename__ = "firings"

    rule_id: UUID = Field(foreign_key="rules.id", primary_key=True)
    dataset_id: UUID = Field(foreign_key="datasets.id", primary_key=True)
    run_id: UUID | None = None
    detail: str = ""
    at: datetime = Field(sa_type=UtcDateTime, index=True)


class Run(SQLModel, table=True):
    """One execution of a definition, through all of its attempts.

    ``holder`` is the process that has the lease. ``token_id`` is the token that the
    run was begun by: with it the run ends. ``depth`` counts the rules behind it.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_newest", "owner_id", "created_at", "id"),
        partial_index(
            "runs_live",
            "state",
            "created_at",
            where="state in ('waiting', 'queued', 'running', 'closing')",
        ),
        partial_index(
            "runs_name",
            "owner_id",
            "name",
            where="state in ('waiting', 'queued', 'running', 'closing')",
            unique=True,
        ),
    )

    id: UUID = Field(primary_key=True)
    definition_id: UUID = Field(foreign_key="definitions.id", index=True)
    owner_id: UUID = Field(foreign_key="users.id")
    token_id: UUID | None = Field(default=None, foreign_key="tokens.id")
    rule_id: UUID | None = Field(default=None, foreign_key="rules.id")
    depth: int = 0
    name: str
    parameters: dict[str, Any] = Field(sa_type=ExactJson)
    request_id: str
    state: RunState = Field(sa_type=one_of(RunState))
    reason: Reason | None = Field(default=None, sa_type=one_of(Reason))
    detail: str = ""
    progress: float | None = None
    message: str = ""
    attempt_id: UUID | None = None
    attempts: int = 0
    runner: str | None = None
    holder: UUID | None = None
    leased_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    cancelled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    dataset_id: UUID | None = Field(default=None, foreign_key="datasets.id", index=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RunInput(SQLModel, table=True):
    """An input of a run: a dataset by what it held, or a run that is to make it."""

    __tablename__ = "run_inputs"

    run_id: UUID = Field(foreign_key="runs.id", primary_key=True)
    name: str = Field(primary_key=True)
    position: int
    dataset_id: UUID | None = Field(default=None, foreign_key="datasets.id", index=True)
    source_id: UUID | None = Field(default=None, foreign_key="runs.id", index=True)
    digest: str | None = None
    seal: str | None = None


class Attempt(SQLModel, table=True):
    """A try at a run; it fills a dataset of its own, hidden until that is closed.

    ``dataset_id`` is None where the run makes previews; those are its own, too.
    ``log_chunks`` and ``log_bytes`` say what of its log lies in the store, of
    ``log_read`` bytes that the program had written.
    """

    __tablename__ = "attempts"
    __table_args__ = (Index("attempts_number", "run_id", "number", unique=True),)

    id: UUID = Field(primary_key=True)
    run_id: UUID = Field(foreign_key="runs.id")
    number: int
    dataset_id: UUID | None = Field(default=None, foreign_key="datasets.id")
    runner: str
    executor: str
    node: str | None = None
    started_at: datetime = Field(sa_type=UtcDateTime)
    main_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    exit_code: int | None = None
    reason: Reason | None = Field(default=None, sa_type=one_of(Reason))
    detail: str = ""
    cleared: bool = False
    log_chunks: int = 0
    log_read: int = Field(default=0, sa_type=BIG)
    log_bytes: int = 0
    log_cut: bool = False


class Preview(SQLModel, table=True):
    """A small picture of a dataset, or notes on such, as an attempt has made it.

    It is shown when its run has succeeded. The row is there before the record.
    """

    __tablename__ = "previews"

    attempt_id: UUID = Field(foreign_key="attempts.id", primary_key=True)
    name: str = Field(primary_key=True)
    dataset_id: UUID = Field(foreign_key="datasets.id", index=True)
    bytes: int
    media_type: str


class Claim(SQLModel, table=True):
    """A code that a step trades for its token, once."""

    __tablename__ = "claims"

    attempt_id: UUID = Field(
        sa_column=Column(
            ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True
        )
    )
    step: StepKind = Field(sa_type=one_of(StepKind), primary_key=True)
    hash: str = Field(unique=True, repr=False)
    created_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
