"""Run lengths as COCO and CVAT store masks, decoded into pixels.

A run-length code counts zeros, then ones, then zeros again. COCO counts down the columns, CVAT along the rows. The
compressed form of COCO writes each count in groups of five bits, from the fourth on as the difference to the count
before the last (``rleToString`` of the COCO API). Decoded here, counts that do not make a whole mask are refused;
``pycocotools`` 2.0.11 gives memory that nobody wrote to for an empty code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.datasets.shapes.outline import Bools
from edgeseg.errors import DataError

MOST_PIXELS = 1 << 27


def decode_coco(code: Any) -> Bools:
    """Decode a mask of COCO, compressed or not.

    Args:
        code: ``{"size": [height, width], "counts": [...] or "..."}``.

    Returns:
        HW bool.

    Raises:
        DataError: counts that make no mask of this size. The message has no subject: who calls puts the name of the
            object before it.

    Example:
        >>> decode_coco({"size": [2, 3], "counts": [1, 2, 3]}).astype(int).tolist()
        [[0, 1, 0], [1, 0, 0]]
    """
    size, counts = (code.get("size"), code.get("counts")) if isinstance(code, dict) else (None, None)
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise DataError("has run lengths without a size of [height, width]")
    lengths = read_compressed(counts) if isinstance(counts, str) else read_counts(counts)
    return decode_runs(lengths, size[1], size[0]).T


def read_counts(values: Any) -> npt.NDArray[np.int64]:
    """Read counts of a run-length code given as a list of whole numbers.

    Raises:
        DataError: something else; without a subject.
    """
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value <= MOST_PIXELS for value in values):
        raise DataError("has run lengths that are no list of whole numbers")
    return np.asarray(values, np.int64)


def read_compressed(text: str) -> npt.NDArray[np.int64]:
    """Read the counts of a compressed run-length code of COCO; see :func:`read_counts`.

    >>> read_compressed("1231").tolist()
    [1, 2, 3, 3]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 35:
            raise DataError("has run lengths that are no compressed code of COCO")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift or any(not 0 <= count <= MOST_PIXELS for count in counts):
        raise DataError("has run lengths that are no compressed code of COCO")
    return np.asarray(counts, np.int64)


def decode_runs(counts: npt.NDArray[np.int64], rows: int, columns: int) -> Bools:
    """Decode counts of zeros and ones in turns, along the rows, into (rows, columns) bool.

    Raises:
        DataError: they count another number of pixels; without a subject.
    """
    if rows * columns > MOST_PIXELS or int(counts.sum()) != rows * columns:
        raise DataError(f"has run lengths of {int(counts.sum())} pixels for a mask of {rows * columns}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(rows, columns)
