"""Where the outcome of a check goes beside the terminal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgeseg.api.check import Checked
from edgeseg.ci.annotations import list_annotations
from edgeseg.ci.history import append_row, make_row, read_rows
from edgeseg.ci.history_plot import draw_history
from edgeseg.ci.junit import write_junit
from edgeseg.ci.markdown import append_markdown, to_markdown
from edgeseg.ci.outcome import list_outcomes
from edgeseg.files.atomic import atomic_file
from edgeseg.runtime.measure.fingerprint import this_device

SUMMARY = "GITHUB_STEP_SUMMARY"
"""Variable that names the file whose Markdown GitHub shows on the page of a job."""


@dataclass(frozen=True)
class Reports:
    """What is written of a check.

    Attributes:
        junit: JUnit XML.
        markdown: a table, for people.
        annotations: lines for the log of a GitHub job are made, and its summary page is written.
        history: a row is appended to this SQLite or CSV file.
        commit: what it is of; None: what continuous integration or git says.
        plot: the history is drawn as SVG.
    """

    junit: Path | None = None
    markdown: Path | None = None
    annotations: bool = False
    history: Path | None = None
    commit: str | None = None
    plot: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All that are written."""
        return tuple(one for one in (self.junit, self.markdown, self.history, self.plot) if one is not None)


def write_reports(reports: Reports, checked: Checked, seconds: float) -> list[str]:
    """Write what was asked for.

    Args:
        reports: what, and where.
        checked: what a check found.
        seconds: how long it took.

    Returns:
        Lines for standard output: annotations.

    Raises:
        UserError: the history is another file.
        OutputError: something cannot be written.
    """
    outcomes = list_outcomes(checked)
    name = checked.artifact.path.name
    lines = list_annotations(name, outcomes) if reports.annotations else []
    summary = os.environ.get(SUMMARY) if reports.annotations else None
    text = to_markdown(name, outcomes, _describe_device(checked))
    if reports.junit is not None:
        write_junit(reports.junit, name, outcomes, seconds)
    if reports.markdown is not None:
        with atomic_file(reports.markdown) as staged:
            staged.write_text(text, encoding="utf-8")
    if summary:
        append_markdown(Path(summary), text)
    if reports.history is not None:
        append_row(reports.history, make_row(checked, outcomes, reports.commit))
    return lines


def plot_history(history: Path, plot: Path) -> list[str]:
    """Draw a history, and say what changed in it.

    Raises:
        UserError: it is none, or empty.
        OutputError: the picture cannot be written.
    """
    return draw_history(read_rows(history), plot)


def _describe_device(checked: Checked) -> str:
    device = this_device(checked.artifact)
    units = ", ".join(device.isa) or "instruction sets not told"
    return f"{device.cpu}, {device.cores} cores ({units}); {', '.join(device.engine) or checked.artifact.format}"
