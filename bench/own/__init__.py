"""Figures of hutch by itself: a module each, found by its ``measure``."""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

from bench.figures import Figure

Measure = Callable[..., list[Figure]]
_FUNCTION: Final = "measure"


def modules() -> dict[str, ModuleType]:
    """Find the modules by their names."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__))
    found = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {
        name: module for name, module in found.items() if hasattr(module, _FUNCTION)
    }


def measure(module: ModuleType, place: Path, *, small: bool) -> list[Figure]:
    """Have one module measure, in an empty directory."""
    place.mkdir(parents=True)
    found: list[Figure] = getattr(module, _FUNCTION)(place, small=small)
    return found


def title(module: ModuleType) -> str:
    """Give the first line of what a module says of itself, without its full stop."""
    return (module.__doc__ or module.__name__).partition("\n")[0].rstrip(".")
