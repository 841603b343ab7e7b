"""Running the probe."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from hutch.contract.problems import StoreError, StoreUnavailableError
from hutch_api.adapters.probe import (
    containment,
    rights,
    signatures,
    surroundings,
    tools,
    uploads,
)
from hutch_api.adapters.probe.bench import Bench, Target
from hutch_api.adapters.probe.checks import Check, done, first, refused, try_out
from hutch_api.adapters.probe.report import Report
from hutch_api.adapters.provisioning import require_ours

CHECKS: Final = (
    *signatures.CHECKS,
    *containment.CHECKS,
    *tools.CHECKS,
    *uploads.CHECKS,
    *rights.CHECKS,
    *surroundings.CHECKS,
)
_RULES: Final = 2
"""Goes up when a check is added that an older record does not answer for."""


def probe(target: Target) -> Report:
    """Try on a store everything that the design relies on.

    It works in a scratch prefix of the data bucket and removes what it made. It
    takes some seconds: dozens of requests and two accounts.

    Args:
        target: The store, set up by ``store init``, and its identities.

    Raises:
        StoreError: The store is not set up, or belongs to another installation.
        StoreUnavailableError: Nothing answers.
    """
    store = store_name(target.place.endpoint)
    require_ours(target.place, target.server)
    bench = Bench(target)
    try:
        account = try_out(_ACCOUNT, bench)
        outcomes = [account, *(try_out(check, bench) for check in CHECKS)]
    finally:
        bench.close()
    return Report(
        store=store,
        settings=fingerprint(target),
        at=datetime.now(UTC),
        outcomes=tuple(outcomes),
        rights=bench.rights,
    )


def quick_check(target: Target, recorded: Mapping[str, Any] | None) -> None:
    """Check what a plain start checks: the record, one write and one account.

    Args:
        target: The store and its identities.
        recorded: What ``Report.to_record`` gave when the probe ran last; None if it
            never did.

    Raises:
        ProbeNeededError: There is no record, or it is of another store or other
            settings: run the probe.
        StoreError: The record names a missing must, or write or account failed.
        StoreUnavailableError: Nothing answers.
    """
    require_recorded(target, recorded)
    require_ours(target.place, target.server)
    bench = Bench(target)
    try:
        bench.open()
        found = _quick(bench)
    except (ClientError, BotoCoreError, urllib3.exceptions.HTTPError):
        raise StoreUnavailableError(
            "the store did not take a write; see its log, then try again"
        ) from None
    finally:
        bench.close()
    if found is not None:
        raise StoreError(f"the store does not do what it did before: {found}")


def require_recorded(target: Target, recorded: Mapping[str, Any] | None) -> Report:
    """Accept only a record that speaks of this store and these settings.

    Raises:
        ProbeNeededError: It does not, or cannot be read.
        StoreError: A must is missing; the text names each.
        StoreUnavailableError: Nothing answers.
    """
    if recorded is None:
        raise ProbeNeededError("the store was never probed; run: hutch-api doctor")
    try:
        report = Report.from_record(recorded)
    except ValueError:
        raise ProbeNeededError(
            "the record of the last probe cannot be read; run: hutch-api doctor"
        ) from None
    if report.store != store_name(target.place.endpoint):
        raise ProbeNeededError(
            f"the store was {report.store} when it was probed and is another now; "
            "run: hutch-api doctor"
        )
    if report.settings != fingerprint(target):
        raise ProbeNeededError(
            "the settings of the store have changed since it was probed; run: "
            "hutch-api doctor"
        )
    require_passed(report)
    return report


def require_passed(report: Report) -> None:
    """Refuse a store that misses a must.

    Raises:
        StoreError: It does; the text says what, and what to do.
    """
    if report.passed:
        return
    lines = [f"{o.name}: {o.found}; {o.remedy}" for o in report.missing]
    raise StoreError(
        "the store does not do what hutch relies on:\n  " + "\n  ".join(lines),
        missing=[outcome.name for outcome in report.missing],
    )


class ProbeNeededError(Exception):
    """What is known of the store is not of this store, or of other settings.

    Only a starting server meets it; it never travels.
    """


def fingerprint(target: Target) -> str:
    """Digest the settings that a result depends on, key ids among them."""
    place = target.place
    parts = (
        str(_RULES),
        place.endpoint,
        place.region,
        str(place.instance),
        place.buckets.data,
        place.buckets.meta,
        target.api,
        target.server.key_id,
        target.reader.key_id,
        target.public_url,
        target.web_origin or "",
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def store_name(endpoint: str) -> str:
    """Ask a store what it is; MinIO does not tell its version to everybody.

    Raises:
        StoreUnavailableError: Nothing answers.
    """
    with urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30)) as pool:
        try:
            answer = pool.request("GET", f"{endpoint}/", retries=False)
        except urllib3.exceptions.HTTPError:
            raise StoreUnavailableError(
                "nothing answers at the address of the object store; check that it "
                "runs and that HUTCH_S3_URL is right"
            ) from None
    return str(answer.headers.get("server") or "unknown")


def _open(bench: Bench) -> str | None:
    bench.collect()
    bench.open()
    return None


_ACCOUNT: Final = Check(
    name="account",
    means="the server can make a short-lived account",
    remedy="run: hutch-api store init; and use MinIO or SeaweedFS, which let the "
    "server choose an account's keys",
    run=_open,
)


def _quick(bench: Bench) -> str | None:
    key, data = bench.new_key(), b"quick"
    outside = bench.new_key(outside=True)
    return first(
        done(bench.send(bench.sign_put(key, data), data), "a PUT by a new account"),
        refused(
            bench.send(bench.sign_put(outside, data), data), "a PUT outside its prefix"
        ),
        None if bench.read(key) == data else "what was written is not read",
    )
