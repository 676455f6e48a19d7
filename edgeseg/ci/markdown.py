"""A check as Markdown: the summary page of a job, or a comment on a merge request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeseg.ci.outcome import Outcome
from edgeseg.files.atomic import output_error

_SPECIAL = str.maketrans({one: f"\\{one}" for one in "\\`*_[]|<>#~"} | {"&": "&amp;", "\n": " ", "\r": " "})
SAID = {"passed": "passed", "failed": "**FAILED**", "cannot tell": "**cannot tell**"}


def to_markdown(title: str, outcomes: Sequence[Outcome], device: str = "") -> str:
    """Lay out gates as a table.

    Args:
        title: what was checked.
        outcomes: a row for each.
        device: on what, a line under it.
    """
    bad = [one for one in outcomes if one.verdict == "failed"]
    unsure = [one for one in outcomes if one.verdict == "cannot tell"]
    verdict = "failed" if bad else "cannot tell" if unsure else "passed"
    lines = [f"### edgeseg check {_plain(title)}: {verdict}", ""]
    lines += ["| gate | verdict | found | limit |", "|---|---|---|---|"]
    for one in outcomes:
        note = f" ({_plain(one.note)})" if one.note else ""
        lines.append(
            f"| {_plain(one.name)} | {SAID[one.verdict]}{note} | {_number(one.found)} | {_number(one.limit)} |"
        )
    lines += ["", *(f"- {_plain(one.sentence)}" for one in (*bad, *unsure))]
    if device:
        lines += ["", f"*{_plain(device)}*"]
    return "\n".join(lines).rstrip() + "\n"


def append_markdown(path: Path, text: str) -> None:
    """Append to a file, as GitHub's summary of a job is written.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise output_error(path, error) from None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _plain(text: str) -> str:
    return text.translate(_SPECIAL)
