"""One page of what a test run asserted, with the pictures of differences in it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from edgeseg.ci.recorder import Entry
from edgeseg.files.atomic import atomic_file
from edgeseg.proof.report.charts import Svg, join, tag

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8886; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.failed { color: light-dark(#b3261e, #ff8a80); font-weight: 600; }
.passed { color: light-dark(#1a6b2c, #7fd694); }
.unsure { color: light-dark(#7a5200, #f2c55c); font-weight: 600; }
img { max-width: 100%; margin-top: .5rem; }
"""
CLASS = {"passed": "passed", "failed": "failed", "cannot tell": "unsure"}


def write_page(path: Path, entries: Sequence[Entry]) -> None:
    """Write the page.

    Args:
        path: of the HTML file, which is replaced whole.
        entries: in the order in which they are shown.

    Raises:
        OutputError: it cannot be written.
    """
    bad = sum(entry.outcome.verdict == "failed" for entry in entries)
    unsure = sum(entry.outcome.verdict == "cannot tell" for entry in entries)
    verdict = f"{len(entries)} gates, {bad} failed" + (f", {unsure} could not be judged" if unsure else "")
    head = tag("tr", *(tag("th", name) for name in ("gate", "verdict", "found", "limit", "what it says")))
    body = join(
        tag("h1", "edgeseg gates"),
        tag("p", verdict, class_="failed" if bad else "passed"),
        tag("table", tag("thead", head), tag("tbody", *map(_row, entries))),
    )
    top = join(tag("meta", charset="utf-8"), tag("meta", name="viewport", content="width=device-width"))
    page = tag("html", tag("head", top, tag("title", "edgeseg gates"), Svg(f"<style>{STYLE}</style>")), body, lang="en")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as staged:
        staged.write_text(f"<!doctype html>\n{page}\n", encoding="utf-8")


def _row(entry: Entry) -> Svg:
    one = entry.outcome
    pictures = [_picture(Path(path)) for path in entry.pictures if one.verdict == "failed"]
    said = " ".join(filter(None, (one.sentence, one.note)))
    return tag(
        "tr",
        tag("td", one.name, tag("br"), tag("small", entry.test)),
        tag("td", one.verdict, class_=CLASS[one.verdict]),
        tag("td", _number(one.found), class_="number"),
        tag("td", _number(one.limit), class_="number"),
        tag("td", said, *pictures),
    )


def _picture(path: Path) -> Svg:
    try:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError:
        return tag("p", f"{path} is no longer there.")
    return tag("img", src=f"data:image/png;base64,{data}", alt=f"Where the masks differ: {path.stem}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
