"""One index less.

Who sends is asked when somebody loses a right. An index for that was small, and so
PostgreSQL read all of it, the uploads of everybody, to find those near one path.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"

_LIVE = "state in ('new', 'url', 'completing')"


def upgrade() -> None:
    """Drop it."""
    op.drop_index("intents_sending", "intents")


def downgrade() -> None:
    """Make it again."""
    only = sa.text(_LIVE)
    op.create_index(
        "intents_sending",
        "intents",
        ["actor_id"],
        sqlite_where=only,
        postgresql_where=only,
    )
