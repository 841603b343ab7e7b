"""The tools that are compared, each with its best documented settings."""

from collections.abc import Mapping
from pathlib import Path

from bench.tools.aws import Aws
from bench.tools.dvc import Dvc
from bench.tools.hutch import Hutch
from bench.tools.mc import Mc
from bench.tools.rclone import Rclone
from bench.tools.s5cmd import S5cmd
from bench.tools.tool import Tool


def all_tools(cache: Path) -> Mapping[str, Tool]:
    """Give every tool by its name; the peers lie in the cache, if they are there."""
    tools: tuple[Tool, ...] = (
        Hutch(),
        S5cmd(cache / "s5cmd/bin/s5cmd"),
        Rclone(cache / "rclone/bin/rclone"),
        Mc(cache / "mc/bin/mc"),
        Aws(cache / "aws/bin/aws"),
        Dvc(cache / "dvc/bin/dvc"),
    )
    return {tool.name: tool for tool in tools}
