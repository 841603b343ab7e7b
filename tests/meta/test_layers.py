"""Who may import whom: the arrows point downwards."""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.meta import tree

MAY_IMPORT: Final[dict[str, set[str]]] = {
    "hutch.contract": set(),
    "hutch": {"hutch"},
    "hutch.connection": {"hutch", "httpx", "msgspec"},
    "hutch.cli": {"hutch", "rich", "msgspec"},
    "hutch.export": {"hutch", "rocrate"},
    "hutch.fs": {"hutch", "fsspec"},
    # A program of its own, which a runner starts: all that it needs is an extra.
    "hutch.previews": {"hutch", "fsspec", "h5py", "numpy", "PIL"},
    "hutch.transfer": {"hutch", "awscrt"},
    "hutch.tools": {"hutch", "msgspec"},
    "hutch.tools.boto": {"hutch", "boto3", "botocore"},
    "hutch.watch": {"hutch", "inotify_simple"},
    "hutch.workdir": {"hutch", "msgspec"},
    "hutch_api.domain": {"hutch.contract"},
    "hutch_api.domain.types": {"hutch.contract", "jsonschema"},
    "hutch_api.domain.parameters": {
        "hutch_api.domain",
        "hutch.contract",
        "jsonschema",
    },
    "hutch_api.ports": {"hutch_api.domain", "hutch.contract"},
    "hutch_api.store": {
        "hutch_api.domain",
        "hutch.contract",
        "sqlmodel",
        "sqlalchemy",
        "alembic",
    },
    "hutch_api.services": {
        "hutch_api.domain",
        "hutch_api.ports",
        "hutch_api.store",
        "hutch.contract",
        "sqlmodel",
        "sqlalchemy",
        "argon2",
    },
    "hutch_api.services.sums": {"hutch_api.services", "awscrt"},
    "hutch_api.adapters": {
        "hutch_api.domain",
        "hutch_api.ports",
        "hutch.contract",
        "boto3",
        "botocore",
        "mypy_boto3_iam",
        "mypy_boto3_s3",
        "minio",
        "Crypto",
        "urllib3",
        "awscrt",
    },
    "hutch_api.adapters.engine": {
        "hutch_api.adapters.containment",
        "hutch_api.adapters.usage",
        "hutch_api.domain",
        "hutch_api.ports",
        "hutch.contract",
        "docker",
        "requests",
        "urllib3",
    },
    "hutch_api.http": {
        "hutch_api.services",
        "hutch_api.domain",
        "hutch.contract",
        "starlette",
        "uvicorn",
        "h11",
        "msgspec",
    },
    "hutch_api.worker": {
        "hutch_api.services",
        "hutch_api.domain",
        "hutch.contract",
        "sqlalchemy",
    },
    "hutch_api.runner": {
        "hutch_api.services",
        "hutch_api.ports",
        "hutch.contract",
        "sqlalchemy",
    },
    "hutch_api.settings": {
        "hutch_api.domain",
        "hutch_api.ports",
        "hutch_api.setting_values",
    },
    "hutch_api.setting_values": {"hutch_api.domain", "hutch_api.ports"},
    # Composition roots: they put everything together.
    "hutch_api": {"hutch_api", "hutch.contract", "sqlalchemy", "sqlmodel"},
    "hutch_api.commands": {
        "hutch_api",
        "hutch.contract",
        "sqlmodel",
        "uvicorn",
        "anyio",
    },
    "hutch_api.embedded": {"hutch_api", "hutch.contract"},
    # It runs the commands; what it starts them on it shares with the tests.
    "bench": {"bench", "msgspec", "tests.servers", "tests.programs"},
    "bench.facility": {
        "bench",
        "tests",
        "boto3",
        "botocore",
    },
    "bench.limits": {"bench", "awscrt"},
    "bench.own": {
        "bench",
        "hutch",
        "hutch_api",
        "tests",
        "msgspec",
        "sqlalchemy",
        "sqlmodel",
    },
}
"""What a layer may import beside itself and the standard library."""


def layer_of(name: str) -> str:
    """Find the narrowest layer that a module belongs to."""
    return max((layer for layer in MAY_IMPORT if tree.below(name, layer)), key=len)


@pytest.mark.parametrize(
    ("name", "file"), tree.modules().items(), ids=tree.modules().keys()
)
def test_imports_point_downwards(name: str, file: Path) -> None:
    layer = layer_of(name)
    allowed = MAY_IMPORT[layer] | {layer, *sys.stdlib_module_names, "__future__"}
    beyond = {
        target
        for target in tree.imports(name, file)
        if not any(tree.below(target, package) for package in allowed)
    }
    assert beyond == set(), f"{name} (layer {layer}) may not import these"


def test_nothing_needs_the_file_system() -> None:
    needing = {
        name
        for name, file in tree.modules().items()
        for target in tree.imports(name, file)
        if tree.below(target, "hutch.fs")
        and not tree.below(name, "hutch.fs")
        and not tree.below(name, "hutch.previews")
    }
    assert needing == set()  # its library is an extra, and is loaded with it


def test_client_and_server_share_only_the_contract() -> None:
    crossing = {
        (name, target)
        for name, file in tree.modules().items()
        for target in tree.imports(name, file)
        if (tree.below(name, "hutch") and tree.below(target, "hutch_api"))
        or (
            tree.below(name, "hutch_api")
            and tree.below(target, "hutch")
            and not tree.below(target, "hutch.contract")
        )
    }
    assert crossing == set()


def test_an_import_upwards_is_seen() -> None:
    assert layer_of("hutch_api.domain.lifecycle") == "hutch_api.domain"
    assert "starlette" not in MAY_IMPORT["hutch_api.domain"]
    file = tree.modules()["hutch_api.http.app"]
    assert "starlette.applications" in set(tree.imports("hutch_api.http.app", file))


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_may_import_only_what_it_does_import(layer: str) -> None:
    ours = {"hutch", "hutch_api", "bench", "tests"}
    foreign = {p for p in MAY_IMPORT[layer] if p.partition(".")[0] not in ours}
    used = {
        package
        for name, file in tree.modules().items()
        if layer_of(name) == layer
        for target in tree.imports(name, file)
        for package in foreign
        if tree.below(target, package)
    }
    assert foreign - used == set()
