"""The errors of the client: those that never travel.

The errors of the server arrive as the classes of ``hutch.contract.problems``; both
kinds come from ``HutchError``, so that one ``except`` is enough::

    HutchError
    ├── … the server's: NotFoundError, ForbiddenError, DatasetClosedError, …
    └── ClientError
        ├── ServerUnavailableError    nobody answers, or asks for patience too long
        ├── ServerAnswerError         something answers that is not hutch
        ├── InsecureUrlError          plain http beyond this machine
        ├── NotLoggedInError          no token for this server
        ├── AmbiguousError            the words fit several datasets
        ├── ExtraMissingError         an optional library is not installed
        ├── WorkdirError              the working directory is unfit for this
        │   ├── NoWorkdirError            there is none
        │   └── WorkdirBusyError          another process works in it
        ├── LocalFileError            a file cannot travel
        │   ├── UnsupportedFileError      a symlink, a device, a forbidden name
        │   ├── UnreadableFileError       the file or directory cannot be read
        │   ├── FileChangingError         it changes while it is pushed
        │   ├── FileOpenError             somebody has it open for writing
        │   └── LocalChangesError         it was changed here; nothing overwrites it
        ├── TransferError             the store refused a file again and again
        └── CorruptDataError          bytes or names are not what they should be
"""

from hutch.contract.problems import (
    AttemptEndedError,
    BadCredentialsError,
    CloseRefusedError,
    ConflictError,
    DatabaseUnavailableError,
    DatasetBusyError,
    DatasetClosedError,
    DatasetOpenError,
    DefinitionRetiredError,
    DeletedError,
    FileChangedError,
    ForbiddenError,
    HutchError,
    IdempotencyError,
    ImageUnapprovedError,
    InternalError,
    InUseError,
    InvalidInputError,
    MalformedError,
    NameTakenError,
    NotFoundError,
    ParentOpenError,
    PathBusyError,
    PathClashError,
    PathInvalidError,
    PreconditionFailedError,
    RunEndedError,
    StoreError,
    StoreUnavailableError,
    TokenInsufficientError,
    TooLargeError,
    TooManyAttemptsError,
    UnauthenticatedError,
    UploadGoneError,
    UploadIncompleteError,
)

__all__ = [
    "AmbiguousError",
    "AttemptEndedError",
    "BadCredentialsError",
    "ClientError",
    "CloseRefusedError",
    "ConflictError",
    "CorruptDataError",
    "DatabaseUnavailableError",
    "DatasetBusyError",
    "DatasetClosedError",
    "DatasetOpenError",
    "DefinitionRetiredError",
    "DeletedError",
    "ExtraMissingError",
    "FileChangedError",
    "FileChangingError",
    "FileOpenError",
    "ForbiddenError",
    "HutchError",
    "IdempotencyError",
    "ImageUnapprovedError",
    "InUseError",
    "InsecureUrlError",
    "InternalError",
    "InvalidInputError",
    "LocalChangesError",
    "LocalFileError",
    "MalformedError",
    "NameTakenError",
    "NoWorkdirError",
    "NotFoundError",
    "NotLoggedInError",
    "ParentOpenError",
    "PathBusyError",
    "PathClashError",
    "PathInvalidError",
    "PreconditionFailedError",
    "RunEndedError",
    "ServerAnswerError",
    "ServerUnavailableError",
    "StoreError",
    "StoreUnavailableError",
    "TokenInsufficientError",
    "TooLargeError",
    "TooManyAttemptsError",
    "TransferError",
    "UnauthenticatedError",
    "UnreadableFileError",
    "UnsupportedFileError",
    "UploadGoneError",
    "UploadIncompleteError",
    "WorkdirBusyError",
    "WorkdirError",
]


class ClientError(HutchError):
    """Everything that only the client raises."""

    code, title = "client-error", "The client could not do this."


class ServerUnavailableError(ClientError):
    """Nobody answers at the server's address, or asks for patience too long."""

    code, title = "server-unavailable", "The server cannot be reached."


class ServerAnswerError(ClientError):
    """Something answers, but not as hutch does."""

    code, title = "server-answer", "The server's answer could not be understood."


class InsecureUrlError(ClientError):
    """A token would travel unprotected."""

    code, title = "insecure-url", "The address is not protected by https."


class NotLoggedInError(ClientError):
    """There is no token for this server."""

    code, title = "not-logged-in", "You are not logged in."


class AmbiguousError(ClientError):
    """The words fit several datasets; ``candidates`` lists them."""

    code, title = "ambiguous", "More than one dataset fits."


class ExtraMissingError(ClientError):
    """A library that only this needs is not installed; ``extra`` names its group."""

    code, title = "extra-missing", "An optional library is not installed."


class WorkdirError(ClientError):
    """The working directory is unfit for this."""

    code, title = "workdir", "The working directory cannot be used for this."


class NoWorkdirError(WorkdirError):
    """No directory from here upwards is a working directory."""

    code, title = "no-workdir", "This is not a working directory."


class WorkdirBusyError(WorkdirError):
    """Another process works in the directory; ``pid`` says which."""

    code, title = "workdir-busy", "Another process works in this directory."


class LocalFileError(ClientError):
    """A file of the working directory cannot travel."""

    code, title = "local-file", "A local file cannot be used."


class UnsupportedFileError(LocalFileError):
    """A symlink, a socket, a device, or a name that no dataset may hold."""

    code, title = "unsupported-file", "This kind of file or name cannot be pushed."


class UnreadableFileError(LocalFileError):
    """The file or directory cannot be read or written."""

    code, title = "unreadable-file", "A local file cannot be read or written."


class FileChangingError(LocalFileError):
    """The file changed while it was pushed, twice in a row."""

    code, title = "file-changing", "The file changes while it is pushed."


class FileOpenError(LocalFileError):
    """Somebody has the file open for writing: it is not finished."""

    code, title = "file-open", "The file is still open for writing."


class LocalChangesError(LocalFileError):
    """The file was changed here, and in the dataset; nothing is overwritten."""

    code, title = "local-changes", "The file was changed here as well."


class TransferError(ClientError):
    """The store refused a file again and again."""

    code, title = "transfer-failed", "The file could not be transferred."


class CorruptDataError(ClientError):
    """Bytes or names are not what they should be."""

    code, title = "corrupt-data", "The data are not what they should be."
