"""Set up the object store: buckets, identities, policies; it may be repeated."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from hutch_api import readiness
from hutch_api.commands.exits import Exit
from hutch_api.commands.place import add_place, read_settings


def configure(parser: ArgumentParser) -> None:
    """Declare the verb."""
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    text = "make buckets, identities and policies, then try what hutch relies on"
    add_place(verbs.add_parser("init", help=text, description=text))


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Set up and probe."""
    settings = read_settings(options, environ)
    for change in readiness.init_store(settings):
        print(change)
    report = readiness.probe(settings)
    print("\n".join(report.lines()))
    if report.missing:
        return Exit.NOT_READY
    print("the store is ready")
    return Exit.OK
