"""Leaves half of an output and ends with a number.

usage: fail.py NUMBER
"""

import sys
from pathlib import Path

Path("/out/half").write_bytes(b"half")
print("it does not work", file=sys.stderr, flush=True)
sys.exit(int(sys.argv[1]))
