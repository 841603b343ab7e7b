"""The tutorial works as it is written, and prints what it shows."""

from pathlib import Path

from tests.docs.pages import DOCS, ROOT, blocks
from tests.docs.terminal import session
from tests.servers import free_port


def test_the_tutorial_works_as_it_is_written(tmp_path: Path) -> None:
    swaps = {"8400": str(free_port()), "~/hutch": str(ROOT)}
    page = DOCS / "tutorial" / "first-dataset.md"
    with session(tmp_path, swaps=swaps) as reader:
        for block in blocks(page):
            if block.language == "console" and not block.why_not:
                reader.follow(block)
    sinogram = tmp_path / "noor" / "sinogram" / "sinogram.h5"
    assert sinogram.stat().st_size > 100_000
