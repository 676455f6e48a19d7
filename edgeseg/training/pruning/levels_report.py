"""What was measured of a network's levels, in words and drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeseg.files.atomic import atomic_file
from edgeseg.training.pruning.levels import LevelReport


def level_lines(report: LevelReport, max_drop: float, command: str | None = None) -> Iterator[str]:
    """Lay out a table of the levels, a sentence about what can be cut, and the command that cuts it."""
    yield f"mIoU {report.miou:.4f} with {report.weights:,} weights; points of mIoU lost without"
    yield "level  stride  its skip  everything below   weights below"
    for level in report.levels:
        share = 100 * level.below_weights / report.weights
        losses = f"{level.skip_loss:>8.2f}  {level.below_loss:>16.2f}"
        yield f"{level.level:>5}  {level.stride:>6}  {losses}   {level.below_weights:,} ({share:.0f} %)"
    yield verdict(report, max_drop)
    if command:
        yield f"  {command}"


def verdict(report: LevelReport, max_drop: float) -> str:
    """Say which levels can be cut for at most ``max_drop`` points."""
    level = report.cut(max_drop)
    if level is None:
        cheapest = min(report.levels, key=lambda one: one.below_loss)
        return (
            f"No level can be cut for {max_drop:g} points: the cheapest cut, below stride {cheapest.stride}, "
            f"costs {cheapest.below_loss:.2f}."
        )
    share = 100 * level.below_weights / report.weights
    return (
        f"Everything below stride {level.stride} can be cut: it holds {share:.0f} % of the weights and its loss "
        f"costs {level.below_loss:.2f} points (allowed: {max_drop:g}), before any further training."
    )


def level_values(report: LevelReport, max_drop: float, command: str | None = None) -> dict[str, Any]:
    """Return the same as plain values."""
    level = report.cut(max_drop)
    return {
        "miou": report.miou,
        "weights": report.weights,
        "levels": [dict(vars(one)) for one in report.levels],
        "cut_below_level": level.level if level else None,
        "cut_below_stride": level.stride if level else None,
        "command": command,
        "max_drop": max_drop,
        "verdict": verdict(report, max_drop),
    }


def write_levels(path: Path, report: LevelReport, title: str) -> None:
    """Draw two bars a level: mIoU points lost without its skip, and without everything below it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    places = list(range(len(report.levels)))
    for shift, name, values in (
        (-0.2, "without its skip", [level.skip_loss for level in report.levels]),
        (0.2, "without everything below", [level.below_loss for level in report.levels]),
    ):
        bars = axes.bar([place + shift for place in places], values, 0.38, label=name)
        axes.bar_label(bars, fmt="%.1f", padding=2)
    axes.set_xticks(places, [f"level {one.level}\nstride {one.stride}" for one in report.levels])
    axes.set_ylabel("mIoU points lost")
    axes.margins(y=0.12)
    axes.set_title(f"{title}: mIoU {report.miou:.3f}")
    axes.legend()
    with atomic_file(path) as staged:
        figure.savefig(staged, dpi=110, format="png")
