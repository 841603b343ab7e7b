"""A program as it should be: copies its input, says how far it is, and ends.

usage: good.py [SECONDS]   (how long it pauses in between)
"""

import json
import shutil
import sys
import time
from pathlib import Path

JOB = json.loads(Path("/run/hutch/job.json").read_bytes())
OUT = Path(JOB["output"]["path"])

print("hutch:progress 0.5 half of it", flush=True)
for given in JOB["inputs"].values():
    shutil.copytree(given["path"], OUT, dirs_exist_ok=True, copy_function=shutil.copy)
(OUT / ".hutch").mkdir()
(OUT / ".hutch" / "attributes.json").write_text(json.dumps({"sample": "tooth"}))
time.sleep(float((*sys.argv, "0")[1]))
print("hutch:progress 1 done", flush=True)
