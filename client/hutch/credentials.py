"""Tokens of this user, kept in their home, one for each server.

``$XDG_CONFIG_HOME/hutch/credentials.json`` (``~/.config`` by default), readable by
its owner alone, replaced as a whole. Never in a working directory, which is shared
and copied. The environment wins: ``HUTCH_URL`` and ``HUTCH_TOKEN``.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hutch.errors import ClientError, NotLoggedInError

FORMAT: Final = 1
_PRIVATE: Final = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What is needed to speak with a server.

    Attributes:
        url: Address of the server, without a slash at its end.
        token: Token text.
        user: Whose it is; None if it comes from the environment.
        insecure: Plain http beyond this machine was allowed at login.
    """

    url: str
    token: str = field(repr=False)
    user: str | None = None
    insecure: bool = False


def location(environ: Mapping[str, str] = os.environ) -> Path:
    """Say where the tokens are kept."""
    home = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "hutch" / "credentials.json"


def find(
    url: str | None = None, *, environ: Mapping[str, str] = os.environ
) -> Credential:
    """Find the credential for a server.

    Args:
        url: The server that a working directory or an option names; None means
            ``HUTCH_URL``, or the one that was logged in to last.
        environ: Where the variables are looked up.

    Raises:
        NotLoggedInError: If there is none.
    """
    wanted = (url or environ.get("HUTCH_URL") or "").rstrip("/")
    kept, last = _read(environ)
    if not wanted:
        wanted = last or ""
    token = environ.get("HUTCH_TOKEN")
    # A token of the environment goes to the server of the environment only: a
    # working directory that somebody else made must not draw it elsewhere.
    if token and wanted and environ.get("HUTCH_URL", "").rstrip("/") == wanted:
        insecure = wanted in kept and kept[wanted].insecure
        return Credential(url=wanted, token=token, insecure=insecure)
    if wanted in kept:
        return kept[wanted]
    if token and not environ.get("HUTCH_URL"):
        raise NotLoggedInError(
            "HUTCH_TOKEN is set, but HUTCH_URL does not say for which server. Set "
            "both.",
            url=wanted,
        )
    raise NotLoggedInError(
        f"You are not logged in to {wanted}. Run 'hutch login {wanted} --user NAME'."
        if wanted
        else "You are not logged in. Run 'hutch login URL --user NAME'.",
        url=wanted,
    )


def keep(credential: Credential, *, environ: Mapping[str, str] = os.environ) -> None:
    """Keep a credential; this server is then the one logged in to last."""
    kept, _ = _read(environ)
    kept[credential.url] = credential
    _write(kept, credential.url, environ)


def forget(url: str, *, environ: Mapping[str, str] = os.environ) -> None:
    """Forget the credential for a server; none is no error."""
    kept, last = _read(environ)
    kept.pop(url.rstrip("/"), None)
    _write(kept, last if last in kept else next(iter(kept), None), environ)


def _read(environ: Mapping[str, str]) -> tuple[dict[str, Credential], str | None]:
    path = location(environ)
    try:
        held: dict[str, Any] = json.loads(path.read_bytes())
        kept = {
            url: Credential(
                url=url,
                token=row["token"],
                user=row.get("user"),
                insecure=bool(row.get("insecure")),
            )
            for url, row in held["servers"].items()
        }
        return kept, held.get("last")
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise ClientError(
            f"{path} cannot be read ({type(e).__name__}). Move it away and log in "
            "again."
        ) from e


def _write(
    kept: Mapping[str, Credential], last: str | None, environ: Mapping[str, str]
) -> None:
    path = location(environ)
    held = {
        "format": FORMAT,
        "last": last,
        "servers": {
            c.url: {"token": c.token, "user": c.user, "insecure": c.insecure}
            for c in kept.values()
        },
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        _replace(path, json.dumps(held, indent=1))
    except OSError as e:
        raise ClientError(
            f"{path} cannot be written: {e.strerror}. Make it writable or make room, "
            "then run this again; or set HUTCH_URL and HUTCH_TOKEN."
        ) from e


def _replace(path: Path, text: str) -> None:
    # mkstemp makes it 0600 from the start: there is no moment at which others read.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".credentials-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - os.replace names both by text
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
