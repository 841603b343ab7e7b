"""Wants more of something than it may have: argv says of what."""

import sys
import time
from pathlib import Path

WANTED = 64 * 1024 * 1024
if sys.argv[1] == "memory":
    kept = [bytearray(b"x" * 1024 * 1024) for _ in range(1024)]
    print(len(kept), flush=True)
elif sys.argv[1] == "log":
    line = b"x" * 65_535 + b"\n"
    for _ in range(WANTED // len(line)):
        sys.stdout.buffer.write(line)
    Path("/out/done").write_text("yes")
elif sys.argv[1] == "disk":
    for number in range(6):
        Path(f"/out/{number}").write_bytes(bytes(8 * 1024 * 1024))
    time.sleep(100)
