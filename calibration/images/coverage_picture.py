"""The coverage of a calibration set as one picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeseg.calibration.images.coverage import Coverage
from edgeseg.console.extras import require
from edgeseg.image import UInt8
from edgeseg.image_traits import MEANINGS, Trait

DPI = 110
INK, PALE, REFERENCE, CALIBRATION, WARNING = "#24292f", "#8b949e", "#b9c0c8", "#1f6feb", "#cf222e"
ROW_INCHES, CLASS_INCHES = 0.62, 0.27
BINS = 28
LEAST_LEVELS = 12


def coverage_picture(coverage: Coverage) -> UInt8:
    """Draw a row a trait (reference grey, calibration blue, its range as a bar), and the classes beside.

    What the coverage warns of is red.

    Returns:
        An HWC uint8 BGR picture.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    require("matplotlib", "export")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = (len(coverage.traits) * ROW_INCHES, len(coverage.classes) * CLASS_INCHES)
    figure = Figure(figsize=(11.5 if coverage.classes else 7.5, max(3.2, *heights) + 1.5), dpi=DPI, facecolor="white")
    left, right = _columns(figure, bool(coverage.classes))
    _head(figure, coverage)
    _draw_traits(figure, left, coverage)
    if right is not None:
        _draw_classes(figure.add_subplot(right), coverage)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])


def _columns(figure: Any, two: bool) -> tuple[Any, Any]:
    inches = figure.get_figheight()
    frame = {"top": 1 - 1.0 / inches, "bottom": 0.5 / inches, "left": 0.13 if two else 0.19, "right": 0.97}
    if not two:
        return figure.add_gridspec(1, 1, **frame)[0], None
    grid = figure.add_gridspec(1, 2, width_ratios=(1.35, 1), wspace=0.42, **frame)
    return grid[0], grid[1]


def _head(figure: Any, coverage: Coverage) -> None:
    top = 1 - 0.32 / figure.get_figheight()
    second = 1 - 0.58 / figure.get_figheight()
    title = f"Coverage of {coverage.images} calibration images of {coverage.source}"
    figure.text(0.02, top, title, size=12.5, weight="bold", color=INK)
    figure.text(0.02, second, f"{coverage.images} calibration images", size=9.5, color=CALIBRATION)
    if coverage.reference_images:
        told = f"{coverage.reference_images} reference images of {coverage.reference_source}"
        figure.text(0.22 if coverage.classes else 0.31, second, told, size=9.5, color=PALE)


def _draw_traits(figure: Any, place: Any, coverage: Coverage) -> None:
    grid = place.subgridspec(len(coverage.traits), 1, hspace=0.85)
    for row, trait in enumerate(coverage.traits):
        _draw_trait(figure.add_subplot(grid[row]), trait)


def _draw_trait(axes: Any, trait: Trait) -> None:
    values = (*trait.calibration, *trait.reference)
    middle, half = (min(values) + max(values)) / 2, (max(values) - min(values)) / 2
    half = max(LEAST_LEVELS / 2, 1 + 1.08 * half)
    edges = np.linspace(middle - half, middle + half, BINS + 1)
    tops = [_draw_density(axes, trait.reference, edges, REFERENCE, 1.0)] if trait.reference else []
    tops.append(_draw_density(axes, trait.calibration, edges, CALIBRATION, 0.42))
    top = max(tops)
    axes.plot(
        [min(trait.calibration), max(trait.calibration)],
        [-0.14 * top] * 2,
        color=CALIBRATION,
        lw=3,
        solid_capstyle="butt",
        clip_on=False,
    )
    axes.set_ylim(-0.2 * top, 1.08 * top)
    axes.set_xlim(edges[0], edges[-1])
    _tidy(axes)
    axes.set_yticks([])
    axes.text(-0.02, 0.62, trait.name, transform=axes.transAxes, ha="right", size=9, color=INK)
    axes.text(-0.02, 0.18, MEANINGS[trait.name], transform=axes.transAxes, ha="right", size=5.8, color=PALE)
    if trait.inside is not None and trait.spread is not None:
        told = f"{trait.inside:.0%} inside, spread {trait.spread:.2f}"
        axes.set_title(told, loc="right", size=7.5, pad=2, color=WARNING if trait.thin else PALE)


def _draw_density(axes: Any, values: tuple[float, ...], edges: Any, color: str, alpha: float) -> float:
    """A filled outline of the distribution, smoothed over three bins; returns its height."""
    counts = np.histogram(values, edges)[0] / len(values)
    smooth = np.convolve(np.pad(counts, 1), (0.25, 0.5, 0.25), "valid")
    middles = (edges[:-1] + edges[1:]) / 2
    axes.fill_between(middles, smooth, color=color, alpha=alpha, lw=0)
    axes.plot(middles, smooth, color=color, lw=1.2)
    return float(smooth.max())


def _draw_classes(axes: Any, coverage: Coverage) -> None:
    rows = np.arange(len(coverage.classes))
    least = 0.01
    for offset, color, shares in (
        (-0.2, CALIBRATION, [one.calibration for one in coverage.classes]),
        (0.2, REFERENCE, [one.reference for one in coverage.classes]),
    ):
        axes.barh(rows + offset, [max(least, 100 * (share or 0)) - least for share in shares], 0.36, least, color=color)
    axes.set_xscale("log")
    axes.set_xlim(least, 130)
    axes.set_xticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"])
    axes.tick_params(axis="x", which="minor", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(rows, [one.name for one in coverage.classes], size=8)
    unknown = "" if coverage.classes[0].calibration is not None else ", the calibration images have no masks"
    axes.set_title(f"classes, % of the pixels{unknown}", loc="left", size=7.5, pad=4, color=PALE)
    _tidy(axes)
    for label, row, one in zip(axes.get_yticklabels(), rows, coverage.classes, strict=True):
        if one.missing:
            label.set_color(WARNING)
            axes.text(least * 1.15, row - 0.2, "in no calibration image", size=7, va="center", color=WARNING)


def _tidy(axes: Any) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(REFERENCE)
    axes.tick_params(axis="both", length=2, colors=PALE, labelsize=7)
    for label in axes.get_yticklabels():
        label.set_color(INK)
