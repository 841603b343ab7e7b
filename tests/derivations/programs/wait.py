"""Writes a word into its files, then waits and will not be asked to end.

usage: wait.py WORD [SECONDS]   (WORD is written backwards, to be found nowhere else)
"""

import signal
import sys
import time
from pathlib import Path

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
word, seconds = sys.argv[1], float((*sys.argv, "600")[2])
for place in ("/work", "/out", "/tmp", "/dev/shm"):
    Path(place, "word").write_text(word[::-1])
print("waiting", flush=True)
time.sleep(seconds)
