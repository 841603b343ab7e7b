"""Telling the store that a right is gone."""

from hutch.contract.problems import StoreError
from hutch_api.http import failures
from hutch_api.services import revocation
from hutch_api.services.work import Site


def settle(site: Site) -> None:
    """End the store accounts of a right that was just taken away.

    The right is gone already, by a committed transaction. If the store does not hear
    of it now, the request has succeeded all the same: the worker repeats this.
    """
    try:
        revocation.settle(site)
    except StoreError as error:
        failures.log_unsettled(error)
