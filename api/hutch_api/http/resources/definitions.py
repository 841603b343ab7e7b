"""Definitions of programs, and the images that they may run in."""

from http import HTTPStatus
from typing import Any, Final

from hutch.contract import problems as errors
from hutch.contract.wire.accounts import Scope
from hutch.contract.wire.definitions import (
    DefinitionIn,
    DefinitionList,
    DefinitionOut,
    ImageIn,
    ImageList,
    ImageOut,
)
from hutch_api.http.endpoints import Answer, Call, Endpoint
from hutch_api.http.resources.queries import DefinitionQuery
from hutch_api.services import definitions, images


def list_definitions(call: Call[None, None]) -> Answer:
    """List definitions that are not retired, by name, in their newest version."""
    with call.site.look() as work:
        return Answer(definitions.list_definitions(work, call.actor))


def add_definition(call: Call[DefinitionIn, None]) -> Answer:
    """Register a program in a container; under a name of one's own the next version.

    What the newest version says already is not added again.
    """
    with call.site.begin() as work:
        return Answer(definitions.add_definition(work, call.actor, call.body))


def get_definition(call: Call[None, DefinitionQuery]) -> Answer:
    """Tell about a definition."""
    name, version = call.text("definition"), call.query.version
    with call.site.look() as work:
        return Answer(definitions.get_definition(work, call.actor, name, version))


def retire_definition(call: Call[None, None]) -> Answer:
    """Let a definition start no more runs; what has run keeps its record."""
    with call.site.begin() as work:
        definitions.retire_definition(work, call.actor, call.text("definition"))
    return Answer()


def list_images(call: Call[None, None]) -> Answer:
    """List the container images that are approved."""
    with call.site.look() as work:
        return Answer(images.list_images(work, call.actor))


def approve_image(call: Call[ImageIn, None]) -> Answer:
    """Approve a container image, as approver or administrator."""
    with call.site.begin() as work:
        return Answer(images.approve_image(work, call.actor, call.body))


def revoke_image(call: Call[None, None]) -> Answer:
    """Take the approval of an image back; runs that have begun go on."""
    with call.site.begin() as work:
        images.revoke_image(work, call.actor, call.id("image"))
    return Answer()


_EXAMPLE: Final = {
    "name": "sinogram",
    "image": f"sha256:{'0' * 64}",
    "argv": ["python3", "/opt/tomo/sinogram.py"],
    "inputs": {"scan": {"type": "scan.tomo"}},
    "output": {"type": "sinogram"},
}

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="GET",
        path="/v1/definitions",
        handler=list_definitions,
        answers={HTTPStatus.OK: DefinitionList},
        scope=Scope.READ,
    ),
    Endpoint(
        method="POST",
        path="/v1/definitions",
        handler=add_definition,
        body=DefinitionIn,
        answers={HTTPStatus.CREATED: DefinitionOut},
        scope=Scope.RUN,
        problems=(errors.NameTakenError, errors.ConflictError),
        example=_EXAMPLE,
    ),
    Endpoint(
        method="GET",
        path="/v1/definitions/{definition}",
        handler=get_definition,
        query=DefinitionQuery,
        answers={HTTPStatus.OK: DefinitionOut},
        scope=Scope.READ,
        problems=(errors.NotFoundError,),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/definitions/{definition}",
        handler=retire_definition,
        answers={HTTPStatus.NO_CONTENT: None},
        scope=Scope.RUN,
        problems=(errors.NotFoundError, errors.ForbiddenError),
    ),
    Endpoint(
        method="GET",
        path="/v1/images",
        handler=list_images,
        answers={HTTPStatus.OK: ImageList},
        scope=Scope.READ,
    ),
    Endpoint(
        method="POST",
        path="/v1/images",
        handler=approve_image,
        body=ImageIn,
        answers={HTTPStatus.CREATED: ImageOut},
        scope=Scope.RUN,
        problems=(errors.ForbiddenError, errors.ConflictError),
        example={"image": f"sha256:{'0' * 64}", "note": "reconstruction 1.2"},
    ),
    Endpoint(
        method="DELETE",
        path="/v1/images/{image}",
        handler=revoke_image,
        answers={HTTPStatus.NO_CONTENT: None},
        scope=Scope.RUN,
        problems=(errors.NotFoundError, errors.ForbiddenError),
    ),
)
