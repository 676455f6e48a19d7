"""A check as annotations of a GitHub job: lines of its log that GitHub shows beside the change.

Workflow commands: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Sequence

from edgeseg.ci.outcome import Outcome

_IN_TEXT: dict[str, str | int | None] = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTY: dict[str, str | int | None] = {**_IN_TEXT, ":": "%3A", ",": "%2C"}


def list_annotations(artifact: str, outcomes: Sequence[Outcome]) -> list[str]:
    """Make a line of each gate that did not pass, and of each that passed and is not sure on others.

    >>> list_annotations("cells", [Outcome("mIoU, paired", "failed", 0.7, 0.5, "It lost 0.7 points: 100 % sure.")])
    ['::error title=cells%3A mIoU%2C paired::It lost 0.7 points: 100 %25 sure.']
    """
    lines = []
    for one in outcomes:
        level = {"failed": "error", "cannot tell": "warning", "passed": "notice" if one.note else ""}[one.verdict]
        if level:
            told = f"{one.sentence} {one.note}".strip()
            lines.append(
                f"::{level} title={_escape(f'{artifact}: {one.name}', _IN_PROPERTY)}::{_escape(told, _IN_TEXT)}"
            )
    return lines


def _escape(text: str, table: dict[str, str | int | None]) -> str:
    return text.translate(str.maketrans(table))
