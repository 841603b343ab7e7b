"""The types that the site knows."""

from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.datasets import TypeList, TypeOut
from hutch_api.domain import types
from hutch_api.domain.access import Actor
from hutch_api.services import access


def list_types(actor: Actor) -> TypeList:
    """List the types by name, then version.

    Raises:
        TokenInsufficientError: The token lacks the scope ``read``.
    """
    access.require_scope(actor, Scope.READ)
    return TypeList(
        items=tuple(
            TypeOut(
                name=found.name,
                version=found.version,
                parent=None if found.parent is None else found.parent.name,
                title=found.title,
                json_schema=dict(found.schema),
            )
            for _, found in sorted(types.TYPES.items())
        )
    )
