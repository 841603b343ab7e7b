"""Whose database and whose buckets these are: one id in both."""

from hutch.contract.problems import StoreError
from hutch_api.domain import instance
from hutch_api.domain.layout import INSTANCE
from hutch_api.services.work import Site


def require_own_bucket(site: Site) -> None:
    """Stop before touching another installation's data.

    Raises:
        StoreError: The bucket carries another instance id, or none.
    """
    record = site.objects.get_record(INSTANCE)
    try:
        found = None if record is None else instance.decode(record)
    except ValueError:
        found = None
    if found != site.instance:
        raise StoreError(
            f"the buckets belong to another installation ({found or 'none'} instead "
            f"of {site.instance}); check the settings of store and database"
        )
