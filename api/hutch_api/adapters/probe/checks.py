"""What a check is."""

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from hutch.contract.problems import StoreError
from hutch_api.adapters.accounts.iam_api import code_of
from hutch_api.adapters.probe.bench import FORBIDDEN, Answer, Bench
from hutch_api.adapters.probe.report import Need, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that is tried.

    Attributes:
        name: Stable name, kebab-case.
        means: What holds on a store that passes, one sentence.
        remedy: What to do if it does not hold.
        run: Tries it; returns what was seen instead, or None if it holds.
    """

    name: str
    means: str
    remedy: str
    run: Callable[[Bench], str | None]
    need: Need = Need.MUST


def try_out(check: Check, bench: Bench) -> Outcome:
    """Run a check; whatever keeps it from ending counts as not passed."""
    try:
        found = check.run(bench)
    except ClientError as refusal:
        operation = refusal.operation_name
        found = f"the store answered {code_of(refusal)} to {operation}"
    except StoreError as error:
        found = error.detail
    except (BotoCoreError, HTTPError, OSError) as error:
        # Their texts hold URLs, and those hold signatures.
        found = f"the store did not answer ({type(error).__name__})"
    return Outcome(
        name=check.name,
        need=check.need,
        means=check.means,
        remedy=check.remedy,
        found=found,
    )


def refused(answer: Answer, what: str, *, status: int = FORBIDDEN) -> str | None:
    """Expect a refusal with this status."""
    if answer.status == status:
        return None
    return f"{what} was answered with HTTP {answer.status} instead of {status}"


def done(answer: Answer, what: str) -> str | None:
    """Expect success."""
    return None if answer.ok else f"{what} was answered with HTTP {answer.status}"


def first(*found: str | None) -> str | None:
    """Report the first thing that does not hold."""
    return next((text for text in found if text is not None), None)
