"""Executing hutch's own programs as processes of this machine."""

from hutch_api.adapters.local.executor import LocalExecutor
from hutch_api.adapters.local.opening import open_local, shield

__all__ = ["LocalExecutor", "open_local", "shield"]
