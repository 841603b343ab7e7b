"""The tour in the README works."""

from pathlib import Path

from tests.docs.pages import ROOT, blocks
from tests.docs.terminal import lasting, session
from tests.servers import free_port


def test_the_tour_of_the_readme_works(tmp_path: Path) -> None:
    swaps = {"8400": str(free_port()), "examples": f"{ROOT}/examples"}
    [tour] = [block for block in blocks(ROOT / "README.md") if block.language == "sh"]
    with session(tmp_path, swaps=swaps) as reader:
        setup, up, *commands = reader.swap(tour.text).replace("\\\n", "").splitlines()
        assert setup.startswith("make setup &&")  # done already: this is a test
        visitor = reader.terminal("")
        start = up.partition("#")[0]
        reader.lasting.enter_context(lasting(visitor, start, "hutch is ready at …\n…"))
        for command in ("hutch-api user add noor --dir server", *commands):
            printed = visitor.run(command, password=True)
            assert visitor.status == 0, f"{command}\n{printed}"
    assert (tmp_path / "sinogram" / ".hutch").is_dir()
