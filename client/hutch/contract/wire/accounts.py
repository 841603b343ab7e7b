"""Users, tokens and groups on the wire."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hutch.contract.wire.checks import MAX_LABEL, require_name, require_text


class Role(StrEnum):
    """What a user is to the site. An admin sees and closes nobody's data."""

    USER = "user"
    BEAMLINE = "beamline"
    APPROVER = "approver"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a token may be used for; it only takes away from its user's rights."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"
    CLOSE = "close"
    DELETE = "delete"
    SHARE = "share"
    RUN = "run"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOut:
    """A user as the user themself sees it."""

    id: UUID
    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginIn:
    """Trade a password for a token with every scope.

    Attributes:
        token_name: What the token is called in lists; for its owner only.
    """

    user: str
    password: str = field(repr=False)
    token_name: str = "login"  # noqa: S105 - a label, not a secret

    def __post_init__(self) -> None:
        """Check the values."""
        require_name("user", self.user)
        require_text("token_name", self.token_name, most=MAX_LABEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordIn:
    """Change one's own password."""

    old: str = field(repr=False)
    new: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIn:
    """Ask for a token that can do less than its user.

    Attributes:
        scopes: At least one, none that the asking token lacks.
        datasets: The only datasets it reaches; None means all of its user's.
        expires_at: When it ends; at most a year ahead.
    """

    name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime
    datasets: tuple[UUID, ...] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        require_text("name", self.name, most=MAX_LABEL)
        if not self.scopes:
            raise ValueError("scopes: name at least one")
        if self.expires_at.tzinfo is None:
            raise ValueError("expires_at: has no time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOut:
    """A token as listed: everything but its text."""

    id: UUID
    name: str
    scopes: tuple[Scope, ...]
    datasets: tuple[UUID, ...] | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCreated:
    """The one answer that holds a token's text."""

    token: str = field(repr=False)
    info: TokenOut


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenList:
    """The caller's tokens, the newest first."""

    items: tuple[TokenOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAmI:
    """Who the server takes the caller for."""

    user: UserOut
    token: TokenOut
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupIn:
    """Make a group; the caller owns it and is its first member."""

    name: str

    def __post_init__(self) -> None:
        """Check the values."""
        require_name("name", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOut:
    """A group, visible to its owner and its members."""

    name: str
    owner: str
    members: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupList:
    """The groups that the caller owns or belongs to, by name."""

    items: tuple[GroupOut, ...]
