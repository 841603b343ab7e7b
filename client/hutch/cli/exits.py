"""How a command ends: one number for each kind of ending.

Scripts decide by these numbers, so they are part of the contract, as the problem
codes are: a number may be added, none changes its meaning.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final

from hutch import errors
from hutch.cli.screen import DefectError, StoppedError, UsageError
from hutch.contract import problems
from hutch.contract.problems import HutchError


class Exit(IntEnum):
    """The exit status of ``hutch``."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SOME_FAILED = 3
    NOT_LOGGED_IN = 4
    NOT_FOUND = 5
    STATE = 6
    CONFLICT = 7
    UNREACHABLE = 8
    MISMATCH = 9
    INTERRUPTED = 130


MEANING: Final[Mapping[Exit, str]] = {
    Exit.OK: "done",
    Exit.FAILED: "failed, for a reason that has no number of its own",
    Exit.USAGE: "the command line, a name or a value is not right",
    Exit.SOME_FAILED: "some files failed; run the same command again to go on",
    Exit.NOT_LOGGED_IN: "not logged in, or the login has expired",
    Exit.NOT_FOUND: "there is no such thing, or you may not do this with it",
    Exit.STATE: "the state of the dataset does not allow it",
    Exit.CONFLICT: "somebody else's change, or a local one, is in the way",
    Exit.UNREACHABLE: "the server or the store cannot be reached",
    Exit.MISMATCH: "verification found a difference",
    Exit.INTERRUPTED: "interrupted; run the same command again to go on",
}
"""What each status means; the help and the reference are made from it."""

EVERYWHERE: Final = (
    Exit.FAILED,
    Exit.USAGE,
    Exit.NOT_LOGGED_IN,
    Exit.NOT_FOUND,
    Exit.UNREACHABLE,
    Exit.INTERRUPTED,
)
"""Endings that every command which talks to a server can have."""

EXITS: Final[Mapping[type[HutchError], Exit]] = {
    problems.InvalidInputError: Exit.USAGE,
    problems.MalformedError: Exit.FAILED,
    problems.TooLargeError: Exit.USAGE,
    problems.MethodNotAllowedError: Exit.FAILED,
    problems.UnsupportedMediaError: Exit.FAILED,
    problems.PathInvalidError: Exit.USAGE,
    problems.UnauthenticatedError: Exit.NOT_LOGGED_IN,
    problems.BadCredentialsError: Exit.NOT_LOGGED_IN,
    problems.TooManyAttemptsError: Exit.NOT_LOGGED_IN,
    problems.ForbiddenError: Exit.NOT_FOUND,
    problems.TokenInsufficientError: Exit.NOT_FOUND,
    problems.NotFoundError: Exit.NOT_FOUND,
    problems.DeletedError: Exit.STATE,
    problems.ConflictError: Exit.CONFLICT,
    problems.NameTakenError: Exit.CONFLICT,
    problems.DatasetClosedError: Exit.STATE,
    problems.DatasetBusyError: Exit.STATE,
    problems.DatasetOpenError: Exit.STATE,
    problems.ParentOpenError: Exit.STATE,
    problems.CloseRefusedError: Exit.STATE,
    problems.InUseError: Exit.STATE,
    problems.ImageUnapprovedError: Exit.STATE,
    problems.DefinitionRetiredError: Exit.STATE,
    problems.RunEndedError: Exit.STATE,
    problems.AttemptEndedError: Exit.STATE,
    problems.PathBusyError: Exit.CONFLICT,
    problems.PathClashError: Exit.CONFLICT,
    problems.FileChangedError: Exit.CONFLICT,
    problems.UploadGoneError: Exit.SOME_FAILED,
    problems.UploadIncompleteError: Exit.SOME_FAILED,
    problems.IdempotencyError: Exit.CONFLICT,
    problems.PreconditionFailedError: Exit.CONFLICT,
    problems.StoreError: Exit.UNREACHABLE,
    problems.StoreUnavailableError: Exit.UNREACHABLE,
    problems.DatabaseUnavailableError: Exit.UNREACHABLE,
    problems.StoppingError: Exit.UNREACHABLE,
    problems.InternalError: Exit.FAILED,
    errors.ClientError: Exit.FAILED,
    errors.ServerUnavailableError: Exit.UNREACHABLE,
    errors.ServerAnswerError: Exit.UNREACHABLE,
    errors.InsecureUrlError: Exit.USAGE,
    errors.NotLoggedInError: Exit.NOT_LOGGED_IN,
    errors.AmbiguousError: Exit.NOT_FOUND,
    errors.ExtraMissingError: Exit.USAGE,
    errors.WorkdirError: Exit.USAGE,
    errors.NoWorkdirError: Exit.USAGE,
    errors.WorkdirBusyError: Exit.CONFLICT,
    errors.LocalFileError: Exit.FAILED,
    errors.UnsupportedFileError: Exit.SOME_FAILED,
    errors.UnreadableFileError: Exit.FAILED,
    errors.FileChangingError: Exit.SOME_FAILED,
    errors.FileOpenError: Exit.SOME_FAILED,
    errors.LocalChangesError: Exit.CONFLICT,
    errors.TransferError: Exit.SOME_FAILED,
    errors.CorruptDataError: Exit.MISMATCH,
    DefectError: Exit.FAILED,
    StoppedError: Exit.INTERRUPTED,
    UsageError: Exit.USAGE,
}
"""How a command ends that was stopped by this error."""


def exit_of(error: HutchError) -> Exit:
    """Choose the ending for an error that stopped a command.

    A code that this version does not know (a newer server may have more) ends as
    its nearest known class does, and as ``FAILED`` where there is none.
    """
    for kind in type(error).__mro__:
        if kind in EXITS:
            return EXITS[kind]
    return Exit.FAILED


def exit_of_files(failures: Iterable[HutchError]) -> Exit:
    """Choose the ending of a command in which single files failed.

    ``SOME_FAILED`` asks for the same command again, so it stands only where that
    can help: data that are not as recorded are ``MISMATCH``, and if nothing but
    conflicts is left, it is ``CONFLICT``.
    """
    endings = {exit_of(failure) for failure in failures}
    if not endings:
        return Exit.OK
    if Exit.MISMATCH in endings:
        return Exit.MISMATCH
    return Exit.CONFLICT if endings == {Exit.CONFLICT} else Exit.SOME_FAILED


def epilog(*also: Exit, ok: str, **meanings: str) -> str:
    """Write the part of a command's help that explains its exit status.

    Args:
        *also: Endings of this command besides those that every command has.
        ok: What 0 means here.
        **meanings: Better words for an ending here, by its lower-case name.
    """
    rows = {Exit.OK: ok}
    for ending in sorted({*EVERYWHERE, *also}):
        rows[ending] = meanings.pop(ending.name.lower(), MEANING[ending])
    if meanings:
        raise ValueError(f"no such ending: {', '.join(meanings)}")
    return "exit status:\n" + "".join(
        f"  {ending:>3}  {meaning}\n" for ending, meaning in rows.items()
    )
