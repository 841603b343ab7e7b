"""Routes of rules, which begin runs when datasets close."""

from uuid import UUID

from hutch.connection import Connection
from hutch.contract.wire.rules import RuleIn, RuleList, RuleOut


class Rules:
    """What is run by itself when datasets close."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, wanted: RuleIn) -> RuleOut:
        """Make a rule; it acts as the caller, on what closes from now on.

        Raises:
            NameTakenError: If the caller has a rule of this name.
            InvalidInputError: If it does not fit its definition.
        """
        return self._connection.call("POST", "/v1/rules", RuleOut, body=wanted)

    def list(self) -> RuleList:
        """List the caller's rules, by name."""
        return self._connection.call("GET", "/v1/rules", RuleList)

    def end(self, rule: UUID) -> None:
        """End a rule; runs that it has begun go on."""
        self._connection.send("DELETE", f"/v1/rules/{rule}")
