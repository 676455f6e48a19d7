"""``edgeseg verify ARTIFACT --when-changed CLIP``: what it costs, and saves, to infer only what has changed."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from edgeseg.console.command import edgeseg_command
from edgeseg.console.progress import bar_on_tty
from edgeseg.console.terminal import say_lines, visible
from edgeseg.console.text_table import format_table
from edgeseg.errors import GateFailed, UserError

if TYPE_CHECKING:
    from edgeseg.runtime.measure.reuse import ReuseCost, ReuseReport

_WORTH = 1.2
"""Fewer inferences than that by a factor are no reason to keep masks; it does not depend on who else uses the cores."""


def verify_when_changed(args: argparse.Namespace) -> int:
    """Measure the clip, print what was found, and return the exit code.

    Raises:
        GateFailed: more is lost than may be, at the change that was asked about or at every one.
        UserError: not one artifact.
    """
    from edgeseg.artifact import Artifact
    from edgeseg.runtime.analysis.settings import WhenChanged
    from edgeseg.runtime.engines.engine import EngineOptions
    from edgeseg.runtime.measure.reuse import MAX_DROP, measure_reuse

    if len(args.models) != 1:
        raise UserError(f"--when-changed is about one artifact; found {len(args.models)}.")
    refresh_s = WhenChanged.refresh_s if args.refresh is None else args.refresh
    max_drop = MAX_DROP if args.max_drop is None else args.max_drop
    options = EngineOptions(args.device or "CPU", precision=args.precision)
    artifact = Artifact.open(args.models[0])
    report = measure_reuse(artifact, args.when_changed, args.change, refresh_s, max_drop, options, bar_on_tty)
    say_lines(json.dumps(report.to_dict(), indent=2) if args.json else _text(report, args))
    if not report.holds:
        raise GateFailed(_miss(report))
    return 0


def _text(report: ReuseReport, args: argparse.Namespace) -> str:
    rows = [["change %", "inferred", "saved", "points lost", "worst class", "", "worst frame", ""]]
    rows += [_row(cost, report) for cost in report.costs]
    lines = [
        f"{report.artifact} on {visible(report.clip)}: {report.frames} frames, inferred at least each "
        f"{report.refresh_s:g} s; points of mIoU lost against inferring every frame",
        format_table(rows, left=(4, 6)),
        f"A mask that is always one frame late loses {report.one_late:.2f} points.",
        f"core time a frame, decoding included: {report.every_core_ms:.2f} ms with every frame inferred{_less(report)}",
    ]
    if report.holds and report.chosen is not None:
        if report.frames < _WORTH * report.chosen.inferred:
            return "\n".join([*lines, "Too little of this clip stands still: infer every frame of it."])
        words = ("run", args.models[0], "--source", "CAMERA", "--when-changed", "--change", f"{report.chosen.change:g}")
        lines.append(f"To type: {edgeseg_command(*words)}")
    return "\n".join(lines)


def _less(report: ReuseReport) -> str:
    if report.chosen is None or not report.core_ms:
        return ""
    times = report.every_core_ms / report.core_ms
    return f", {report.core_ms:.2f} ms at --change {report.chosen.change:g}: {times:.2f} times less"


def _row(cost: ReuseCost, report: ReuseReport) -> list[str]:
    name, points = cost.worst_class
    mark = " *" if report.chosen is not None and cost.change == report.chosen.change else ""
    share = 100 * (1 - cost.inferred / report.frames)
    return [
        f"{cost.change:g}{mark}",
        str(cost.inferred),
        f"{share:.0f} %",
        f"{cost.drop:.2f}",
        name,
        f"{points:.2f}",
        f"{cost.worst_frame}",
        f"{100 * (1 - cost.worst_iou):.1f}",
    ]


def _miss(report: ReuseReport) -> str:
    allowed = f"{report.max_drop:g} points may be lost"
    if report.chosen is None:
        least = report.costs[0]
        return f"{allowed}, and {least.drop:.2f} are at any change already. Infer every frame of this camera."
    return (
        f"{allowed}, and --change {report.chosen.change:g} loses {report.chosen.drop:.2f}. "
        "Leave --change out to find the largest that holds."
    )
