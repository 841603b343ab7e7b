"""The record of changes: one row per request, in the change's transaction."""

from typing import Any
from uuid import UUID

from hutch_api.domain.access import Actor
from hutch_api.services.work import Work
from hutch_api.store.tables import Audit


def record(
    work: Work,
    actor: Actor | None,
    action: str,
    dataset: UUID | None = None,
    **facts: Any,
) -> None:
    """Note a change; ``facts`` hold names, ids and counts, never a secret or URL.

    Args:
        work: The transaction that makes the change.
        actor: Who makes it; None means the server itself (sweeps, expiry).
        action: Verb in kebab-case, such as ``push`` or ``share``.
        dataset: The dataset that changes, if one does.
        facts: What a reader of the log needs to understand it.
    """
    work.session.add(
        Audit(
            at=work.now,
            actor_id=actor.user if actor else None,
            token_id=actor.token if actor else None,
            action=action,
            dataset_id=dataset,
            facts=facts,
            request_id=actor.request_id if actor else "server",
        )
    )
