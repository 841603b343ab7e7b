"""Derivations: definitions of programs, their runs, and rules that begin them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"

ID = sa.Uuid()
TEXT = sa.String()
WORD = sa.String(length=20)
INT = sa.Integer()
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
EXACT_JSON = sa.JSON()
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_LIVE = "state in ('waiting', 'queued', 'running', 'closing')"

needed: Callable[..., sa.Column[Any]] = partial(sa.Column, nullable=False)
key: Callable[..., sa.Column[Any]] = partial(sa.Column, primary_key=True)
optional: Callable[..., sa.Column[Any]] = partial(sa.Column, nullable=True)


def upgrade() -> None:
    """Make the tables, those that others point to first."""
    op.add_column("tokens", optional("attempt_id", ID))
    op.create_index("ix_tokens_attempt_id", "tokens", ["attempt_id"])
    op.add_column("datasets", optional("attempt_id", ID))
    op.add_column("datasets", optional("run", EXACT_JSON))
    op.add_column("datasets", optional("rules_at", TIME))
    op.create_index("ix_datasets_attempt_id", "datasets", ["attempt_id"])
    op.create_index("ix_datasets_rules_at", "datasets", ["rules_at"])
    _images()
    _definitions()
    _rules()
    _runs()
    _run_inputs()
    _attempts()
    _previews()
    _claims()
    _firings()


def downgrade() -> None:
    """Forget all runs; the datasets that they made stay, without their record."""
    for name in (
        "firings",
        "claims",
        "previews",
        "attempts",
        "run_inputs",
        "runs",
        "rules",
        "definitions",
        "images",
    ):
        op.drop_table(name)
    op.execute("DELETE FROM tokens WHERE attempt_id IS NOT NULL")
    op.drop_index("ix_datasets_rules_at", "datasets")
    op.drop_index("ix_datasets_attempt_id", "datasets")
    for name in ("rules_at", "run", "attempt_id"):
        op.drop_column("datasets", name)
    op.drop_index("ix_tokens_attempt_id", "tokens")
    op.drop_column("tokens", "attempt_id")


def _images() -> None:
    op.create_table(
        "images",
        key("id", ID),
        needed("image", TEXT),
        needed("note", TEXT),
        needed("by_id", ID, sa.ForeignKey("users.id")),
        needed("approved_at", TIME),
        optional("revoked_at", TIME),
    )
    _partial(
        "images_approved", "images", "image", where="revoked_at is null", unique=True
    )


def _definitions() -> None:
    op.create_table(
        "definitions",
        key("id", ID),
        needed("name", TEXT),
        needed("version", INT),
        optional("owner_id", ID, sa.ForeignKey("users.id")),
        needed("target", WORD),
        needed("title", TEXT),
        needed("image", TEXT),
        needed("argv", JSON),
        needed("mode", WORD),
        needed("inputs", EXACT_JSON),
        optional("output_type", TEXT),
        needed("parameters", EXACT_JSON),
        needed("resources", JSON),
        needed("retries", INT),
        needed("created_at", TIME),
        optional("retired_at", TIME),
    )
    op.create_index("definitions_name", "definitions", ["name", "version"], unique=True)


def _rules() -> None:
    op.create_table(
        "rules",
        key("id", ID),
        needed("owner_id", ID, sa.ForeignKey("users.id")),
        needed("name", TEXT),
        needed("type", TEXT),
        needed("matching", EXACT_JSON),
        needed("definition_id", ID, sa.ForeignKey("definitions.id")),
        needed("input", TEXT),
        needed("parameters", EXACT_JSON),
        needed("from_attributes", JSON),
        needed("output_name", TEXT),
        needed("created_at", TIME),
        optional("ended_at", TIME),
    )
    op.create_index("ix_rules_owner_id", "rules", ["owner_id"])
    _partial(
        "rules_name", "rules", "owner_id", "name", where="ended_at is null", unique=True
    )


def _runs() -> None:
    op.create_table(
        "runs",
        key("id", ID),
        needed("definition_id", ID, sa.ForeignKey("definitions.id")),
        needed("owner_id", ID, sa.ForeignKey("users.id")),
        optional("token_id", ID, sa.ForeignKey("tokens.id")),
        optional("rule_id", ID, sa.ForeignKey("rules.id")),
        needed("depth", INT),
        needed("name", TEXT),
        needed("parameters", EXACT_JSON),
        needed("request_id", TEXT),
        needed("state", WORD),
        optional("reason", WORD),
        needed("detail", TEXT),
        optional("progress", sa.Float()),
        needed("message", TEXT),
        optional("attempt_id", ID),
        needed("attempts", INT),
        optional("runner", TEXT),
        optional("holder", ID),
        optional("leased_until", TIME),
        optional("not_before", TIME),
        optional("cancelled_at", TIME),
        optional("dataset_id", ID, sa.ForeignKey("datasets.id")),
        needed("created_at", TIME),
        optional("started_at", TIME),
        optional("ended_at", TIME),
    )
    op.create_index("ix_runs_dataset_id", "runs", ["dataset_id"])
    op.create_index("ix_runs_definition_id", "runs", ["definition_id"])
    op.create_index("runs_newest", "runs", ["owner_id", "created_at", "id"])
    _partial("runs_live", "runs", "state", "created_at", where=_LIVE)
    _partial("runs_name", "runs", "owner_id", "name", where=_LIVE, unique=True)


def _run_inputs() -> None:
    op.create_table(
        "run_inputs",
        key("run_id", ID, sa.ForeignKey("runs.id")),
        key("name", TEXT),
        needed("position", INT),
        optional("dataset_id", ID, sa.ForeignKey("datasets.id")),
        optional("source_id", ID, sa.ForeignKey("runs.id")),
        optional("digest", TEXT),
        optional("seal", TEXT),
    )
    op.create_index("ix_run_inputs_dataset_id", "run_inputs", ["dataset_id"])
    op.create_index("ix_run_inputs_source_id", "run_inputs", ["source_id"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        key("id", ID),
        needed("run_id", ID, sa.ForeignKey("runs.id")),
        needed("number", INT),
        optional("dataset_id", ID, sa.ForeignKey("datasets.id")),
        needed("runner", TEXT),
        needed("executor", TEXT),
        optional("node", TEXT),
        needed("started_at", TIME),
        optional("main_at", TIME),
        optional("ended_at", TIME),
        optional("exit_code", INT),
        optional("reason", WORD),
        needed("detail", TEXT),
        needed("cleared", sa.Boolean()),
        needed("log_chunks", INT),
        needed("log_read", BIG),
        needed("log_bytes", INT),
        needed("log_cut", sa.Boolean()),
    )
    op.create_index("attempts_number", "attempts", ["run_id", "number"], unique=True)


def _previews() -> None:
    op.create_table(
        "previews",
        key("attempt_id", ID, sa.ForeignKey("attempts.id")),
        key("name", TEXT),
        needed("dataset_id", ID, sa.ForeignKey("datasets.id")),
        needed("bytes", INT),
        needed("media_type", TEXT),
    )
    op.create_index("ix_previews_dataset_id", "previews", ["dataset_id"])


def _claims() -> None:
    op.create_table(
        "claims",
        key("attempt_id", ID, sa.ForeignKey("attempts.id", ondelete="CASCADE")),
        key("step", WORD),
        needed("hash", TEXT, unique=True),
        needed("created_at", TIME),
        optional("used_at", TIME),
    )


def _firings() -> None:
    op.create_table(
        "firings",
        key("rule_id", ID, sa.ForeignKey("rules.id")),
        key("dataset_id", ID, sa.ForeignKey("datasets.id")),
        optional("run_id", ID),
        needed("detail", TEXT),
        needed("at", TIME),
    )
    op.create_index("ix_firings_at", "firings", ["at"])


def _partial(
    name: str, table: str, *columns: str, where: str, unique: bool = False
) -> None:
    only = sa.text(where)
    op.create_index(
        name,
        table,
        list(columns),
        unique=unique,
        sqlite_where=only,
        postgresql_where=only,
    )
