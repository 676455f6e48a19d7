"""The page docs/your-network.md as its tests run it: the blocks under each heading, as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from edgeseg.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "your-network.md"


def headings() -> list[str]:
    """Every kind of model on the page."""
    return re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def blocks(heading: str) -> list[tuple[str, str]]:
    """Language and text of each block of code under a heading."""
    text = PAGE.read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"the page has no heading {heading!r}"
    section = rest.partition("\n## ")[0]
    return re.findall(r"^```(\w+)\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[list[str]]:
    """The commands of a block of ``bash``, split into words."""
    return [shlex.split(line) for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def run_blocks(heading: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run every block under a heading in the current directory; commands must succeed.

    Args:
        heading: of the page.
        names: what Python blocks find defined.

    Returns:
        What the Python blocks defined.
    """
    found = blocks(heading)
    assert found, f"nothing to run under {heading!r}"
    names = dict(names or {})
    for language, text in found:
        if language == "python":
            exec(compile(text, str(PAGE), "exec"), names)
        elif language == "bash":
            for program, *words in commands(text):
                assert program == "edgeseg", program
                assert main(words) == 0, shlex.join(words)
    return names
