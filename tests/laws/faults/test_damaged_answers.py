"""An answer of the store that is damaged is none; it is never taken for another."""

from datetime import timedelta

import pytest

from hutch.contract.problems import StoreUnavailableError
from hutch_api.domain.accounts import Access
from tests.laws.faults.faulty import Fault
from tests.laws.faults.hall import Hall
from tests.servers import random_credentials

DAMAGED = [Fault.HALF, Fault.LIE]


@pytest.mark.parametrize("fault", DAMAGED)
@pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True)
def test_a_damaged_listing_is_no_empty_one(hall: Hall, fault: Fault) -> None:
    hall.plan(None, None, lambda op, _n: fault if op == "GET versions" else None)
    with pytest.raises(StoreUnavailableError):
        list(hall.site.objects.versions("d/"))


@pytest.mark.parametrize("fault", DAMAGED)
@pytest.mark.parametrize("store_server", ["seaweedfs"], indirect=True)
def test_a_damaged_answer_makes_no_account(hall: Hall, fault: Fault) -> None:
    hall.plan(None, None, lambda op, _n: fault if op == "CreateUser" else None)
    with pytest.raises(StoreUnavailableError):
        hall.site.accounts.create(
            random_credentials(),
            access=Access.PUT,
            prefix="d/x/",
            expires_at=hall.site.clock() + timedelta(hours=1),
        )
