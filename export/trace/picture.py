"""Signal to noise by depth, drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.errors import OutputError
from edgeseg.export.trace.report import verdict
from edgeseg.export.trace.trace import FLOAT_FLOOR_DB, Trace
from edgeseg.files.atomic import atomic_file, check_writable, writing

TOP_DB, INT8_TOP_DB, BOTTOM_DB = 160.0, 70.0, -20.0
TITLE_CHARACTERS = 30
LABELLED = 40
INK, TOTAL, OWN, CULPRIT, FLOOR = "#24292f", "#1f6feb", "#8b949e", "#cf222e", "#bf8700"


def check_picture(path: Path) -> None:
    """Raise before the work when the picture could not be written after it."""
    if path.suffix.lower() != ".png":
        raise OutputError(f"`trace_out` is a PNG file; found {path}. Give a name that ends in .png.")
    require("matplotlib", "export")
    check_writable(path.parent)


def write_trace(path: Path, traces: Sequence[Trace]) -> None:
    """Write a PNG with a panel a trace.

    Raises:
        MissingExtra: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    require("matplotlib", "export")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    longest = max(len(trace.layers) for trace in traces)
    width = min(18.0, max(8.0, 2 + 0.2 * longest))
    figure = Figure(figsize=(width, 5.2 * len(traces)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, trace in zip(np.atleast_1d(figure.subplots(len(traces), 1)), traces, strict=True):
        _draw(axes, trace)
    with writing(path), atomic_file(path) as staged:
        figure.savefig(staged, dpi=110, format="png")


def _draw(axes: Any, trace: Trace) -> None:
    top = INT8_TOP_DB if trace.floor_db < FLOAT_FLOOR_DB else TOP_DB
    total, own = (np.clip(values, BOTTOM_DB, top) for values in _figures(trace))
    depth = np.arange(len(trace.layers))
    axes.plot(depth, own, "o", color=OWN, markersize=4, label=f"own: the layer alone ({top:.0f} dB: that or more)")
    axes.plot(depth, total, "-", color=TOTAL, marker=".", label="SNR: with everything before it")
    axes.axhline(trace.floor_db, color=FLOOR, linestyle="--", linewidth=1, label=f"floor, {trace.floor_db:.0f} dB")
    lowest = float(np.nanmin([*total, *own, trace.floor_db], initial=trace.floor_db))
    axes.set_ylim(lowest - 5, top + 0.25 * (top - lowest))
    axes.set_xlim(-0.5, len(depth) - 0.5)
    _mark(axes, own, _culprit(trace))
    _ticks(axes, trace)
    _words(axes, trace)


def _figures(trace: Trace) -> tuple[Any, Any]:
    both = [(one.total.snr_db, one.own.snr_db) for one in trace.layers]
    return np.array(both)[:, 0], np.array(both)[:, 1]


def _culprit(trace: Trace) -> int | None:
    names = [one.layer.name for one in trace.layers]
    return names.index(trace.finding.layer) if trace.finding else None


def _mark(axes: Any, own: Any, at: int | None) -> None:
    if at is None:
        return
    value = np.nan_to_num(own[at], nan=axes.get_ylim()[0])
    axes.axvline(at, color=CULPRIT, linewidth=1)
    axes.plot([at], [value], "o", color=CULPRIT, markersize=9, markerfacecolor="none", markeredgewidth=2)


def _ticks(axes: Any, trace: Trace) -> None:
    """Not more than fit, and the culprit in red."""
    at, step = _culprit(trace), -(-len(trace.layers) // LABELLED)
    every = range(len(trace.layers))
    shown = [depth for depth in every if depth == at or not depth % step]
    titles = [trace.layers[depth].layer.title for depth in shown]
    short = [title if len(title) <= TITLE_CHARACTERS else title[: TITLE_CHARACTERS - 3] + "..." for title in titles]
    axes.set_xticks(shown, short, rotation=60, ha="right", fontsize=7)
    for depth, label in zip(shown, axes.get_xticklabels(), strict=True):
        label.set_color(CULPRIT if depth == at else INK)


def _words(axes: Any, trace: Trace) -> None:
    axes.set_ylabel("signal to noise, dB")
    axes.set_title(f"{trace.model} against {trace.reference}, {trace.images} images", loc="left", color=INK)
    colour = CULPRIT if trace.finding else INK
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    axes.annotate(_wrap(trace), (0, 1), (6, -6), fontsize=8, color=colour, **place)
    axes.grid(axis="y", alpha=0.25)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize=8, frameon=False)


def _wrap(trace: Trace) -> str:
    return "\n".join(textwrap.wrap(verdict(trace), 130 if len(trace.layers) > 40 else 90))
