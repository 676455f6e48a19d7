"""The reliability diagram of the proof page: what was stated against what was right, as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeseg.proof.report.charts import Svg, join, tag

SIDE, LEFT, TOP, BOTTOM = 220, 44, 22, 38
LEAST_RADIUS, MORE_RADIUS = 2.5, 9.0

Bins = Sequence[Mapping[str, Any]]


def reliability_chart(forms: Mapping[str, Bins], titles: tuple[str, str]) -> Svg:
    """Draw the bins of every form, a dot each whose area grows with its share of the answers.

    Args:
        forms: by the class that colours them, bins with ``stated``, ``right`` and ``share``, 0..1.
        titles: of the x and the y axis.
    """
    shapes = [_frame(titles), *(_dot(kind, one) for kind, bins in forms.items() for one in bins)]
    lines = [f"{kind}: {', '.join(map(_words, bins))}" for kind, bins in forms.items()]
    box = f"0 0 {LEFT + SIDE + 14} {TOP + SIDE + BOTTOM}"
    label = f"{titles[1]} by {titles[0]}; " + "; ".join(lines)
    return tag("svg", *shapes, class_="chart", viewBox=box, role="img", aria_label=label, style="max-width: 22rem")


def _at(stated: float, right: float) -> tuple[float, float]:
    return LEFT + SIDE * stated, TOP + SIDE * (1 - right)


def _dot(kind: str, one: Mapping[str, Any]) -> Svg:
    x, y = _at(one["stated"], one["right"])
    radius = LEAST_RADIUS + MORE_RADIUS * one["share"] ** 0.5
    title = tag("title", f"{kind}: {_words(one)}, {100 * one['share']:.1f} % of the answers")
    return tag("circle", title, class_=kind, cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{radius:.1f}", fill_opacity=0.75)


def _words(one: Mapping[str, Any]) -> str:
    return f"{one['stated']:.2f} stated and {one['right']:.2f} right"


def _frame(titles: tuple[str, str]) -> Svg:
    (left, top), (right, bottom) = _at(0, 1), _at(1, 0)
    return join(
        tag("line", class_="axis", x1=left, x2=right, y1=bottom, y2=bottom),
        tag("line", class_="axis", x1=left, x2=left, y1=top, y2=bottom),
        tag("line", class_="limit", x1=left, x2=right, y1=bottom, y2=top),
        _text(left - 6, top + 4, "1", "end"),
        _text(left - 6, bottom + 4, "0", "end"),
        _text(right, bottom + 16, "1", "middle"),
        _text((left + right) / 2, bottom + 30, titles[0], "middle"),
        _text(2, 11, titles[1], "start"),
    )


def _text(x: float, y: float, text: str, anchor: str) -> Svg:
    return tag("text", text, class_="soft", x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)
