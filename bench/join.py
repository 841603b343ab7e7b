"""Make one result of parts of a comparison that were run one after the other.

usage: python -m bench.join PART.json …
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import page, results


def main(files: Sequence[str]) -> None:
    """Write the result beside the others, under the day of the last part."""
    run = results.joined([results.load(Path(name)) for name in files])
    file = page.RESULTS / f"{run.date}.json"
    results.save(run, file)
    print(f"wrote {file}; next: make docs")


if __name__ == "__main__":
    main(sys.argv[1:])
