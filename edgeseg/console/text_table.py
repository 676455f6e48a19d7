"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def format_table(rows: Sequence[Sequence[str]], left: Collection[int] = (0,), least: int = 0, indent: str = "") -> str:
    """Write rows as aligned text.

    Args:
        rows: cells of each line, headings first; all of one length.
        left: positions of the columns that are aligned to the left, the others to the right.
        least: how wide every column but the first is at least.
        indent: stands before each line.

    >>> print(format_table([["class", "IoU"], ["road", "0.97"]]))
    class   IoU
    road   0.97
    """
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)]
    widths[1:] = [max(least, width) for width in widths[1:]]
    lines = [
        "  ".join(
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)
