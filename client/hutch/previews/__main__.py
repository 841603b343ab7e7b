"""Run the program; why it failed is told by exit code and one line of JSON.

exit status:
  0    done
  1    the server or the store failed, or something is not installed
  137  it needs more memory than it may have
"""

import json
import os
import sys
from pathlib import Path
from typing import Final

from hutch.contract.problems import HutchError
from hutch.errors import ExtraMissingError

_FAILED, _NO_MEMORY = 1, 137
EXTRA: Final = (
    "previews need the extra 'previews' where the runner is installed: "
    "pip install 'hutch[server,previews]'"
)


def main() -> int:
    """Do the job that the environment names."""
    try:
        from hutch.previews.job import PreviewJob  # noqa: PLC0415 - an extra
        from hutch.previews.making import make  # noqa: PLC0415 - as above
    except (ImportError, ExtraMissingError):
        _say(json.dumps({"detail": EXTRA}))
        return _FAILED
    try:
        make(PreviewJob.read(Path(os.environ["HUTCH_JOB"])), _tell)
    except HutchError as error:
        _say(json.dumps({"detail": error.detail}))
        return _FAILED
    except MemoryError:
        return _NO_MEMORY
    return 0


def _tell(share: float, path: str) -> None:
    plain = "".join(c if c.isprintable() else "?" for c in path)
    _say(f"hutch:progress {share:.2f} {plain[-80:]}")


def _say(line: str) -> None:
    sys.stdout.buffer.write(f"{line}\n".encode(errors="replace"))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
