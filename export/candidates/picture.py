"""The front as one picture: what each candidate costs against what it lost."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.export.candidates.candidate import ENERGY, SIZE, THROUGHPUT, Candidate
from edgeseg.export.candidates.choose import Candidates
from edgeseg.image import UInt8

DPI, INCHES = 110, (9.0, 5.2)
INK, PALE, FLOAT, INT8, REFUSED = "#24292f", "#8b949e", "#57606a", "#1f6feb", "#cf222e"


def draw_front(found: Candidates, max_drop: float | None = None) -> UInt8:
    """Draw every candidate that was measured; those on the front are joined, what is kept has a ring.

    Args:
        found: what was tried.
        max_drop: points that may be lost, drawn as a line.

    Returns:
        An HWC uint8 BGR picture.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    require("matplotlib", "export")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    shown = sorted((one for one in found.tried if one.pace is not None), key=lambda one: _cost(one, found.by))
    _draw(axes, found, shown)
    if max_drop is not None:
        axes.axhline(max_drop, color=REFUSED, linewidth=0.8, linestyle=":")
        axes.annotate(
            "may be lost", (1, max_drop), xycoords=("axes fraction", "data"), color=REFUSED, fontsize=8, ha="right"
        )
    _label(axes, found)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])


def _draw(axes: Any, found: Candidates, shown: list[Candidate]) -> None:
    front = [one for one in shown if found.is_on_front(one)]
    axes.plot(
        [_cost(one, found.by) for one in front], [one.drop or 0 for one in front], color=PALE, linewidth=1, zorder=1
    )
    for at, one in enumerate(shown):
        x, y = _cost(one, found.by), one.drop or 0.0
        color = REFUSED if one.out else INT8 if one.is_int8 else FLOAT
        axes.scatter([x], [y], s=42, color=color, zorder=3)
        if one is found.kept:
            axes.scatter([x], [y], s=190, facecolors="none", edgecolors=INK, linewidths=1.4, zorder=2)
        said = f"{one.name}{' (kept)' if one is found.kept else ''}"
        above = 9 if at % 2 else -15
        axes.annotate(said, (x, y), (6, above), textcoords="offset points", fontsize=8, color=color)


def _label(axes: Any, found: Candidates) -> None:
    units = {SIZE: "MB", THROUGHPUT: "milliseconds a frame, several at once", ENERGY: "core-ms or mJ a frame"}
    axes.set_xlabel(units.get(found.by, "milliseconds, one frame at a time (median)"), color=INK)
    lost = "points of mIoU lost" if found.drop_of == "mIoU" else "% of the pixels changed"
    axes.set_ylabel(lost, color=INK)
    axes.set_title(f"{found.kept.name} is kept by {found.by}\n{found.cpu}", fontsize=10, color=INK, loc="left")
    axes.margins(y=0.2)
    axes.set_xlim(0, 1.25 * max((_cost(one, found.by) for one in found.tried if one.pace is not None), default=1))
    axes.grid(color="#eaeef2", zorder=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _cost(one: Candidate, by: str) -> float:
    cost = one.cost(by)
    if by == SIZE:
        return cost / 1e6
    has_joules = by == ENERGY and one.pace is not None and one.pace.joules is not None
    return 1e3 * cost if by == THROUGHPUT or has_joules else cost
