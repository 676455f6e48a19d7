"""The proof as one HTML page that needs nothing else: no script, no network, pictures inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeseg.proof.report.charts import bar_around_zero, pair_of_bars
from edgeseg.proof.report.coverage_sections import coverage_tables
from edgeseg.proof.report.markup import Markup, join, tag
from edgeseg.proof.report.pictures import DIFFERENCES, Cells
from edgeseg.proof.report.search_sections import ladder_parts, method_parts, speed_parts
from edgeseg.proof.report.style import STYLE
from edgeseg.proof.report.tables import MISSING, facts_table, format_signed, notes_list, table

Report = Mapping[str, Any]
NOTHING = Markup("")

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The page itself forbids browsers to fetch or run anything."""

_CELL_NAMES = {
    "input": "Input",
    "truth": "Truth",
    "fp32": "fp32",
    "int8": "INT8",
    "difference": "Where INT8 differs from fp32",
}


def page(report: Report, cells: Sequence[Cells] = (), pictures: Mapping[str, str] | None = None) -> str:
    """The page of a report as it stands in ``report.json``.

    Args:
        report: plain values; see :func:`edgeseg.proof.report.report.describe_proof`.
        cells: pictures of each of its worst images, as ``data:`` URIs.
        pictures: others by name: ``coverage``.
    """
    body = tag(
        "main",
        _header(report),
        _budget(report),
        _classes(report),
        _stages(report),
        _worst(report, cells),
        _methods(report),
        _ladder(report),
        _speed(report),
        _calibration(report, (pictures or {}).get("coverage")),
        _provenance(report),
    )
    return "<!doctype html>\n" + tag("html", _head(_title(report)), tag("body", body), lang="en") + "\n"


def _head(title: str) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )


def _title(report: Report) -> str:
    return f"{report['name']}: {report['precision'].upper()} for {report['verdict']['engine']}"


def _section(title: str, *children: str) -> Markup:
    return tag("section", tag("h2", title), *children)


def _header(report: Report) -> Markup:
    network = report["network"]
    shape = f"{network['task']}, {len(network['classes'])} classes, {network['input']}"
    return tag(
        "header",
        tag("p", "edgeseg: proof of a quantised model", class_="eyebrow"),
        tag("h1", _title(report)),
        tag("p", shape, class_="soft"),
        _verdict(report),
        _figures(report),
    )


def _verdict(report: Report) -> Markup:
    verdict, compared = report["verdict"], report["comparison"]
    state, word = ("passed", "✔ Passed") if verdict["passed"] else ("failed", "✘ Missed")
    first = verdict["checks"][0]
    lost = "an unknown amount" if first["lost"] is None else f"{first['lost']:.2f} {_unit(first)}"
    of = f" of {first['what']}" if first["what"] == "mIoU" else ""
    told = f"INT8 {'lost' if of else 'changed'} {lost}{of} on {compared['images']} images; {_limit(first)} allowed."
    where = verdict["proof_note"] or f"Measured from image file to mask in {verdict['engine']} itself."
    return tag(
        "div",
        tag("p", tag("strong", f"{word}: {'within' if verdict['passed'] else 'over'} its budget", class_=state)),
        tag("p", told),
        tag("p", where),
        class_=f"verdict {state}",
    )


def _limit(check: Report) -> str:
    return "any loss" if check["limit"] is None else f"{check['limit']:g}"


def _unit(check: Report) -> str:
    return "% of the pixels" if check["what"] == "pixels changed" else "points"


def _figures(report: Report) -> Markup:
    first, last = _ends(report)
    found = [
        ("mIoU, fp32", _number(first["mean_iou"], ".4f"), ""),
        ("mIoU, INT8", _number(last["mean_iou"], ".4f"), ""),
    ]
    found += [(f"lost: {c['what']}", format_signed(c["lost"]), f" of {_limit(c)}") for c in report["verdict"]["checks"]]
    agreement = last["agreement"]
    found.append(("pixels as in fp32", MISSING if agreement is None else f"{100 * agreement:.2f} %", ""))
    tiles = [tag("div", tag("dt", name), tag("dd", value, tag("small", more))) for name, value, more in found]
    return tag("dl", *tiles, class_="figures")


def _ends(report: Report) -> tuple[Report, Report]:
    """What was measured of the float model and of INT8."""
    stages = list(report["comparison"]["stages"].values())
    return stages[0], stages[-1]


def _number(value: float | None, form: str) -> str:
    return MISSING if value is None else format(value, form)


def _budget(report: Report) -> Markup:
    checks = report["verdict"]["checks"]
    reach = max([1e-9, *(max(abs(c["lost"] or 0), c["limit"] or 0) for c in checks)]) * 1.1
    rows = [
        [
            check["what"],
            bar_around_zero(check["lost"], check["limit"], reach),
            format_signed(check["lost"]),
            _limit(check),
            tag("span", "✔ held" if check["passed"] else "✘ missed", class_="passed" if check["passed"] else "failed"),
        ]
        for check in checks
    ]
    heads = ["what", "", "lost", "limit", "budget"]
    caption = f"{_what_points_are(report)} The dashed line is the limit."
    return _section("Budget", table(heads, rows, caption, {1: "wide spare"}))


def _what_points_are(report: Report) -> str:
    if report["comparison"]["drop_of"] == "mIoU":
        return "Points are hundredths: 0.5 points are a loss from 0.900 to 0.895."
    return "No masks were given: counted is the percentage of pixels whose label changed against fp32."


def _classes(report: Report) -> Markup:
    compared, palette = report["comparison"], report["network"]["classes"]
    first, last = _ends(report)
    limit = next((c["limit"] for c in report["verdict"]["checks"] if c["flag"] == "--max-class-drop"), None)
    drops = compared["class_drops"]
    reach = max([1e-9, limit or 0, *(abs(d) for d in drops.values() if d is not None)]) * 1.1
    rows = [
        [
            join(_swatch(palette.get(name, "#888888")), name),
            pair_of_bars(iou, last["iou"][name]),
            _number(iou, ".4f"),
            _number(last["iou"][name], ".4f"),
            format_signed(drops[name]),
            bar_around_zero(drops[name], limit, reach),
        ]
        for name, iou in first["iou"].items()
    ]
    heads = ["class", "IoU, 0 to 1", "fp32", "INT8", "points lost", ""]
    caption = f"IoU against the {compared['iou_against']}, {compared['images']} images."
    return _section("IoU by class", _key_of_bars(), table(heads, rows, caption, {1: "wide", 5: "narrow spare"}))


def _key_of_bars() -> Markup:
    return tag("ul", tag("li", _box("fp32"), "fp32"), tag("li", _box("int8"), "INT8"), class_="key")


def _box(kind: str) -> Markup:
    square = tag("rect", class_=kind, width=10, height=10)
    return tag("svg", square, class_="swatch", viewBox="0 0 10 10", aria_hidden="true")


def _swatch(color: str) -> Markup:
    square = tag("rect", fill=color, width=10, height=10)
    return tag("svg", square, class_="swatch", viewBox="0 0 10 10", aria_hidden="true")


def _stages(report: Report) -> Markup:
    compared = report["comparison"]
    rows = [
        [
            name,
            _number(stage["mean_iou"], ".4f"),
            _number(stage["mean_boundary_iou"], ".4f"),
            _percent(stage["agreement"]),
            _percent(stage["worst_image_disagreement"]),
        ]
        for name, stage in compared["stages"].items()
    ]
    heads = ["form", "mIoU", "boundary IoU", "pixels as fp32", "changed in the worst image"]
    split = f", split {compared['split']}" if compared["split"] else ""
    caption = f"{compared['images']} images of {compared['source']}{split}; {compared['skipped']} could not be read."
    return _section("The forms of the model", table(heads, rows, caption), notes_list(compared["notes"]))


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.2f} %"


def _worst(report: Report, cells: Sequence[Cells]) -> Markup:
    images = report["worst_images"]
    if not images or not cells:
        return NOTHING
    rows = [_strip(image, row) for image, row in zip(images, cells, strict=True)]
    told = f"The {len(images)} images on which INT8 differs most from fp32; masks lie over the image."
    return _section("Where INT8 differs most", tag("p", told, class_="soft"), _legend(report, cells), *rows)


def _legend(report: Report, cells: Sequence[Cells]) -> Markup:
    hidden = report["network"]["not_drawn"]
    drawn = [(n, color) for n, color in report["network"]["classes"].items() if n != hidden]
    classes = [tag("li", _swatch(color), name) for name, color in drawn]
    if hidden:
        classes.append(tag("li", f"{hidden} is left as it is"))
    labelled = any("truth" in row for row in cells)
    shown = DIFFERENCES.items() if labelled else [("other", (DIFFERENCES["other"][0], "another label than fp32"))]
    kinds = [tag("li", _swatch(color), meaning) for _, (color, meaning) in shown]
    return join(tag("ul", *classes, class_="key"), tag("ul", *kinds, class_="key"))


def _strip(image: Report, row: Cells) -> Markup:
    share = f"{100 * image['disagreement']:.2f} % of the pixels"
    figures = [
        tag(
            "figure",
            tag("img", src=uri, alt=f"{image['name']}: {_CELL_NAMES[kind]}"),
            tag("figcaption", _CELL_NAMES[kind]),
        )
        for kind, uri in row.items()
    ]
    return tag(
        "div", tag("h3", image["name"], tag("span", f", {share}", class_="soft")), tag("div", *figures, class_="strip"),
        class_="worst",
    )  # fmt: skip


def _methods(report: Report) -> Markup:
    return _section("Which method finds the ranges", method_parts(report["methods"])) if report["methods"] else NOTHING


def _ladder(report: Report) -> Markup:
    if not report["ladder"]:
        return NOTHING
    limit = report["verdict"]["checks"][0]["limit"]
    return _section("Which layers stay in float", ladder_parts(report["ladder"], limit))


def _speed(report: Report) -> Markup:
    return _section("Latency on this device", speed_parts(report["speed"])) if report["speed"] else NOTHING


def _calibration(report: Report, picture: str | None) -> Markup:
    calibration, coverage = report["calibration"], report["coverage"]
    facts = {key: value for key, value in calibration.items() if key != "warnings"}
    parts: list[str] = [facts_table(facts, "What found the ranges of INT8."), notes_list(calibration["warnings"])]
    if coverage or picture:
        parts.append(tag("h3", "What these images show"))
    if picture:
        alt = "Brightness, contrast and colour of the calibration images; the figures are in the table below."
        parts.append(tag("img", src=picture, alt=alt, class_="picture"))
    if coverage:
        parts.append(coverage_tables(coverage))
    return _section("Calibrated on", *parts)


def _provenance(report: Report) -> Markup:
    origin = report["provenance"]
    footer = (
        "This page and report.json are part of the artifact: edgeseg.json holds the SHA-256 of both, and every "
        "edgeseg command that opens the artifact checks them."
    )
    return join(
        _section(
            "Where it comes from",
            facts_table(origin["parents"], "SHA-256 of what it was made from."),
            facts_table({**origin["toolchain"], "machine": origin["machine"]}, "What made it, and where."),
        ),
        tag("footer", tag("p", footer, class_="soft small")),
    )
