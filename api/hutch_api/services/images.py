"""Container images: what somebody trusted has approved may be run."""

from collections.abc import Collection
from uuid import UUID, uuid4

from sqlmodel import col, select

from hutch.contract.problems import ConflictError, ForbiddenError, NotFoundError
from hutch.contract.wire.accounts import Role, Scope
from hutch.contract.wire.definitions import ImageIn, ImageList, ImageOut
from hutch_api.domain.access import Actor
from hutch_api.services import access, audit
from hutch_api.services.work import Work
from hutch_api.store.conflicts import written
from hutch_api.store.run_tables import Image
from hutch_api.store.tables import User

_APPROVERS = frozenset({Role.APPROVER, Role.ADMIN})
_MOST_LISTED = 1_000


def approve_image(work: Work, actor: Actor, wanted: ImageIn) -> ImageOut:
    """Approve an image; again gives the approval that there is.

    Raises:
        TokenInsufficientError: The token lacks the scope ``run``, or reaches certain
            datasets only.
        ForbiddenError: The actor is neither approver nor administrator.
        ConflictError: Somebody approves it at the same time.
    """
    _require_approver(actor)
    row = find_approval(work, wanted.image)
    if row is None:
        row = Image(
            id=uuid4(),
            image=wanted.image,
            note=wanted.note,
            by_id=actor.user,
            approved_at=work.now,
        )
        if not written(work.session, row, "image"):
            raise ConflictError(
                f"somebody approves {wanted.image} at this moment; look at it"
            )
        audit.record(work, actor, "approve-image", image=wanted.image)
    return _image_out(row, work.session.get_one(User, row.by_id).name)


def revoke_image(work: Work, actor: Actor, image: UUID) -> None:
    """Take an approval back: no run of it begins any more; again is fine.

    Raises:
        TokenInsufficientError: The token lacks the scope ``run``, or reaches certain
            datasets only.
        ForbiddenError: The actor is neither approver nor administrator.
        NotFoundError: There is no such approval.
    """
    _require_approver(actor)
    row = work.session.get(Image, image, with_for_update=True)
    if row is None:
        raise NotFoundError(f"there is no approved image {image}", image=str(image))
    if row.revoked_at is None:
        row.revoked_at = work.now
        audit.record(work, actor, "revoke-image", image=row.image)


def list_images(work: Work, actor: Actor) -> ImageList:
    """List the images that are approved, the newest first."""
    access.require_scope(actor, Scope.READ)
    rows = work.session.exec(
        select(Image, User.name)
        .join(User, col(User.id) == col(Image.by_id))
        .where(col(Image.revoked_at).is_(None))
        .order_by(col(Image.approved_at).desc(), col(Image.id))
        .limit(_MOST_LISTED)
    ).all()
    return ImageList(items=tuple(_image_out(row, by) for row, by in rows))


def find_approval(work: Work, image: str) -> Image | None:
    """Find the approval of an image that holds now."""
    return work.session.exec(
        select(Image).where(Image.image == image, col(Image.revoked_at).is_(None))
    ).first()


def approved_among(work: Work, wanted: Collection[str]) -> set[str]:
    """Tell which of some images are approved now."""
    query = select(Image.image).where(
        col(Image.image).in_(wanted), col(Image.revoked_at).is_(None)
    )
    return set(work.session.exec(query).all())


def _require_approver(actor: Actor) -> None:
    access.require_run_scope(actor)
    if actor.role not in _APPROVERS:
        raise ForbiddenError(
            "only an approver or an administrator approves container images; ask one"
        )


def _image_out(row: Image, by: str) -> ImageOut:
    return ImageOut(
        id=row.id,
        image=row.image,
        note=row.note,
        by=by,
        approved_at=row.approved_at,
        revoked_at=row.revoked_at,
    )
