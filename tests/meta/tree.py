"""The tree that the tests about the tree look at."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_SOURCES: Final = {"client": "hutch", "api": "hutch_api", ".": "bench"}


@cache
def tracked() -> list[Path]:
    """List the files of the project, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 -- git of this machine
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return sorted(file for file in files if file.is_file())


@cache
def modules() -> dict[str, Path]:
    """Give every module of the distribution and of the bench by its dotted name."""
    found = {}
    for source, package in _SOURCES.items():
        for file in sorted((ROOT / source / package).rglob("*.py")):
            parts = file.relative_to(ROOT / source).with_suffix("").parts
            found[".".join(p for p in parts if p != "__init__")] = file
    return found


def python_files() -> list[Path]:
    """List all Python files of the project."""
    return [file for file in tracked() if file.suffix == ".py"]


@cache
def tree_of(file: Path) -> ast.Module:
    """Parse a file once."""
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(name: str, file: Path) -> Iterator[str]:
    """Name what a module imports, as full dotted names.

    What is imported only for type checkers counts as well: a layer that names a
    type of another one knows of it.
    """
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in modules() else base


def below(name: str, package: str) -> bool:
    """Tell whether a dotted name lies in a package."""
    return name == package or name.startswith(f"{package}.")
