"""What can go wrong around an embedded installation."""


class EmbeddedError(Exception):
    """An embedded installation cannot start or go on; the text says what to do."""


class DirectoryError(EmbeddedError):
    """Its directory cannot be used."""


class DirectoryBusyError(DirectoryError):
    """Another process tree uses the directory."""


class ProgramMissingError(EmbeddedError):
    """The program of a store is not installed."""


class ChildDiedError(EmbeddedError):
    """One of its processes ended, so all of them do."""


class InterruptError(KeyboardInterrupt):
    """Somebody asked it to end.

    No ``Exception``: libraries that try again after any of those would swallow it.
    """
