"""Answers a shell that completes a command line, through argcomplete.

The shell runs ``edgeseg`` at each press of Tab, with ``_ARGCOMPLETE`` and the line in its environment, so only the
module of the verb that stands there is imported.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable


def answer(parser_for: Callable[[str | None], argparse.ArgumentParser]) -> None:
    """Print what the word at the cursor may become, and end the process.

    Args:
        parser_for: the whole parser, with the flags of one verb.
    """
    import argcomplete

    line, point = os.environ.get("COMP_LINE", ""), os.environ.get("COMP_POINT", "")
    before = line[: int(point)] if point.isdigit() else line
    words = before.split()[1:]
    complete = words if before.endswith((" ", "\t")) else words[:-1]
    argcomplete.autocomplete(parser_for(next((word for word in complete if not word.startswith("-")), None)))
