"""The proof as one HTML page that needs nothing else: no script, no network, pictures inside."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeseg.console.extras import require
from edgeseg.console.terminal import visible_lines
from edgeseg.proof.report import figures
from edgeseg.proof.report.charts import Svg, bar_around_zero, pair_of_bars, single_bar, steps_chart
from edgeseg.proof.report.pictures import DIFFERENCES, Cells
from edgeseg.proof.report.reliability_chart import reliability_chart

if TYPE_CHECKING:
    from jinja2 import Environment

Record = Mapping[str, Any]

LEAST_REACH = 1e-9
MARGIN = 1.1
CELL_NAMES = {
    "input": "Input",
    "truth": "Truth",
    "fp32": "fp32",
    "int8": "INT8",
    "difference": "Where INT8 differs from fp32",
}


def render_page(report: Record, cells: Sequence[Cells] = (), pictures: Mapping[str, str] | None = None) -> str:
    """Render the page of a report as it stands in ``report.json``.

    Args:
        report: plain values; see :func:`edgeseg.proof.report.report.describe_proof`.
        cells: pictures of each of its worst images, as ``data:`` URIs; without any, none are shown.
        pictures: others by name: ``coverage``.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    template = _environment().get_template("page.html")
    return template.render(**report, **_derive(report, cells), picture=(pictures or {}).get("coverage")) + "\n"


@functools.cache
def _environment() -> Environment:
    """Templates in which every text is escaped, and a value that is not there is an error."""
    jinja2 = require("jinja2", "export")
    environment: Environment = jinja2.Environment(
        loader=jinja2.PackageLoader("edgeseg.proof.report", "."),
        autoescape=True,
        finalize=_show,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "between": figures.format_between,
        "limit": figures.format_limit,
        "number": figures.format_number,
        "percent": figures.format_percent,
        "plain": figures.format_plain,
        "range": figures.format_range,
        "signed": figures.format_signed,
        "words": figures.format_words,
    }
    environment.tests |= {"digest": figures.is_digest, "given": figures.is_given}
    environment.globals |= {
        "bar_around_zero": bar_around_zero,
        "pair_of_bars": pair_of_bars,
        "single_bar": single_bar,
        "cell_names": CELL_NAMES,
    }
    return environment


def _show(value: Any) -> Any:
    """Show control characters and text order as they are, so that a name cannot reorder a line of figures."""
    return visible_lines(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _derive(report: Record, cells: Sequence[Cells]) -> dict[str, Any]:
    """What the template needs beside the report: parts of it in order, and how far the bars reach."""
    verdict, stages = report["verdict"], list(report["comparison"]["stages"].values())
    calibration, provenance = report["calibration"], report["provenance"]
    return {
        "title": f"{report['name']}: {report['precision'].upper()} for {verdict['engine']}",
        "fp32": stages[0],
        "int8": stages[-1],
        **_derive_checks(report),
        **_derive_confidence(stages),
        **_derive_reaches(report),
        "worst": list(zip(report["worst_images"], cells, strict=True)) if cells else [],
        "differences": _list_differences(cells),
        **(_derive_search(report["ladder"], verdict["checks"][0]["limit"]) if report["ladder"] else {}),
        "times": _list_times(report["speed"]) if report["speed"] else {},
        "calibration_facts": {key: value for key, value in calibration.items() if key != "warnings"},
        "machine_facts": {**provenance["toolchain"], "machine": provenance["machine"]},
    }


def _derive_checks(report: Record) -> dict[str, list[Record]]:
    """Every check, and those that the images cannot judge; earlier reports know only held and missed."""
    checks: list[Record] = [
        {
            "verdict": "held" if check["passed"] else "missed",
            **dict.fromkeys(("upper", "interval", "images", "images_needed", "sequences")),
            **check,
        }
        for check in report["verdict"]["checks"]
    ]
    return {"checks": checks, "unsure": [check for check in checks if check["verdict"] == "cannot tell"]}


def _derive_confidence(stages: Sequence[Record]) -> dict[str, Any]:
    """Confidence of both models with their reliability, where the network has any; earlier reports have none."""
    sure = [found for stage in (stages[0], stages[-1]) if (found := stage.get("confidence"))]
    if len(sure) < 2:
        return {"confidence": None, "reliability": None}
    bins = {kind: found["reliability"] for kind, found in zip(("fp32", "int8"), sure, strict=True)}
    titles = ("probability that was stated", "share that was right")
    chart = reliability_chart(bins, titles) if all(bins.values()) else None
    return {"confidence": {"fp32": sure[0], "int8": sure[1]}, "reliability": chart}


def _derive_reaches(report: Record) -> dict[str, float | None]:
    """Points from the middle of the bars to their edges, and the limit of a class."""
    checks, drops = report["verdict"]["checks"], report["comparison"]["class_drops"].values()
    limit = next((check["limit"] for check in checks if _read_field(check) == "max_class_drop"), None)
    return {
        "budget_reach": MARGIN * max([LEAST_REACH, *(max(abs(c["lost"] or 0), c["limit"] or 0) for c in checks)]),
        "class_reach": MARGIN * max([LEAST_REACH, limit or 0, *(abs(drop) for drop in drops if drop is not None)]),
        "class_limit": limit,
    }


def _read_field(check: Record) -> str:
    """Read which setting a check judged; earlier reports name its flag."""
    return str(check.get("field") or check["flag"].removeprefix("--").replace("-", "_"))


def _list_differences(cells: Sequence[Cells]) -> list[tuple[str, str]]:
    """Colours in the pictures of differences and what they mean; without masks nobody knows who is right."""
    if any("truth" in row for row in cells):
        return list(DIFFERENCES.values())
    return [(DIFFERENCES["other"][0], "another label than fp32")]


def _derive_search(ladder: Record, limit: float | None) -> dict[str, Any]:
    """Rungs with the fewest layers in float first, and their chart where there are two.

    Args:
        ladder: as :meth:`~edgeseg.proof.ladder.Ladder.to_dict` gives it.
        limit: points that may be lost, or None.
    """
    rungs = sorted(ladder["rungs"], key=lambda rung: (len(rung["kept"]), rung["drop_points"] or 0.0))
    return {
        "rungs": rungs,
        "confidence_moved": any(rung.get("confidence_change") is not None for rung in rungs),
        "steps": _draw_steps(rungs, ladder["chosen"], limit),
        "most_at_risk": max([1e-12, *(one["at_risk"] or 0.0 for one in ladder["risk"])]),
    }


def _draw_steps(rungs: Sequence[Record], chosen: Sequence[str] | None, limit: float | None) -> Svg | None:
    points = [(float(len(r["kept"])), float(r["drop_points"])) for r in rungs if r["drop_points"] is not None]
    at = next((at for at, rung in enumerate(rungs) if rung["kept"] == chosen), None)
    return steps_chart(points, limit, ("layers kept in float", "points lost"), at) if len(points) > 1 else None


def _list_times(speed: Record) -> dict[str, float]:
    """Median milliseconds of both, or none where one could not be timed."""
    times = {"fp32": speed["fp32_p50_ms"], "int8": speed["int8_p50_ms"]}
    return {} if None in times.values() else times
