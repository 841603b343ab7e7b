"""Ends, but leaves a grandchild that does not, and one that nobody waits for.

usage: linger.py WORD   (by which its processes are known)
"""

import os
import signal
import sys
import time
from pathlib import Path

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        Path("/work", "grandchild").write_text(str(os.getpid()))
        while True:
            time.sleep(600)
    os._exit(0)
if os.fork() == 0:
    os._exit(0)  # a zombie
while not Path("/work", "grandchild").exists():
    time.sleep(0.01)
Path("/out/a").write_bytes(b"a")
sys.exit(0)
