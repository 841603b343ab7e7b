"""Trying on a store what the design relies on."""

from hutch_api.adapters.probe.bench import Target
from hutch_api.adapters.probe.report import Need, Outcome, Report
from hutch_api.adapters.probe.run import (
    ProbeNeededError,
    probe,
    quick_check,
    require_passed,
)

__all__ = [
    "Need",
    "Outcome",
    "ProbeNeededError",
    "Report",
    "Target",
    "probe",
    "quick_check",
    "require_passed",
]
