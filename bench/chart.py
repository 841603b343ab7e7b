"""The chart about a run, as SVG that can be read on light and dark pages.

usage: python -m bench.chart [RESULT.json …]
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench import page, results
from bench.meter import Usage
from bench.results import Run, Spread, Way, WorkDone

_COLUMN: Final = 430
_NAMES: Final = 62
_BARS: Final = 250
_LINE: Final = 20
_BAR: Final = 13
_TITLE: Final = 30
_GAP: Final = 18
_WAYS: Final[tuple[Way, ...]] = ("push", "clone")
# Mid tones: each stands out from white and from black.
_TEXT, _OURS, _OTHER, _WHISKER = "#808a94", "#1a9988", "#98a2ad", "#5f6871"


def write(run: Run | None) -> Iterator[str]:
    """Write the chart, line by line: a panel for each work and way."""
    panels = [] if run is None else list(_panels(run))
    rows = (panels[i : i + 2] for i in range(0, len(panels), 2))
    body: list[str] = []
    top = _GAP
    for row in rows:
        for column, (title, bars) in enumerate(row):
            body += _panel(title, bars, left=column * _COLUMN + _GAP, top=top)
        top += _TITLE + _LINE * max(len(bars) for _, bars in row) + _GAP
    width = 2 * _COLUMN + _GAP
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" '
        f'width="{width}" height="{top}" font-family="sans-serif" font-size="12" '
        f'fill="{_TEXT}">\n'
    )
    yield "<title>Throughput of each tool; longer is faster</title>\n"
    yield from (f"{line}\n" for line in body)
    yield "</svg>\n"


def _panels(run: Run) -> Iterator[tuple[str, list[tuple[str, Spread]]]]:
    for store in page.STORES:
        for work in run.works:
            for way in _WAYS:
                found = results.usages(run, store, work.name, way)
                if found:
                    rate = "files/s" if work.by_files else "MB/s"
                    beside = "" if store == "default" else f", --{store}"
                    title = f"{way} {work.title}{beside}: {rate}"
                    yield title, [(t, _rates(work, c)) for t, c in found.items()]


def _rates(work: WorkDone, costs: Sequence[Usage]) -> Spread:
    return Spread.of(page.throughput(work, u.wall_s) for u in costs)


def _panel(
    title: str, bars: Sequence[tuple[str, Spread]], *, left: int, top: int
) -> Iterator[str]:
    yield (f'<text x="{left}" y="{top + 14}" font-weight="bold">{escape(title)}</text>')
    scale = _BARS / max(spread.most for _, spread in bars)
    start = left + _NAMES
    for number, (tool, spread) in enumerate(bars):
        y = top + _TITLE + number * _LINE
        middle = y + _BAR / 2
        low, high = start + spread.least * scale, start + spread.most * scale
        colour = _OURS if tool == "hutch" else _OTHER
        yield (
            f'<text x="{start - 8}" y="{y + 11}" text-anchor="end">{tool}</text>'
            f'<rect x="{start}" y="{y}" width="{spread.median * scale:.1f}" '
            f'height="{_BAR}" rx="2" fill="{colour}"/>'
            f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="{_WHISKER}"/>'
            f'<text x="{high + 8:.1f}" y="{y + 11}">{spread.median:,.0f}</text>'
        )


if __name__ == "__main__":
    sys.stdout.writelines(write(page.chosen(sys.argv[1:])))
