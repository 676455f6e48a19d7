"""What the demo leaves behind: a clip, a contact sheet, and a report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeseg.console.extras import require
from edgeseg.console.terminal import visible
from edgeseg.draw import color_table, contact_sheet, overlay
from edgeseg.files.atomic import atomic_file
from edgeseg.image import UInt8
from edgeseg.spec import ModelSpec

TITLES = ("input", "truth", "fp32", "int8", "fp32 and int8 differ (enlarged)")
CLIP_FPS = 25


def write_clip(path: Path, frames: Iterable[UInt8]) -> None:
    """Write BGR frames of one, even size as H.264 (MPEG-4 where PyAV has no x264).

    Raises:
        OutputError: the file cannot be written.
    """
    av = require("av")
    codec, options = ("libx264", {"crf": "17"}) if "libx264" in av.codecs_available else ("mpeg4", {"qscale": "3"})
    with atomic_file(path) as staged, av.open(str(staged), "w", format="mp4") as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(CLIP_FPS), options=options)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        if stream is not None:
            container.mux(stream.encode(None))


def sheet_row(image: UInt8, truth: UInt8, fp32: UInt8, int8: UInt8, spec: ModelSpec) -> list[UInt8]:
    """Draw one row of the contact sheet, in the order of :data:`TITLES`; all of one size."""
    table = color_table(spec, hide=spec.unknown_label)
    drawn = [overlay(image, labels, table, 0.45) for labels in (truth, fp32, int8)]
    return [image, *drawn, _difference(image, fp32 != int8)]


def _difference(image: UInt8, differs: Any) -> UInt8:
    """The picture dimmed, with the pixels on which two masks disagree in red, each grown to 3x3."""
    picture = np.asarray(image // 3, np.uint8)
    grown = cv2.dilate(differs.astype(np.uint8), np.ones((3, 3), np.uint8))
    picture[grown > 0] = (60, 60, 255)
    return picture


def write_sheet(path: Path, rows: Sequence[Sequence[UInt8]]) -> None:
    """Write the contact sheet as a PNG."""
    write_pictures(path, rows, TITLES)


def write_pictures(path: Path, rows: Sequence[Sequence[UInt8]], titles: Sequence[str]) -> None:
    """Write rows of pictures under titles as a PNG."""
    with atomic_file(path) as staged:
        staged.write_bytes(cv2.imencode(".png", contact_sheet(rows, titles, 256))[1].tobytes())


def report_rows(results: dict[str, Any]) -> list[list[str]]:
    """Lay out the table: a row a figure, columns fp32 and int8."""
    both = [results["fp32"], results["int8"]]
    rows = [["", "fp32", "int8"], _row("mIoU", both, "mean_iou", ".4f")]
    rows += [[f"IoU {name}", *(f"{one['iou'][name]:.4f}" for one in both)] for name in both[0]["iou"]]
    rows += [
        ["size, KiB", *(f"{one['bytes'] / 1024:.0f}" for one in both)],
        _row("latency p50, ms", both, "latency_p50_ms", ".2f"),
        _row("latency p95, ms", both, "latency_p95_ms", ".2f"),
        _row("engine, fps", both, "fps", ".0f"),
    ]
    return rows


def _row(title: str, both: Sequence[dict[str, Any]], key: str, form: str) -> list[str]:
    return [title, *(format(one[key], form) for one in both)]


def write_report(folder: Path, results: dict[str, Any]) -> None:
    """Write ``report.json`` and ``report.md``."""
    rows = report_rows(results)
    table = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    lines = ["# edgeseg demo", "", results["machine"], ""]
    lines += ["| " + " | ".join(row) + " |" for row in table]
    lines += ["", *(f"- {sentence}" for sentence in results["sentences"])]
    with atomic_file(folder / "report.md") as staged:
        staged.write_text("\n".join(map(visible, lines)) + "\n", encoding="utf-8")
    with atomic_file(folder / "report.json") as staged:
        staged.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
