"""Which hutch this is; the packaging reads it too."""

from typing import Final

VERSION: Final = "0.1.0"
