"""Make an empty database whole again from the buckets; it may be repeated.

Closed datasets, their files and edges, tombstones and the id of the installation come
back. Users come back by name only: disabled and without a password. Shares, groups,
tokens, the history and open datasets do not come back.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from hutch_api.commands.exits import Exit
from hutch_api.commands.place import add_place, read_settings
from hutch_api.readiness import open_current
from hutch_api.services.rebuild import Rebuilt, adopt, rebuild


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_place(parser)
    parser.add_argument(
        "--from-bucket",
        action="store_true",
        required=True,
        help="from the records of hutch-meta, in the store of the settings",
    )


def run(options: Namespace, environ: Mapping[str, str]) -> Exit:
    """Rebuild and report."""
    settings = read_settings(options, environ)
    site = open_current(settings)
    adopt(site)
    site.engine.dispose()
    site = open_current(settings)  # now as the installation that the buckets name
    report = rebuild(site, tell=print)
    site.engine.dispose()
    _show(report)
    return Exit.FAILED if report.failed else Exit.OK


def _show(report: Rebuilt) -> None:
    print(
        f"rebuilt {report.closed} closed datasets with {report.files} files and "
        f"{report.deleted} tombstones; {report.there} were there"
    )
    for dataset, name in report.renamed.items():
        print(f"RENAMED {dataset}: its name was taken; it is {name} now")
    for dataset in report.left:
        print(f"LEFT {dataset}: it was open; its files stay in the store as they are")
    for dataset, why in report.failed.items():
        print(f"NOT REBUILT {dataset}: {why}")
    if report.users:
        print(f"disabled, without a password: {', '.join(sorted(report.users))}")
