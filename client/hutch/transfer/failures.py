"""How an exchange with the store can fail, beside the store's own answers."""

from hutch.errors import ClientError, TransferError


class LostError(Exception):
    """The store answers nobody any more: the other files need not be tried."""


class StoppedError(Exception):
    """The transfer was stopped from outside; nobody is to be told."""


class CutError(TransferError):
    """The connection to the store broke; sending again may help."""

    code, title = "connection-cut", "The connection to the object store broke."


class StaleError(CutError):
    """It broke before the store had said anything: it may have been closed before."""


class RouteError(ClientError):
    """An address, proxy or certificate cannot be used; trying again does not help."""

    code, title = "store-route", "The object store cannot be reached this way."
