"""Definitions as people write them: TOML files, and images by digest or id."""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import msgspec

from hutch.cli.screen import UsageError
from hutch.contract.wire.definitions import (
    IMAGE,
    DefinitionIn,
    InputType,
    OutputType,
    Resources,
)

_HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def read_recipe(file: Path, image: str | None) -> DefinitionIn:
    """Read a definition from a TOML file.

    Args:
        file: The file.
        image: The image to use instead of the file's; None means the file's.

    Raises:
        OSError: If the file cannot be read.
        UsageError: If it is no definition, or its image is named by a tag.
    """
    try:
        written = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{file} is not TOML: {error}") from None
    _require_known(file, written)
    named = image or written.get("image")
    if not isinstance(named, str):
        raise UsageError(f"{file} names no image; say image = '…' there, or --image")
    written["image"] = read_image(named, file=file)
    resources = written.get("resources")
    if isinstance(resources, dict) and "retries" in resources:
        written["retries"] = resources.pop("retries")
    try:
        return msgspec.convert(written, DefinitionIn)
    except msgspec.ValidationError as error:
        raise UsageError(f"{file}: {error}") from None


def read_image(text: str, *, file: Path | None = None) -> str:
    """Read the name of an image; an id may lack its ``sha256:``.

    Args:
        text: As it was typed, or as it stands in a file.
        file: The file; None means that it was typed.

    Raises:
        UsageError: If it does not say which bytes are meant.
    """
    image = f"sha256:{text}" if _HEX.fullmatch(text) else text
    if IMAGE.fullmatch(image):
        return image
    where, then = (
        (f"{file}: ", "; then give it by --image sha256:…")
        if file is not None
        else ("", ", and give that: sha256:…")
    )
    raise UsageError(
        f"{where}the image {text[:200]!r} is named by a tag or in part, under which "
        "other bytes may lie tomorrow. Ask for its id by "
        f"podman inspect --format '{{{{.Id}}}}' {text[:200]}{then}"
    )


def _require_known(file: Path, written: Mapping[str, Any]) -> None:
    """Refuse words that nobody would read: one may be misspelt."""
    _require(file, "", written, _names(DefinitionIn))
    _require(file, "output.", written.get("output"), _names(OutputType))
    known = {*_names(Resources), "retries"}
    _require(file, "resources.", written.get("resources"), known)
    inputs = written.get("inputs")
    for name, given in inputs.items() if isinstance(inputs, dict) else ():
        _require(file, f"inputs.{name}.", given, _names(InputType))


def _require(file: Path, place: str, table: Any, known: Collection[str]) -> None:
    unknown = sorted(set(table) - set(known)) if isinstance(table, dict) else []
    if unknown:
        raise UsageError(
            f"{file}: {place}{unknown[0]} is not a part of a definition; known here "
            f"are {', '.join(sorted(known))}"
        )


def _names(kind: Any) -> set[str]:
    return {field.name for field in fields(kind)}
