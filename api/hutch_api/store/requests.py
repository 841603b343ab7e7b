"""What came before: wrong passwords, and requests that may be sent again."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from hutch_api.store.columns import UtcDateTime


class LoginFailure(SQLModel, table=True):
    """Wrong passwords in a row for a name, whether or not such a user exists."""

    __tablename__ = "login_failures"

    name: str = Field(primary_key=True)
    count: int
    since: datetime = Field(sa_type=UtcDateTime)
    last: datetime = Field(sa_type=UtcDateTime)


class Idempotency(SQLModel, table=True):
    """What a keyed request made, so that sending it again makes nothing more."""

    __tablename__ = "idempotency"

    user_id: UUID = Field(foreign_key="users.id", primary_key=True)
    key: str = Field(primary_key=True)
    route: str
    request: str
    resource: str
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)
