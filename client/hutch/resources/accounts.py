"""Routes of people: the account, its tokens and its groups."""

from urllib.parse import quote
from uuid import UUID

from hutch.connection import Connection
from hutch.contract.wire.accounts import (
    GroupIn,
    GroupList,
    GroupOut,
    LoginIn,
    PasswordIn,
    TokenCreated,
    TokenIn,
    TokenList,
    WhoAmI,
)


class Account:
    """The caller's own account."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def log_in(
        self,
        user: str,
        password: str,
        *,
        token_name: str = "login",  # noqa: S107 - a label, not a secret
    ) -> TokenCreated:
        """Trade a password for a token, and use that token from now on.

        Raises:
            BadCredentialsError: If user and password do not belong together.
            TooManyAttemptsError: After repeated failures; ``retry_after`` in seconds.
        """
        created = self._connection.call(
            "POST",
            "/v1/login",
            TokenCreated,
            body=LoginIn(user=user, password=password, token_name=token_name),
        )
        self._connection.token = created.token
        return created

    def log_out(self) -> None:
        """Revoke the token of this client on the server and forget it."""
        self._connection.send("POST", "/v1/logout")
        self._connection.token = None

    def whoami(self) -> WhoAmI:
        """Ask whom the server takes the caller for."""
        return self._connection.call("GET", "/v1/whoami", WhoAmI)

    def change_password(self, *, old: str, new: str) -> None:
        """Set a new password."""
        self._connection.send(
            "PUT", "/v1/password", body=PasswordIn(old=old, new=new), repeat=False
        )


class Tokens:
    """The caller's tokens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> TokenList:
        """List the caller's tokens, without their text, the newest first."""
        return self._connection.call("GET", "/v1/tokens", TokenList)

    def create(self, wanted: TokenIn) -> TokenCreated:
        """Make a token; its text is in this answer and nowhere else."""
        return self._connection.call("POST", "/v1/tokens", TokenCreated, body=wanted)

    def revoke(self, token: UUID) -> None:
        """End a token; it does not work from the next request on."""
        self._connection.send("DELETE", f"/v1/tokens/{token}")


class Groups:
    """The groups that the caller owns or belongs to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> GroupList:
        """List the groups that the caller owns or belongs to, by name."""
        return self._connection.call("GET", "/v1/groups", GroupList)

    def get(self, name: str) -> GroupOut:
        """Read one group."""
        return self._connection.call("GET", _group(name), GroupOut)

    def create(self, name: str) -> GroupOut:
        """Make a group; the caller owns it and is its first member."""
        return self._connection.call(
            "POST", "/v1/groups", GroupOut, body=GroupIn(name=name)
        )

    def delete(self, name: str) -> None:
        """Delete a group; what was shared with it is shared with it no more."""
        self._connection.send("DELETE", _group(name))

    def add(self, name: str, user: str) -> GroupOut:
        """Add a member."""
        return self._connection.call("PUT", _member(name, user), GroupOut)

    def remove(self, name: str, user: str) -> None:
        """Remove a member."""
        self._connection.send("DELETE", _member(name, user))


def _group(name: str) -> str:
    return f"/v1/groups/{quote(name, safe='')}"


def _member(name: str, user: str) -> str:
    return f"{_group(name)}/members/{quote(user, safe='')}"
