"""The proof of an INT8 artifact as plain values: what ``report.json`` holds and ``report.html`` shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.formats import engine_title
from edgeseg.image import UInt8
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, finite
from edgeseg.proof.judges.judge import failures, judge
from edgeseg.proof.report.page import render_page
from edgeseg.proof.report.pictures import png_uri, worst_cells
from edgeseg.proof.search_record import SearchRecord
from edgeseg.proof.tables import comparison_notes
from edgeseg.proof.worst_images import WorstImage
from edgeseg.runtime.system.machine import this_cpu
from edgeseg.spec import ModelSpec

JSON_FILE, HTML_FILE = "report.json", "report.html"
REPORT_VERSION = 1
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Proof:
    """Everything a report shows.

    Attributes:
        manifest: fields of ``edgeseg.json``, ``spec`` as a :class:`~edgeseg.spec.ModelSpec`.
        comparison: float model first, INT8 last.
        budget: what INT8 was allowed to lose.
        images: what found the ranges, as plain values, with ``warnings``.
        proof_note: a sentence when the masks came from a stand-in for the engine; else the comparison's own.
        coverage: what the calibration images show, as plain values, or None.
        coverage_picture: the same as a picture, HWC uint8 BGR, or None.
        search: how the model was found.
        worst: images on which the two disagree most.
        evidence: sentences on which images calibrated, chose and proved.
    """

    manifest: Record
    comparison: Comparison
    budget: Budget
    images: Record
    proof_note: str = ""
    coverage: Record | None = None
    coverage_picture: UInt8 | None = None
    search: SearchRecord = field(default_factory=SearchRecord)
    worst: tuple[WorstImage, ...] = ()
    evidence: tuple[str, ...] = ()


def write_proof(directory: Path, proof: Proof) -> None:
    """Write ``report.json`` and ``report.html`` into the directory of an artifact, before its manifest.

    Raises:
        OSError: the disk is full.
    """
    report = describe_proof(proof)
    spec = proof.manifest["spec"]
    pictures = {} if proof.coverage_picture is None else {"coverage": png_uri(proof.coverage_picture)}
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    (directory / JSON_FILE).write_text(text, encoding="utf-8")
    html = render_page(report, worst_cells(proof.worst, spec), pictures)
    (directory / HTML_FILE).write_text(html, encoding="utf-8")


def describe_proof(proof: Proof) -> dict[str, Any]:
    """Describe the report without its pictures, in values that JSON has."""
    manifest, spec = proof.manifest, proof.manifest["spec"]
    return {
        "report_version": REPORT_VERSION,
        **{key: manifest[key] for key in ("name", "precision", "format")},
        "network": {
            "task": spec.task,
            "input": f"{spec.height}x{spec.width} {spec.color_order}, {spec.resize}",
            "classes": dict(zip(spec.classes, map(_hex, spec.palette), strict=True)),
            "not_drawn": _not_drawn(spec),
        },
        "verdict": _verdict(proof),
        "calibration": {**proof.images, **manifest.get("calibration", {})},
        "evidence": list(proof.evidence),
        "coverage": proof.coverage,
        **proof.search.to_dict(),
        "comparison": _describe_comparison(proof.comparison),
        "worst_images": [{"name": one.name, "disagreement": one.disagreement} for one in proof.worst],
        "provenance": {
            "parents": dict(manifest.get("parents", {})),
            "toolchain": dict(manifest.get("toolchain", {})),
            "machine": this_cpu().name,
        },
    }


def _verdict(proof: Proof) -> dict[str, Any]:
    judgements = judge(proof.comparison, proof.comparison.stages[-1], proof.budget)
    return {
        "passed": not failures(judgements, proof.budget),
        "engine": engine_title(str(proof.manifest["format"])),
        "proof_note": proof.proof_note or proof.comparison.proof_note,
        "checks": [one.to_dict() for one in judgements],
    }


def _describe_comparison(comparison: Comparison) -> dict[str, Any]:
    last = comparison.class_drops(comparison.stages[-1])
    drops = {name: finite(drop) for name, drop in zip(comparison.classes, last, strict=True)}
    return {**comparison.to_dict(), "class_drops": drops, "notes": comparison_notes(comparison)}


def _not_drawn(spec: ModelSpec) -> str | None:
    """The class that overlays leave out; no class is, of those that may show together."""
    has_background = spec.task != "multilabel" and spec.unknown_label < spec.num_classes
    return spec.classes[spec.unknown_label] if has_background else None


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
