"""The command line: a user of the library, and the only place that prints."""

import sys

# httpx would load a command line of its own, with click and pygments: as long as all
# the rest of hutch.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
