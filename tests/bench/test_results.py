"""What the bench concludes from its samples, and writes about them."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

from bench import chart, page, results, targets
from bench.targets import Target
from tests.bench.runs import run, samples

LARGE = Target(work="large", way="push", ratio=1.25)


def test_hutch_is_compared_by_medians_with_the_fastest_peer() -> None:
    found = run(
        *samples("hutch", "push", 8, 10, 90),
        *samples("s5cmd", "push", 20, 21, 22),
        *samples("mc", "push", 1, 13, 14),
        *samples("dvc", "push", 2, 2, 2),
    )
    verdict = targets.judge(found, LARGE)
    assert verdict is not None
    assert (verdict.other, verdict.ratio, verdict.met) == ("mc", 1.3, True)


def test_a_target_that_is_missed_is_shown_as_missed() -> None:
    found = run(*samples("hutch", "push", 10), *samples("mc", "push", 12))
    text = "".join(page.write(found))
    assert "| push 4 × 1 GiB | mc | ≥ 1.25 × | 1.20 × | **no** |" in text


def test_cpu_is_compared_with_the_tool_that_is_named() -> None:
    found = run(
        *samples("hutch", "push", 10, cpu=2),
        *samples("s5cmd", "push", 10, cpu=5),
        *samples("mc", "push", 10, cpu=1),
    )
    wanted = replace(LARGE, against="s5cmd", cpu=True, ratio=2)
    verdict = targets.judge(found, wanted)
    assert verdict is not None
    assert verdict.ratio == 2.5


def test_nothing_is_concluded_without_hutch_or_without_another() -> None:
    alone = run(*samples("hutch", "push", 10), *samples("dvc", "push", 12))
    assert targets.judge(alone, LARGE) is None
    assert targets.judge(run(*samples("mc", "push", 10)), LARGE) is None


def test_a_sample_that_failed_counts_in_no_median_and_is_shown() -> None:
    broken = replace(samples("mc", "push", 1)[0], usage=None, failure="it | fell")
    found = run(broken, *samples("hutch", "push", 10))
    text = "".join(page.write(found))
    assert results.usages(found, "default", "large", "push").keys() == {"hutch"}
    assert "- mc, push large, default, round 1: it \\| fell" in text


def test_the_clone_that_is_read_again_has_its_own_row() -> None:
    found = run(*samples("hutch", "clone", 3), *samples("hutch", "verify", 2))
    text = "".join(page.write(found))
    assert "| hutch, then `hutch verify` | 5.00 (5.00–5.00) |" in text


def test_results_are_read_as_they_were_kept(tmp_path: Path) -> None:
    found = run(*samples("hutch", "push", 10, 11), *samples("mc", "clone", 12))
    results.save(found, tmp_path / "2020-02-20.json")
    results.save(replace(found, rounds=9), tmp_path / "part-x.json")
    assert results.newest(tmp_path) == found


def test_parts_of_a_comparison_are_joined() -> None:
    one, other = run(*samples("hutch", "push", 10)), run(*samples("mc", "push", 12))
    both = results.joined([one, other])
    assert [t.name for t in both.tools] == ["hutch", "mc"]
    assert targets.judge(both, LARGE) is not None
    assert not both.whole


def test_the_chart_is_well_formed_and_names_every_tool() -> None:
    found = run(*samples("hutch", "push", 10), *samples("mc", "push", 12))
    drawing = ET.fromstring("".join(chart.write(found)))  # noqa: S314 -- our own
    texts = [e.text for e in drawing.iter() if e.tag.endswith("text")]
    assert {"hutch", "mc", "push 4 × 1 GiB: MB/s"} <= set(texts)


def test_without_any_run_the_page_says_so() -> None:
    assert "No run is recorded" in "".join(page.write(None))
    ET.fromstring("".join(chart.write(None)))  # noqa: S314 -- our own
