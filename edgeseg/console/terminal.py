"""The one way in which text reaches a terminal: nothing in it can command the terminal or pretend to be more lines.

File names, camera names and class names come from strangers. An escape character in one could rename the window or
hide a line, a line break could forge one, and a bidirectional override shows text in another order than it has.
"""

from __future__ import annotations

import re
import sys
from typing import TextIO

from edgeseg.console.wording import reword

# C0, DEL and C1; line and paragraph separators; bidirectional embeddings, overrides and isolates; halves of surrogate
# pairs, which stand for bytes of a file name that are no text.
_COMMANDING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_IN_REPORTS = "\n\t"


def visible(text: str) -> str:
    r"""Show each character that would command a terminal as its escape, line breaks too.

    >>> print(visible("a\x1b[31mb\nc"))
    a\u001b[31mb\u000ac
    """
    return _COMMANDING.sub(_escape, text)


def visible_lines(text: str) -> str:
    """Do the same to a text of several lines, which stay lines."""
    return _COMMANDING.sub(lambda found: found[0] if found[0] in _IN_REPORTS else _escape(found), text)


def has_commands(text: str) -> bool:
    """Tell whether a name holds what no name should."""
    return _COMMANDING.search(text) is not None


def say(line: str, end: str = "\n", file: TextIO | None = None) -> None:
    """Print one line; a line break in it is shown as its escape."""
    say_lines(visible(reword(line)), end, file)


def say_lines(text: str, end: str = "\n", file: TextIO | None = None) -> None:
    """Print several lines; names in them that may hold line breaks went through :func:`visible`.

    What the terminal's encoding lacks is shown as its escape.
    """
    stream = file or sys.stdout
    text, encoding = visible_lines(text), getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end=end, file=stream, flush=True)


def complain(text: str) -> None:
    """Print one message on standard error; further lines of it are indented, so that none passes for a message."""
    say_lines("\n  ".join(reword(text).splitlines()), file=sys.stderr)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
