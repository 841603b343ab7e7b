"""Look at everything that hutch relies on, and say in words what is missing."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import asdict

from hutch_api import readiness
from hutch_api.commands.exits import Exit
from hutch_api.commands.place import add_place, read_settings


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Examine and report."""
    found = readiness.examine(read_settings(options, environ), environ)
    if options.json:
        print(json.dumps(asdict(found), indent=2))
    else:
        for line in found.lines:
            print(line)
        faults = [f"MISSING: {line}" for line in found.missing]
        faults += [f"ALARM: {line}" for line in found.alarms]
        print("\n".join(faults) or "all is well")
    if found.missing:
        return Exit.NOT_READY
    return Exit.FAILED if found.alarms else Exit.OK
