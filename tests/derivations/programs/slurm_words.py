"""Says which arguments it was given, in which environment."""

import json
import os
import sys
from pathlib import Path

Path("/out/done").write_text("yes")
told = {"argv": sys.argv[1:], "environ": dict(os.environ), "uid": os.getuid()}
print("report", json.dumps(told), flush=True)
