"""What the verbs print about artifacts and comparisons."""

from __future__ import annotations

from typing import Any

from edgeseg.console.terminal import visible
from edgeseg.proof.compare import Comparison
from edgeseg.proof.judgement import judgement_table
from edgeseg.proof.publishing import ExportResult
from edgeseg.proof.report.report import HTML_FILE
from edgeseg.proof.tables import class_table, comparison_notes, confidence_table, stage_table


def comparison_text(comparison: Comparison, by_class: bool = True) -> str:
    """Lay out the tables of a comparison with where its images come from, for people."""
    split = f" ({comparison.split})" if comparison.split else ""
    parts = [f"{comparison.images} images of {visible(comparison.source)}{split}", stage_table(comparison)]
    if by_class and comparison.labelled:
        parts.append(class_table(comparison))
    if table := confidence_table(comparison):
        parts.append(table)
    parts.extend(f"{name}: {record}" for name, record in comparison.tiles.items())
    parts.extend(f"note: {visible(note)}" for note in comparison_notes(comparison))
    return "\n".join(parts)


def format_result(built: ExportResult) -> str:
    """Word one artifact and its proof, for people."""
    artifact = built.artifact
    parts = [f"{visible(str(artifact.path))}  ({artifact.size_bytes / 1e6:.2f} MB)"]
    parts.append(comparison_text(built.comparison, by_class=artifact.precision != "fp32"))
    if built.judgements:
        parts.append(judgement_table(built.judgements))
    parts.extend(f"note: {visible(note)}" for note in built.notes)
    if built.search and (tables := built.search.text()):
        parts.append(tables)
    if HTML_FILE in artifact.files:
        parts.append(f"proof: {visible(str(artifact.path / HTML_FILE))}")
    return "\n".join(parts)


def describe_result(built: ExportResult) -> dict[str, Any]:
    """Describe one artifact and its proof, for machines."""
    artifact = built.artifact
    return {
        "path": str(artifact.path),
        "precision": artifact.precision,
        "format": artifact.format,
        "bytes": artifact.size_bytes,
        "outputs": list(artifact.outputs),
        "calibration": dict(artifact.calibration),
        "measured": dict(artifact.measured),
        "methods": built.search and built.search.to_dict()["methods"],
        "judgements": [one.to_dict() for one in built.judgements],
        "notes": [*comparison_notes(built.comparison), *built.notes],
    }
