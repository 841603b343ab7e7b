"""The record in the meta bucket that says whose buckets these are.

A restored database or a test server on production's bucket is found by it, before a
sweep could take somebody's data for foreign.
"""

import json
from uuid import UUID


def encode(instance: UUID) -> bytes:
    """Write the record."""
    return json.dumps({"instance": str(instance)}).encode() + b"\n"


def decode(record: bytes) -> UUID:
    """Read the record.

    Raises:
        ValueError: If it is not one.
    """
    try:
        return UUID(json.loads(record)["instance"])
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ValueError("it does not hold the id of an installation") from None
