"""Datasets as a file system for fsspec."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from os import PathLike, getpid
from typing import Any, NoReturn
from uuid import UUID

from fsspec import AbstractFileSystem

from hutch.contract.parts import MIB
from hutch.contract.problems import HutchError, UnauthenticatedError
from hutch.contract.wire.transfer import FileOut
from hutch.fs import entries, failures
from hutch.fs.entries import Info
from hutch.fs.failures import told
from hutch.fs.file import HutchFile
from hutch.fs.gathering import Wanted, gather
from hutch.fs.places import Place
from hutch.fs.reading import Span
from hutch.fs.session import OPEN_S, Session, Token


class HutchFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Datasets to be read: ``hutch://owner/name/path``.

    A path names what the dataset holds now. What is known of an open dataset is
    believed for ``listings_expiry_time`` seconds; of a closed one for good.

    Args:
        url: Address of the server; None means ``HUTCH_URL``, or the server that was
            logged in to last.
        token: Token of the caller, together with ``url``; None means ``HUTCH_TOKEN``,
            or the one that ``hutch login`` has kept. Only a token that is given here
            travels to other processes.
        insecure: Allow plain http beyond this machine.
        more: As fsspec has them, such as ``use_listings_cache=False``.

    Raises:
        ValueError: If a token is given without the server that it is for.
    """

    protocol = "hutch"
    root_marker = ""
    blocksize: int = 64 * MIB
    """What ``get`` reads at a time, by several requests."""

    def __init__(
        self,
        *,
        url: str | None = None,
        token: str | None = None,
        insecure: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        if token is not None and url is None:
            raise ValueError("a token is for one server: give its url= too")
        asked = self.dircache.listings_expiry_time
        open_s = OPEN_S if asked is None else float(asked)
        if not self.dircache.use_listings_cache:
            open_s = 0.0
        self._begin: Callable[[], Session] = lambda: Session.begin(
            url, token, insecure=insecure, open_s=open_s
        )
        self._session: Session | None = None

    @property
    def storage_options(self) -> dict[str, Any]:
        """What it was made with; shown, the token is only a mark."""
        return self._options

    @storage_options.setter
    def storage_options(self, given: Mapping[str, Any]) -> None:
        # fsspec sets it once the instance is made, and pickles it.
        self._options = dict(given)
        if self._options.get("token") is not None:
            self._options["token"] = Token(self._options["token"])

    def to_dict(self, *, include_password: bool = True) -> Info:
        """Describe it without the token: who makes it again brings their own."""
        made: Info = super().to_dict(include_password=include_password)
        made.pop("token", None)
        return made

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        return stripped if isinstance(stripped, list) else stripped.lstrip("/")

    # --- what there is

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        """List what lies directly in a directory, in the order of names.

        Args:
            path: A directory, a dataset, an owner, or nothing for all owners.
            detail: Give what ``info`` gives; otherwise names.
            kwargs: ``refresh=True`` asks for everything anew.

        Raises:
            FileNotFoundError: If it is not there, or not for this caller.
            PermissionError: If the token is missing or does not allow it.
        """
        path = self._strip_protocol(path)
        with self._asking(path) as session:
            if kwargs.get("refresh"):
                session.catalogue.forget()
            found = list(entries.directly_in(session.catalogue, Place.parse(path)))
        return found if detail else [info["name"] for info in found]

    def info(self, path: str, **_kwargs: Any) -> Info:
        """Tell about a file or a directory.

        Raises:
            FileNotFoundError: If it is not there, or not for this caller.
            PermissionError: If the token is missing or does not allow it.
        """
        path = self._strip_protocol(path)
        with self._asking(path) as session:
            return entries.look(session.catalogue, Place.parse(path))

    def exists(self, path: str, **_kwargs: Any) -> bool:
        """Tell whether a path is there; what keeps it from being asked is raised."""
        return self._kind(path) is not None

    def isfile(self, path: str) -> bool:
        """Tell whether a path is a file; what keeps it from being asked is raised."""
        return self._kind(path) == "file"

    def isdir(self, path: str) -> bool:
        """Tell whether a path is a directory; errors are raised likewise."""
        return self._kind(path) == "directory"

    def walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: Any = "omit",
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Walk directories; an expired token is raised and not taken for emptiness."""
        on_error = _only_absent if on_error == "omit" else on_error
        yield from super().walk(path, maxdepth, topdown, on_error, **kwargs)

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **kwargs: Any,
    ) -> Any:
        """List all files below a path, in one walk through the dataset's pages."""
        path = self._strip_protocol(path)
        if maxdepth is not None or path.count("/") == 0:
            return super().find(path, maxdepth, withdirs, detail, **kwargs)
        try:
            with self._asking(path) as session:
                place = Place.parse(path)
                found = entries.below(session.catalogue, place, withdirs=withdirs)
        except FileNotFoundError:
            found = {}
        return dict(sorted(found.items())) if detail else sorted(found)

    def modified(self, path: str) -> datetime:
        """Tell when a file came into the dataset."""
        at: datetime = self.info(path)["committed_at"]
        return at

    def invalidate_cache(self, path: str | None = None) -> None:
        """Ask for everything anew."""
        if self._session is not None:
            self._session.catalogue.forget()
        super().invalidate_cache(path)

    # --- what it holds

    def cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        **_kwargs: Any,
    ) -> bytes:
        """Read bytes of a file, chosen as a slice does; a whole file is checked.

        Raises:
            FileNotFoundError: If it is not there, or not for this caller.
            IsADirectoryError: If it is a directory.
            PermissionError: If the token is missing or does not allow it.
        """
        data: bytes
        [data] = self.cat_ranges([path], [start], [end], on_error="raise")
        return data

    def cat_ranges(
        self,
        paths: Sequence[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **_kwargs: Any,
    ) -> list[Any]:
        """Read bytes of many files: signed in one call a dataset, several at a time.

        Args:
            paths: Files, any of them several times.
            starts: First byte of each, from the end if negative; or one for all.
            ends: First byte of each that is not wanted, likewise.
            max_gap: Makes no difference: each is a request of its own.
            on_error: ``return`` puts errors where bytes would be, ``raise`` raises.

        Raises:
            PermissionError: If there is no token.
        """
        del max_gap
        given = [
            list(one) if isinstance(one, Iterable) else [one] * len(paths)
            for one in (starts, ends)
        ]
        wanted = [
            Wanted(self._strip_protocol(path), start, end)
            for path, start, end in zip(paths, *given, strict=True)
        ]
        with self._asking(wanted[0].path if len(wanted) == 1 else "") as session:
            got = gather(session, wanted)
            for data in got:
                if isinstance(cause := getattr(data, "__cause__", data), HutchError):
                    self._note(cause, session)
        for data in got:
            if on_error == "raise" and isinstance(data, Exception):
                raise data
        return got

    def cat(
        self,
        path: Any,
        recursive: bool = False,
        on_error: str = "raise",
        **kwargs: Any,
    ) -> Any:
        """Read files as a whole, several at a time; one alone is given alone."""
        found = self.expand_path(path, recursive=recursive)
        if isinstance(path, str | PathLike) and found == [self._strip_protocol(path)]:
            return self.cat_file(found[0], **kwargs)
        if recursive:
            found = [one for one in found if not self.isdir(one)]
        how = "raise" if on_error == "raise" else "return"
        start, end = kwargs.get("start"), kwargs.get("end")
        got = zip(found, self.cat_ranges(found, start, end, on_error=how), strict=True)
        return {
            name: data
            for name, data in got
            if on_error == "return" or isinstance(data, bytes)
        }

    def read_pinned(
        self, path: str, dataset: UUID, pinned: FileOut, start: int, end: int
    ) -> bytes:
        """Read bytes of the version that an open file stays with.

        Raises:
            FileChangedError: If the dataset has another one by now.
        """
        with self._asking(path) as session:
            first = min(start, pinned.size)
            part = Span(
                session.catalogue.dataset(dataset),
                pinned,
                first,
                max(first, min(end, pinned.size)),
            )
            [data] = session.reader.read([part])
            if isinstance(data, HutchError):
                raise data
            return data

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> HutchFile:
        del autocommit  # nothing is written
        if mode != "rb":
            raise failures.read_only(path)
        with self._asking(path) as session:
            place = Place.parse(path)
            file = None
            if place.path:
                _, dataset = session.catalogue.find(place)
                file = dataset.listing.find([place.path])[place.path]
            if file is None:
                self.info(path)
                raise failures.is_directory(path)
        return HutchFile(
            self,
            path,
            dataset=dataset.id,
            pinned=file,
            block_size=block_size,
            cache_options=cache_options,
            **kwargs,
        )

    # --- what it does not do

    def _refuse(self, path: Any = "", *_args: Any, **_kwargs: Any) -> NoReturn:
        """Change nothing: ``hutch://`` is read-only.

        Raises:
            OSError: Always.
        """
        raise failures.read_only(str(path))

    mkdir = makedirs = rmdir = rm = rm_file = _rm = cp_file = copy = mv = _refuse
    pipe = pipe_file = put = put_file = touch = write_text = _refuse

    # --- how

    @contextmanager
    def _asking(self, path: str) -> Iterator[Session]:
        """Lend a session of this process, and raise what file systems raise."""
        with told(path):
            session = self._session
            if session is None or session.pid != getpid():
                # Two threads may both come here: one of the sessions soon goes.
                session = self._session = self._begin()
            try:
                yield session
            except HutchError as e:
                self._note(e, session)
                raise

    def _note(self, error: HutchError, session: Session) -> None:
        """Let the next call look for another token, if this one is not taken."""
        if isinstance(error, UnauthenticatedError) and self._session is session:
            self._session = None

    def _kind(self, path: str) -> str | None:
        try:
            kind: str = self.info(path)["type"]
        except FileNotFoundError:
            return None
        return kind


def _only_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
