"""A check as JUnit XML, which GitLab, Jenkins, Azure and others show.

The form is the one that pytest and Jenkins' own schema have in common: a suite, a case a gate, a ``failure`` in a case
that failed, an ``error`` in one that could not be judged.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from edgeseg.ci.outcome import Outcome
from edgeseg.files.atomic import atomic_file

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, suite: str, outcomes: Sequence[Outcome], seconds: float) -> None:
    """Write gates as one suite.

    Args:
        path: of the file, which is replaced whole.
        suite: what was checked.
        outcomes: a case for each.
        seconds: how long all of them took together.

    Raises:
        OutputError: it cannot be written.
    """
    bad = sum(one.verdict == "failed" for one in outcomes)
    unsure = sum(one.verdict == "cannot tell" for one in outcomes)
    counts = {"tests": str(len(outcomes)), "failures": str(bad), "errors": str(unsure), "skipped": "0"}
    counts["time"] = f"{seconds:.3f}"
    root = ET.Element("testsuites", {"name": "edgeseg check", **counts})
    body = ET.SubElement(root, "testsuite", {"name": _clean(suite), **counts})
    for one in outcomes:
        case = ET.SubElement(body, "testcase", classname=_clean(f"edgeseg.{suite}"), name=_clean(one.name), time="0")
        if one.verdict != "passed":
            kind = "failure" if one.verdict == "failed" else "error"
            told = ET.SubElement(case, kind, message=_clean(one.sentence), type=one.verdict)
            told.text = _clean(f"found {one.found}, limit {one.limit}\n{one.sentence}")
        else:
            ET.SubElement(case, "system-out").text = _clean(" ".join(filter(None, (one.sentence, one.note))))
    ET.indent(root)
    with atomic_file(path) as staged:
        ET.ElementTree(root).write(staged, encoding="utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    """Leave out what XML has no place for."""
    return _NOT_XML.sub("?", text)
