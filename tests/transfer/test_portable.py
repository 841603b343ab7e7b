"""Names that not every machine can hold are refused, unless the site allows them."""

from dataclasses import replace

import pytest

from tests.transfer.flow import Flow, code


@pytest.mark.parametrize("path", ["a?b", "aux.txt", "dir./x", "what*"])
def test_a_name_that_windows_cannot_hold_is_refused(flow: Flow, path: str) -> None:
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    bad, good = flow.announce(ada, flow.start(ada, dataset), {path: b"1", "ok": b"2"})
    assert code(bad.problem) == "path-invalid"
    assert bad.problem is not None
    assert "Windows" in bad.problem["detail"]
    assert good.request is not None


def test_a_site_may_allow_names_that_windows_cannot_hold(flow: Flow) -> None:
    flow.site = replace(flow.site, portable_paths=False)
    ada = flow.user("ada")
    dataset = flow.dataset(ada).id
    assert flow.push(ada, dataset, {"a?b": b"1"})["a?b"].problem is None
