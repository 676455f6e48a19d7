"""Charts of the proof page as inline SVG: no script, and printed as they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from edgeseg.console.terminal import visible_lines

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 230, 52, 14, 22, 38


class Svg(str):
    """Text that is markup already; a template leaves it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def pair_of_bars(fp32: float | None, int8: float | None, full: float = 1.0) -> Svg:
    """Draw two bars, fp32 over INT8, as shares of ``full``; None draws no bar."""
    bars = [
        tag("rect", class_=name, x=0, y=y, width=f"{max(0.0, min(100.0, 100 * value / full)):.2f}", height=6)
        for name, y, value in (("fp32", 0, fp32), ("int8", 8, int8))
        if value is not None and full > 0
    ]
    return _bar("bar", "0 0 100 14", tag("rect", class_="track", width=100, height=14), *bars)


def single_bar(value: float | None, full: float, kind: str = "int8") -> Svg:
    """Draw one bar as a share of ``full``; None draws none."""
    width = 0.0 if value is None or full <= 0 else max(0.0, min(100.0, 100 * value / full))
    bar = tag("rect", class_=kind, y=1, width=f"{width:.2f}", height=8)
    return _bar("bar thin", "0 0 100 10", tag("rect", class_="track", width=100, height=10), bar)


def bar_around_zero(lost: float | None, limit: float | None, reach: float) -> Svg:
    """Draw points lost to the right of zero, won to the left; the limit is a dashed line.

    Args:
        lost: points, negative when won.
        limit: how many may be lost; None: any number.
        reach: points from the middle to either edge.
    """
    scale = 100 / reach if reach > 0 else 0.0
    lines = [_upright("zero", 0)]
    if limit is not None and limit <= reach:
        lines.append(_upright("limit", limit * scale))
    if lost is None:
        return _bar("bar thin", "-101 0 202 10", *lines)
    length = min(100.0, abs(lost) * scale)
    bar = tag("rect", class_="int8", x=f"{0 if lost > 0 else -length:.2f}", y=2, width=f"{length:.2f}", height=6)
    return _bar("bar thin", "-101 0 202 10", tag("rect", class_="track", x=-100, width=200, height=10), bar, *lines)


def _bar(kind: str, box: str, *shapes: str) -> Svg:
    return tag("svg", *shapes, class_=kind, viewBox=box, preserveAspectRatio="none", aria_hidden="true")


def _upright(kind: str, x: float) -> Svg:
    return tag("line", class_=kind, x1=f"{x:.2f}", x2=f"{x:.2f}", y1=0, y2=10, vector_effect="non-scaling-stroke")


def steps_chart(
    points: Sequence[tuple[float, float]], limit: float | None, titles: tuple[str, str], chosen: int | None = None
) -> Svg:
    """Draw points lost (y) by how many layers stay in float (x), with the limit.

    Args:
        points: (layers kept, points lost), fewest layers first.
        limit: points that may be lost, or None.
        titles: of the x and the y axis.
        chosen: position of the point that was taken, or None.
    """
    values = [lost for _, lost in points] + ([limit] if limit is not None else []) + [0.0]
    low, high = min(values), max(values)
    high = high if high > low else low + 1
    right = max([1.0, *(kept for kept, _ in points)])

    def at(kept: float, lost: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * kept / right
        return x, TOP + (HEIGHT - TOP - BOTTOM) * (high - lost) / (high - low)

    shapes = [_axes(titles, low, high, right, at(0, 0)[1])]
    if limit is not None:
        shapes.append(_limit_line(at(0, limit)[1], limit))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in points))
    shapes.append(tag("polyline", class_="path", points=line))
    shapes.extend(_dot(*at(*point), chosen=i == chosen, title=_point(point)) for i, point in enumerate(points))
    label = f"{titles[1]} by {titles[0]}: " + "; ".join(_point(point) for point in points)
    return tag("svg", *shapes, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)


def _point(point: tuple[float, float]) -> str:
    return f"{point[0]:g} kept, {point[1]:.2f} points lost"


def _dot(x: float, y: float, chosen: bool, title: str) -> Svg:
    kind = "dot chosen" if chosen else "dot"
    return tag("circle", tag("title", title), class_=kind, cx=f"{x:.1f}", cy=f"{y:.1f}", r=7 if chosen else 4)


def _axes(titles: tuple[str, str], low: float, high: float, right: float, zero: float) -> Svg:
    bottom = HEIGHT - BOTTOM
    return join(
        tag("line", class_="axis", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{zero:.1f}", y2=f"{zero:.1f}"),
        tag("line", class_="axis", x1=LEFT, x2=LEFT, y1=TOP, y2=bottom),
        _text(LEFT - 8, TOP + 4, f"{high:.2f}", "end"),
        _text(LEFT - 8, bottom + 4, f"{low:.2f}", "end"),
        _text(LEFT, bottom + 18, "0", "middle"),
        _text(WIDTH - RIGHT, bottom + 18, f"{right:g}", "end"),
        _text((LEFT + WIDTH - RIGHT) / 2, bottom + 32, titles[0], "middle"),
        _text(2, 11, titles[1], "start"),
    )


def _limit_line(y: float, limit: float) -> Svg:
    line = tag("line", class_="limit", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}")
    return join(line, _text(WIDTH - RIGHT, y - 5, f"budget {limit:g}", "end"))


def _text(x: float, y: float, text: str, anchor: str) -> Svg:
    return tag("text", text, class_="soft", x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def tag(element: str, /, *children: str, **attributes: object) -> Svg:
    """Write ``<element attributes>children</element>``.

    Args:
        element: its name.
        children: :class:`Svg`, or text that is escaped.
        attributes: None leaves one out. A trailing underscore is dropped (``class_``), others become hyphens.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Svg(f"<{element}{written}>{join(*children)}</{element}>")


def join(*children: str) -> Svg:
    """Write children one after the other, text escaped."""
    return Svg("".join(child if isinstance(child, Svg) else _escape(child) for child in children))


def _escape(text: str) -> str:
    """Control characters and text order are shown as they are; see :mod:`edgeseg.console.terminal`."""
    return escape(visible_lines(text))
