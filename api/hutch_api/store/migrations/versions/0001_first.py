"""The first tables."""

from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None

ID = sa.Uuid()
TEXT = sa.String()
WORD = sa.String(length=20)
PATH = sa.String().with_variant(sa.String(collation="C"), "postgresql")
INT = sa.Integer()
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FLAG = sa.Boolean()
TIME = sa.DateTime(timezone=True)
EXACT_JSON = sa.JSON()
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
"""Said again here: a migration stays as it was when the program moves on."""

needed: Callable[..., sa.Column[Any]] = partial(sa.Column, nullable=False)
key: Callable[..., sa.Column[Any]] = partial(sa.Column, primary_key=True)
optional: Callable[..., sa.Column[Any]] = partial(sa.Column, nullable=True)


def upgrade() -> None:
    """Make the tables, those that others point to first."""
    _instance()
    _login_failures()
    _users()
    _datasets()
    _groups()
    _idempotency()
    _tokens()
    _accounts()
    _audit()
    _files()
    _inputs()
    _members()
    _operations()
    _pushes()
    _shares()
    _superseded()
    _intents()


def _instance() -> None:
    op.create_table(
        "instance",
        key("id", ID),
        needed("created_at", TIME),
        optional("probe", JSON),
        optional("collected_at", TIME),
        optional("rebuild_since", TIME),
        needed("scrub_allowance", BIG),
        optional("scrub_refilled_at", TIME),
    )


def _login_failures() -> None:
    op.create_table(
        "login_failures",
        key("name", TEXT),
        needed("count", INT),
        needed("since", TIME),
        needed("last", TIME),
    )


def _users() -> None:
    op.create_table(
        "users",
        key("id", ID),
        needed("name", TEXT, unique=True),
        needed("password", TEXT),
        needed("role", WORD),
        needed("created_at", TIME),
        optional("disabled_at", TIME),
    )


def _datasets() -> None:
    op.create_table(
        "datasets",
        key("id", ID),
        needed("name", TEXT),
        needed("name_is_unique", FLAG),
        needed("owner_id", ID, sa.ForeignKey("users.id")),
        needed("creator_id", ID, sa.ForeignKey("users.id")),
        needed("type", TEXT),
        needed("type_version", INT),
        needed("attributes", EXACT_JSON),
        needed("description", TEXT),
        needed("keywords", JSON),
        needed("state", WORD),
        needed("revision", INT),
        needed("correction", FLAG),
        needed("files", INT),
        needed("bytes", BIG),
        optional("digest", TEXT),
        optional("seal", TEXT),
        needed("created_at", TIME),
        needed("updated_at", TIME),
        optional("closed_at", TIME),
        optional("deleted_at", TIME),
        optional("sweep_at", TIME),
        needed("sweeps", INT),
        optional("about_at", TIME),
        needed("faults", INT),
        optional("scrubbed_at", TIME),
        optional("scrub_since", TIME),
        optional("scrub_until", TIME),
        optional("scrub_after", TEXT),
    )
    op.create_index(
        "datasets_name",
        "datasets",
        ["owner_id", "name"],
        unique=True,
        sqlite_where=sa.text("state != 'deleted' and name_is_unique"),
        postgresql_where=sa.text("state != 'deleted' and name_is_unique"),
    )
    op.create_index("datasets_newest", "datasets", ["created_at", "id"])
    op.create_index("ix_datasets_about_at", "datasets", ["about_at"])
    op.create_index("ix_datasets_creator_id", "datasets", ["creator_id"])
    op.create_index("ix_datasets_owner_id", "datasets", ["owner_id"])
    op.create_index("ix_datasets_state", "datasets", ["state"])
    op.create_index("ix_datasets_sweep_at", "datasets", ["sweep_at"])


def _groups() -> None:
    op.create_table(
        "groups",
        key("id", ID),
        needed("name", TEXT, unique=True),
        needed("owner_id", ID, sa.ForeignKey("users.id")),
        needed("created_at", TIME),
    )
    op.create_index("ix_groups_owner_id", "groups", ["owner_id"])


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        key("user_id", ID, sa.ForeignKey("users.id")),
        key("key", TEXT),
        needed("route", TEXT),
        needed("request", TEXT),
        needed("resource", TEXT),
        needed("created_at", TIME),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])


def _tokens() -> None:
    op.create_table(
        "tokens",
        key("id", ID),
        needed("user_id", ID, sa.ForeignKey("users.id")),
        needed("name", TEXT),
        needed("hash", TEXT, unique=True),
        needed("scopes", JSON),
        optional("datasets", JSON),
        needed("created_at", TIME),
        needed("expires_at", TIME),
        optional("last_used_at", TIME),
        optional("revoked_at", TIME),
    )
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"])


def _accounts() -> None:
    op.create_table(
        "accounts",
        key("generation", TEXT),
        needed("dataset_id", ID, sa.ForeignKey("datasets.id")),
        needed("key_id", TEXT, unique=True),
        needed("server_key", INT),
        needed("state", WORD),
        needed("created_at", TIME),
        needed("used_at", TIME),
        needed("expires_at", TIME),
    )
    op.create_index(
        "accounts_usable",
        "accounts",
        ["dataset_id"],
        unique=True,
        sqlite_where=sa.text("state in ('creating', 'live')"),
        postgresql_where=sa.text("state in ('creating', 'live')"),
    )
    op.create_index("ix_accounts_dataset_id", "accounts", ["dataset_id"])
    op.create_index("ix_accounts_state", "accounts", ["state"])


def _audit() -> None:
    op.create_table(
        "audit",
        key("id", BIG, autoincrement=True),
        needed("at", TIME),
        optional("actor_id", ID, sa.ForeignKey("users.id")),
        optional("token_id", ID),
        needed("action", TEXT),
        optional("dataset_id", ID, sa.ForeignKey("datasets.id")),
        needed("facts", JSON),
        needed("request_id", TEXT),
    )
    op.create_index("ix_audit_actor_id", "audit", ["actor_id"])
    op.create_index("ix_audit_dataset_id", "audit", ["dataset_id"])


def _files() -> None:
    op.create_table(
        "files",
        key("dataset_id", ID, sa.ForeignKey("datasets.id")),
        key("path", PATH),
        needed("fold", PATH),
        needed("size", BIG),
        needed("sha256", TEXT),
        needed("crc64nvme", TEXT),
        needed("version", TEXT),
        needed("intent_id", ID),
        needed("confirmed", FLAG),
        optional("confirmed_at", TIME),
        optional("fault", WORD),
        needed("committed_at", TIME),
        needed("committed_by", ID, sa.ForeignKey("users.id")),
    )
    op.create_index("files_fold", "files", ["dataset_id", "fold"], unique=True)


def _inputs() -> None:
    op.create_table(
        "inputs",
        key("child_id", ID, sa.ForeignKey("datasets.id")),
        key("position", INT),
        needed("parent_id", ID, sa.ForeignKey("datasets.id")),
        needed("digest", TEXT),
        needed("seal", TEXT),
    )
    op.create_index("ix_inputs_parent_id", "inputs", ["parent_id"])


def _members() -> None:
    op.create_table(
        "members",
        key("group_id", ID, sa.ForeignKey("groups.id", ondelete="CASCADE")),
        key("user_id", ID, sa.ForeignKey("users.id")),
    )
    op.create_index("ix_members_user_id", "members", ["user_id"])


def _operations() -> None:
    op.create_table(
        "operations",
        key("id", ID),
        needed("kind", WORD),
        needed("dataset_id", ID, sa.ForeignKey("datasets.id")),
        needed("actor_id", ID, sa.ForeignKey("users.id")),
        needed("request_id", TEXT),
        needed("options", JSON),
        needed("state", WORD),
        needed("done", INT),
        needed("total", INT),
        optional("problem", JSON),
        needed("created_at", TIME),
        needed("updated_at", TIME),
        optional("leased_until", TIME),
    )
    op.create_index("ix_operations_dataset_id", "operations", ["dataset_id"])
    op.create_index("ix_operations_state", "operations", ["state"])


def _pushes() -> None:
    op.create_table(
        "pushes",
        key("id", ID),
        needed("dataset_id", ID, sa.ForeignKey("datasets.id")),
        needed("actor_id", ID, sa.ForeignKey("users.id")),
        optional("token_id", ID, sa.ForeignKey("tokens.id")),
        needed("created_at", TIME),
        needed("used_at", TIME),
    )
    op.create_index("ix_pushes_actor_id", "pushes", ["actor_id"])
    op.create_index("ix_pushes_dataset_id", "pushes", ["dataset_id"])
    op.create_index("ix_pushes_token_id", "pushes", ["token_id"])


def _shares() -> None:
    op.create_table(
        "shares",
        key("id", ID),
        needed("dataset_id", ID, sa.ForeignKey("datasets.id")),
        optional("user_id", ID, sa.ForeignKey("users.id")),
        optional("group_id", ID, sa.ForeignKey("groups.id", ondelete="CASCADE")),
        needed("right", WORD),
        needed("since", TIME),
    )
    op.create_index("ix_shares_dataset_id", "shares", ["dataset_id"])
    op.create_index("ix_shares_group_id", "shares", ["group_id"])
    op.create_index("ix_shares_user_id", "shares", ["user_id"])
    op.create_index("shares_group", "shares", ["dataset_id", "group_id"], unique=True)
    op.create_index("shares_user", "shares", ["dataset_id", "user_id"], unique=True)


def _superseded() -> None:
    op.create_table(
        "superseded",
        key("dataset_id", ID, sa.ForeignKey("datasets.id")),
        key("path", PATH),
        key("version", TEXT),
        needed("since", TIME),
    )
    op.create_index("ix_superseded_since", "superseded", ["since"])


def _intents() -> None:
    op.create_table(
        "intents",
        key("id", ID),
        needed("dataset_id", ID, sa.ForeignKey("datasets.id")),
        needed("push_id", ID, sa.ForeignKey("pushes.id")),
        needed("actor_id", ID, sa.ForeignKey("users.id")),
        needed("path", PATH),
        needed("fold", PATH),
        needed("verb", WORD),
        needed("state", WORD),
        needed("size", BIG),
        optional("part_size", BIG),
        optional("base", TEXT),
        needed("force", FLAG),
        optional("crc64nvme", TEXT),
        optional("sha256", TEXT),
        optional("upload", TEXT),
        needed("cleared", FLAG),
        optional("version", TEXT),
        needed("created_at", TIME),
        needed("touched_at", TIME),
    )
    op.create_index(
        "intents_live",
        "intents",
        ["dataset_id", "fold"],
        unique=True,
        sqlite_where=sa.text("state in ('new', 'url', 'completing')"),
        postgresql_where=sa.text("state in ('new', 'url', 'completing')"),
    )
    op.create_index("intents_touched", "intents", ["state", "touched_at"])
    op.create_index("ix_intents_actor_id", "intents", ["actor_id"])
    op.create_index("ix_intents_dataset_id", "intents", ["dataset_id"])
    op.create_index("ix_intents_push_id", "intents", ["push_id"])
