"""Figures of hutch by itself: a module each, found by its function.

``measure_at(hall, place, small=…)`` measures a running facility, which all of them
share; ``measure(place, small=…)`` starts what it needs.
"""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

from bench.facility import Facility
from bench.figures import Figure

_BY_ITSELF: Final = "measure"
_AT: Final = "measure_at"


def modules() -> dict[str, ModuleType]:
    """Find the modules by their names."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__))
    found = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {
        name: module
        for name, module in found.items()
        if hasattr(module, _BY_ITSELF) or hasattr(module, _AT)
    }


def measure(
    module: ModuleType, place: Path, hall: Callable[[], Facility], *, small: bool
) -> list[Figure]:
    """Have one module measure, in an empty directory.

    Args:
        module: One of ``modules``.
        place: The directory; it is made here.
        hall: Gives the facility that runs for all.
        small: Only see that it works.
    """
    place.mkdir(parents=True)
    found: list[Figure] = (
        getattr(module, _AT)(hall(), place, small=small)
        if hasattr(module, _AT)
        else getattr(module, _BY_ITSELF)(place, small=small)
    )
    return found


def title(module: ModuleType) -> str:
    """Give the first line of what a module says of itself, without its full stop."""
    return (module.__doc__ or module.__name__).partition("\n")[0].rstrip(".")
