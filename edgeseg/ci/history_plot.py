"""A history as a picture: mIoU, latency and size by commit, with the places where they changed."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.ci.changes import Change, Slide, explain
from edgeseg.ci.history import Row
from edgeseg.errors import UserError
from edgeseg.files.atomic import atomic_file
from edgeseg.proof.report.charts import Svg, join, tag

WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM, GAP = 900, 150, 70, 20, 34, 30, 26
DAY_S, MONTH_DAYS = 86400.0, 30.44
INK, SOFT, LINE, MARK = "#1f2328", "#59636e", "#0b6bcb", "#b3261e"
MEASURES = (("miou", "mIoU", 1.0, "{:.4f}"), ("p50_ms", "p50, ms", 1.0, "{:.2f}"))
MORE = (("ratio", "CPU time in reference workloads", 1.0, "{:.3f}"), ("bytes", "size, MB", 1e-6, "{:.3f}"))


@dataclass(frozen=True)
class Series:
    """One figure of one artifact on one device over time.

    Attributes:
        title: of the figure.
        form: how a value is written.
        rows: the checks that have it, oldest first.
        values: of each.
        changes: where it changed.
        slide: how it drifts where no step explains it.
    """

    title: str
    form: str
    rows: tuple[Row, ...]
    values: tuple[float, ...]
    changes: tuple[Change, ...]
    slide: Slide | None

    def describe(self) -> list[str]:
        """Say what changed when, a sentence each."""
        said = []
        for change in self.changes:
            row = self.rows[change.at]
            before, after = self.form.format(change.before), self.form.format(change.after)
            at = f"commit {row.commit_id[:10]}, " if row.commit_id else ""
            said.append(
                f"{self.title} changed from {before} to {after} ({_percent(change)}) with the check of {at}{row.time}."
            )
        if self.slide is not None:
            middle = sorted(self.values)[len(self.values) // 2]
            monthly = 100 * self.slide.slope * MONTH_DAYS / middle if middle else 0.0
            said.append(f"{self.title} slides by {monthly:+.1f} % a month over {len(self.values)} checks.")
        return said


def _percent(change: Change) -> str:
    return f"{100 * (change.after / change.before - 1):+.1f} %" if change.before else "from nothing"


def list_series(rows: Sequence[Row]) -> dict[str, list[Series]]:
    """Group checks by artifact and device, and find what changed in each; keys are titles for people.

    Raises:
        UserError: there is no check.
    """
    if not rows:
        raise UserError("The history holds no check yet. Append one with `history` before it is drawn.")
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.artifact, row.device), []).append(row)
    found = {}
    for (artifact, device), own in groups.items():
        series = [_series(own, *measure) for measure in (*MEASURES, *MORE)]
        found[f"{artifact} on {own[-1].cpu} ({device})"] = [one for one in series if one.values]
    return found


def _series(rows: Sequence[Row], name: str, title: str, scale: float, form: str) -> Series:
    own = tuple(row for row in rows if getattr(row, name) is not None)
    values = tuple(scale * float(getattr(row, name)) for row in own)
    days = [datetime.datetime.fromisoformat(row.time).timestamp() / DAY_S for row in own]
    changes, slide = explain(days, values)
    return Series(title, form, own, values, tuple(changes), slide)


def draw_history(rows: Sequence[Row], path: Path) -> list[str]:
    """Draw a history as SVG.

    Args:
        rows: of :func:`edgeseg.ci.history.read_rows`.
        path: of the picture, which is replaced whole.

    Returns:
        A sentence for each change and each slide.

    Raises:
        UserError: there is no check.
        OutputError: it cannot be written.
    """
    shapes: list[Svg] = []
    said: list[str] = []
    y = 0.0
    for title, series in list_series(rows).items():
        shapes.append(_text(LEFT, y + 22, title, INK, "start", 15))
        y += TOP
        for one in series:
            shapes.append(_panel(one, y))
            said += [f"{title}: {sentence}" for sentence in one.describe()]
            y += PANEL + GAP
        y += BOTTOM
    style = {"font_family": "system-ui, sans-serif", "xmlns": "http://www.w3.org/2000/svg", "role": "img"}
    ground = tag("rect", width=WIDTH, height=f"{y:.0f}", fill="#ffffff")
    label = "; ".join(said) or "No figure changed."
    picture = tag("svg", tag("title", label), ground, *shapes, viewBox=f"0 0 {WIDTH} {y:.0f}", width=WIDTH, **style)
    with atomic_file(path) as staged:
        staged.write_text(picture + "\n", encoding="utf-8")
    return said


def _panel(series: Series, top: float) -> Svg:
    low, high = min(series.values), max(series.values)
    margin = 0.1 * (high - low) or abs(high) * 0.01 or 1.0
    low, high = low - margin, high + margin
    count = len(series.values)

    def at(number: int, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (number + 0.5) / count
        return x, top + 20 + (PANEL - 40) * (high - value) / (high - low)

    points = [at(number, value) for number, value in enumerate(series.values)]
    bottom = top + PANEL - 20
    shapes = [
        _text(LEFT, top + 10, series.title, INK, "start", 12),
        tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom, stroke=SOFT),
        _text(LEFT - 6, top + 24, series.form.format(high), SOFT, "end", 11),
        _text(LEFT - 6, bottom, series.form.format(low), SOFT, "end", 11),
        _text(LEFT, bottom + 14, _name(series.rows[0]), SOFT, "start", 11),
        _text(WIDTH - RIGHT, bottom + 14, _name(series.rows[-1]), SOFT, "end", 11),
        tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), fill="none", stroke=LINE),
    ]
    for (x, y), row, value in zip(points, series.rows, series.values, strict=True):
        told = tag("title", f"{row.time} {row.commit_id[:10]} {series.form.format(value)}, {row.verdict}")
        shapes.append(tag("circle", told, cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, fill=LINE))
    for change in series.changes:
        x = (points[change.at - 1][0] + points[change.at][0]) / 2
        said = f"{series.form.format(change.before)} to {series.form.format(change.after)}"
        shapes.append(
            tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=top + 16, y2=bottom, stroke=MARK, stroke_dasharray="4 3")
        )
        end = "end" if x > WIDTH - 200 else "start"
        shapes.append(_text(x + (-4 if end == "end" else 4), top + 24, said, MARK, end, 11))
    return join(*shapes)


def _name(row: Row) -> str:
    return " ".join(filter(None, (row.time[:10], row.commit_id[:10])))


def _text(x: float, y: float, text: str, colour: str, anchor: str, size: int) -> Svg:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", fill=colour, text_anchor=anchor, font_size=size)
