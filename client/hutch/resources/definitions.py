"""Routes of definitions, and of the images that their programs run in."""

from urllib.parse import quote
from uuid import UUID

from hutch.connection import Connection
from hutch.contract.wire.definitions import (
    DefinitionIn,
    DefinitionList,
    DefinitionOut,
    ImageIn,
    ImageList,
    ImageOut,
)


class Definitions:
    """Programs in containers that make datasets from datasets."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, wanted: DefinitionIn) -> DefinitionOut:
        """Register a program; under a name of one's own as the next version.

        What the newest version says already is given as it is.

        Raises:
            NameTakenError: If the name belongs to somebody else.
        """
        return self._connection.call(
            "POST", "/v1/definitions", DefinitionOut, body=wanted, repeat=True
        )

    def list(self) -> DefinitionList:
        """List those that are not retired, by name, in their newest version."""
        return self._connection.call("GET", "/v1/definitions", DefinitionList)

    def get(self, name: str, version: int | None = None) -> DefinitionOut:
        """Read a definition.

        Args:
            name: Its name.
            version: None means the newest.
        """
        return self._connection.call(
            "GET", _definition(name), DefinitionOut, query={"version": version}
        )

    def address(self, name: str, version: int) -> str:
        """Say under which address of the server a version can be read, for good."""
        return f"{self._connection.url}{_definition(name)}?version={version}"

    def retire(self, name: str) -> None:
        """Let a definition start no more runs, in all of its versions."""
        self._connection.send("DELETE", _definition(name))


class Images:
    """Container images that somebody trusted has approved."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def approve(self, image: str, *, note: str = "") -> ImageOut:
        """Approve an image; again gives the approval that there is.

        Args:
            image: By digest (``registry/name@sha256:…``) or by id (``sha256:…``).
            note: What it is, for people.

        Raises:
            ForbiddenError: If the caller is neither approver nor administrator.
        """
        return self._connection.call(
            "POST",
            "/v1/images",
            ImageOut,
            body=ImageIn(image=image, note=note),
            repeat=True,
        )

    def list(self) -> ImageList:
        """List those that are approved, the newest approval first."""
        return self._connection.call("GET", "/v1/images", ImageList)

    def revoke(self, image: UUID) -> None:
        """Take an approval back; runs that have begun go on."""
        self._connection.send("DELETE", f"/v1/images/{image}")


def split_label(text: str) -> tuple[str, int | None]:
    """Cut ``name`` or ``name@version`` into name and version.

    Raises:
        ValueError: If the version is no number from 1 on.
    """
    name, at, number = text.partition("@")
    if not at:
        return name, None
    if not (number.isascii() and number.isdecimal() and int(number) > 0):
        raise ValueError(f"definition: {text[:100]!r} is not NAME or NAME@VERSION")
    return name, int(number)


def _definition(name: str) -> str:
    return f"/v1/definitions/{quote(name, safe='')}"
