"""Indexes for what is asked of many rows.

Nearly all intents are done and have left nothing: the indexes of their datasets,
pushes and people grew with every file ever sent, and were of no use for the few that
are asked for. Datasets are listed by time: an index that gives another order has to
be sorted.
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"

_LIVE = "state in ('new', 'url', 'completing')"
_ENDED = "state in ('done', 'aborted')"
_UNCLEARED = "not cleared"
_LISTED = {"owner_id": "datasets_of_owner", "state": "datasets_in_state"}


def upgrade() -> None:
    """Make them."""
    for name in ("actor_id", "dataset_id", "push_id"):
        op.drop_index(f"ix_intents_{name}", "intents")
    op.drop_index("intents_touched", "intents")
    _partial("intents_sending", ["actor_id"], _LIVE)
    _partial("intents_touched", ["state", "touched_at"], _UNCLEARED)
    _partial("intents_ended", ["dataset_id", "path"], f"{_ENDED} and {_UNCLEARED}")
    _partial("intents_multipart", ["dataset_id", "path"], "verb = 'multipart'")
    for column, name in _LISTED.items():
        op.drop_index(f"ix_datasets_{column}", "datasets")
        op.create_index(name, "datasets", [column, "created_at", "id"])


def downgrade() -> None:
    """Go back to those of the first version."""
    for column, name in _LISTED.items():
        op.drop_index(name, "datasets")
        op.create_index(f"ix_datasets_{column}", "datasets", [column])
    for name in (
        "intents_sending",
        "intents_touched",
        "intents_ended",
        "intents_multipart",
    ):
        op.drop_index(name, "intents")
    op.create_index("intents_touched", "intents", ["state", "touched_at"])
    for name in ("actor_id", "dataset_id", "push_id"):
        op.create_index(f"ix_intents_{name}", "intents", [name])


def _partial(name: str, columns: list[str], where: str) -> None:
    only = sa.text(where)
    op.create_index(name, "intents", columns, sqlite_where=only, postgresql_where=only)
