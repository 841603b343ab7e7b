"""Store accounts that people ask for, for tools of theirs.

A dataset has one account that signs its pushes, as before, and any number of these.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_USABLE = "state in ('creating', 'live')"
_SIGNING = f"{_USABLE} and access = 'put'"


def upgrade() -> None:
    """Note for whom an account is, and since when tools may write."""
    op.drop_index("accounts_usable", "accounts")
    with op.batch_alter_table("accounts") as accounts:
        accounts.add_column(
            sa.Column("access", sa.String(length=20), server_default="put")
        )
        accounts.add_column(sa.Column("user_id", sa.Uuid()))
        accounts.add_column(sa.Column("token_id", sa.Uuid()))
    with op.batch_alter_table("accounts") as accounts:
        accounts.alter_column("access", nullable=False, server_default=None)
    _unique("accounts_signing", _SIGNING)
    op.create_index("ix_accounts_user_id", "accounts", ["user_id"])
    op.add_column(
        "datasets", sa.Column("tools_since", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("operations", sa.Column("result", _JSON, nullable=True))


def downgrade() -> None:
    """Forget both; accounts of tools would be taken for those of pushes."""
    op.drop_column("operations", "result")
    op.drop_column("datasets", "tools_since")
    op.drop_index("ix_accounts_user_id", "accounts")
    op.drop_index("accounts_signing", "accounts")
    op.execute("DELETE FROM accounts WHERE access != 'put'")
    with op.batch_alter_table("accounts") as accounts:
        for name in ("access", "user_id", "token_id"):
            accounts.drop_column(name)
    _unique("accounts_usable", _USABLE)


def _unique(name: str, where: str) -> None:
    only = sa.text(where)
    op.create_index(
        name,
        "accounts",
        ["dataset_id"],
        unique=True,
        sqlite_where=only,
        postgresql_where=only,
    )
