"""The people and machines that log in."""

from uuid import uuid4

from sqlalchemy import func, update
from sqlmodel import col, select

from hutch.contract.problems import (
    BadCredentialsError,
    InvalidInputError,
    NameTakenError,
    NotFoundError,
)
from hutch.contract.wire.accounts import PasswordIn, Role, Scope, UserOut
from hutch.contract.wire.checks import NAME, require_name
from hutch_api.domain.access import Actor
from hutch_api.services import (
    access,
    audit,
    passwords,
    revocation,
    wrong_passwords,
)
from hutch_api.services.work import Site, Work
from hutch_api.store.tables import Token, User


def add_user(work: Work, *, name: str, password: str, role: Role) -> UserOut:
    """Add a user; a command of the administrator.

    Names that differ only in case would be taken for each other by people, so the
    second one is refused.

    Raises:
        InvalidInputError: If name or password is not allowed.
        NameTakenError: If there is such a user, disabled ones included.
    """
    try:
        require_name("name", name)
    except ValueError as error:
        raise InvalidInputError(str(error), field="name") from error
    taken = select(User.name).where(func.lower(User.name) == name.lower())
    if (other := work.session.exec(taken).first()) is not None:
        raise NameTakenError(f"there is a user {other} already", name=other)
    row = User(
        id=uuid4(),
        name=name,
        password=passwords.hash_password(password),
        role=role,
        created_at=work.now,
    )
    work.session.add(row)
    audit.record(work, None, "add-user", user=name, role=role)
    work.session.flush()
    return user_out(row)


def list_users(work: Work) -> list[tuple[UserOut, bool]]:
    """List all users by name, each with whether they are disabled."""
    rows = work.session.exec(select(User).order_by(User.name)).all()
    return [(user_out(row), row.disabled_at is not None) for row in rows]


def disable_user(work: Work, name: str) -> None:
    """Refuse a user from the next request on, and end all their tokens.

    Their datasets stay; an administrator may give these to somebody. Enabling the
    user again does not bring the tokens back: one of them may be why they were
    disabled.

    Raises:
        NotFoundError: There is no such user.
    """
    row = _any_user(work, name)
    if row.disabled_at is not None:
        return
    row.disabled_at = work.now
    work.session.add(row)
    work.session.exec(
        update(Token)
        .where(col(Token.user_id) == row.id, col(Token.revoked_at).is_(None))
        .values(revoked_at=work.now)
    )
    audit.record(work, None, "disable-user", user=name)
    revocation.user_disabled(work, user=row.id)


def enable_user(work: Work, name: str) -> None:
    """Let a disabled user log in again.

    Raises:
        NotFoundError: There is no such user.
    """
    row = _any_user(work, name)
    if row.disabled_at is None:
        return
    row.disabled_at = None
    work.session.add(row)
    audit.record(work, None, "enable-user", user=name)


def set_password(work: Work, *, name: str, password: str) -> None:
    """Give a user a new password; a command of the administrator.

    Raises:
        NotFoundError: There is no such user.
        InvalidInputError: If the password is not allowed.
    """
    row = _any_user(work, name)
    row.password = passwords.hash_password(password)
    work.session.add(row)
    wrong_passwords.forget(work, name)
    audit.record(work, None, "set-password", user=name)


def set_role(work: Work, *, name: str, role: Role) -> None:
    """Give a user another role, disabled ones included; it counts from now on.

    Their tokens stay good: each request is made in the role that its user has by
    then. No upload ends either, since a role gives no right on any dataset; what a
    beamline account may write to is said by shares.

    Raises:
        NotFoundError: There is no such user.
    """
    row = _any_user(work, name)
    if row.role is role:
        return
    audit.record(work, None, "set-role", user=name, role=role, before=row.role)
    row.role = role
    work.session.add(row)


def change_password(site: Site, actor: Actor, wanted: PasswordIn) -> None:
    """Change one's own password; tokens stay good.

    Wrong old passwords count like failed logins: a stolen token must not become a
    way to guess the password.

    Raises:
        TokenInsufficientError: The token lacks the scope ``account``.
        TooManyAttemptsError: Too many wrong passwords in a row.
        BadCredentialsError: The old password is wrong.
        InvalidInputError: The new one is not allowed.
    """
    access.require_scope(actor, Scope.ACCOUNT)
    with site.begin() as work:
        wrong_passwords.require_patience(work, actor.name)
        stored = work.session.get_one(User, actor.user).password
    if not passwords.fits(wanted.old, stored):
        with site.begin() as work:
            wrong_passwords.count(work, actor.name)
        raise BadCredentialsError("the old password is wrong", field="old")
    fresh = passwords.hash_password(wanted.new)
    with site.begin() as work:
        row = work.session.get_one(User, actor.user)
        row.password = fresh
        work.session.add(row)
        wrong_passwords.forget(work, actor.name)
        audit.record(work, actor, "change-password")


def named(work: Work, name: str) -> User:
    """Fetch a user who may be given something.

    Raises:
        NotFoundError: There is none, or they are disabled.
    """
    query = select(User).where(User.name == name, col(User.disabled_at).is_(None))
    row = work.session.exec(query).first() if NAME.fullmatch(name) else None
    if row is None:
        raise NotFoundError(f"there is no user {name[:100]}", user=name)
    return row


def user_out(row: User) -> UserOut:
    """Render a user."""
    return UserOut(
        id=row.id, name=row.name, role=Role(row.role), created_at=row.created_at
    )


def _any_user(work: Work, name: str) -> User:
    # What refers to the user, as commits of theirs do, need not wait for this.
    query = select(User).where(User.name == name).with_for_update(key_share=True)
    row = work.session.exec(query).first()
    if row is None:
        raise NotFoundError(f"there is no user {name[:100]}", user=name)
    return row
