"""What was tried on the way to an INT8 model, and what it brought: sections of the proof page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeseg.proof.report.charts import single_bar, steps_chart
from edgeseg.proof.report.markup import Markup, join, tag
from edgeseg.proof.report.tables import MISSING, format_number, format_signed, table

Record = Mapping[str, Any]


def ladder_parts(ladder: Record, limit: float | None) -> Markup:
    """A search as :meth:`~edgeseg.proof.ladder.Ladder.to_dict` gives it: chart, models, noisy layers.

    Args:
        ladder: plain values.
        limit: points that may be lost, or None.
    """
    rungs = sorted(ladder["rungs"], key=lambda rung: (len(rung["kept"]), rung["drop_points"] or 0.0))
    points = [(float(len(r["kept"])), float(r["drop_points"])) for r in rungs if r["drop_points"] is not None]
    chosen = next((at for at, rung in enumerate(rungs) if rung["kept"] == ladder["chosen"]), None)
    chart = Markup("")
    if len(points) > 1:
        chart = steps_chart(points, limit, ("layers kept in float", "points lost"), chosen)
    heads = ["float layers", "mIoU", "lost", "worst class", "boundary IoU lost", "size", "time / fp32", ""]
    rows = [_rung(rung, ladder["chosen"]) for rung in rungs]
    models = table(heads, rows, "Every model that was made and measured, fewest layers in float first.")
    return join(tag("p", ladder["sentence"]), chart, models, _risk(ladder["risk"]))


def _rung(rung: Record, chosen: list[str] | None) -> list[str]:
    return [
        tag("span", str(len(rung["kept"])), title=", ".join(rung["kept"]) or None),
        format_number("mean_iou", rung["mean_iou"]),
        format_signed(rung["drop_points"]),
        f"{rung['worst_class']} {format_signed(rung['worst_class_drop'])}",
        format_signed(rung["boundary_drop"]),
        format_number("bytes", rung["bytes"]),
        _ratio(rung["latency_ratio"]),
        "chosen" if rung["kept"] == chosen else "holds" if rung["holds"] else "missed",
    ]


def _risk(risk: list[Record]) -> Markup:
    if not risk:
        return Markup("")
    most = max([1e-12, *(one["at_risk"] or 0.0 for one in risk)])
    rows = [[one["layer"], single_bar(one["at_risk"], most), format_number("", one["at_risk"])] for one in risk]
    caption = "The layers that alone put most pixels at risk: noise at the logits against the label's margin."
    return table(["layer", "", "share at risk"], rows, caption, {1: "wide"})


def method_parts(choice: Record) -> Markup:
    """Calibration methods as :meth:`~edgeseg.calibration.search.method_choice.MethodChoice.to_dict` gives them."""
    rows = [
        [
            one["method"],
            format_signed(one["drop"]),
            format_signed(one["class_drop"]),
            format_signed(one["boundary_drop"]),
            "chosen" if one["method"] == choice["method"] else one["refused"] or _held(one["within_budget"]),
        ]
        for one in choice["tries"]
    ]
    caption = f"Calibration methods, measured on {choice['measured_on']}."
    heads = ["method", "lost", "worst class lost", "boundary IoU lost", ""]
    note = tag("p", choice["note"], class_="small") if choice["note"] else Markup("")
    return join(table(heads, rows, caption, {4: "text"}), note)


def _held(within: bool) -> str:
    return "holds" if within else "over the budget"


def speed_parts(speed: Record) -> Markup:
    """A measurement as :meth:`~edgeseg.proof.speed.Speed.to_dict` gives it."""
    told = join(*(tag("p", sentence) for sentence in (speed["verdict"], speed["reason"]) if sentence))
    times = {"fp32": speed["fp32_p50_ms"], "int8": speed["int8_p50_ms"]}
    if None in times.values():
        return told
    slowest = max(times.values())
    rows = [[name, single_bar(value, slowest, name), f"{value:.2f} ms", speed[name]] for name, value in times.items()]
    caption = (
        f"Median time of one image, {speed['rounds']} rounds in turns on {speed['cpu']}. The ratio fp32 / INT8 is "
        f"{_ratio(speed['ratio'])}, give or take {100 * speed['noise']:.1f} %."
    )
    return join(told, table(["", "shorter is faster", "latency", "model"], rows, caption, {1: "wide", 3: "spare"}))


def _ratio(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"
