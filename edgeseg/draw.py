"""Masks drawn for people: overlays and contact sheets, with OpenCV only."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.given import checked
from edgeseg.image import UInt8
from edgeseg.multilabel import label_palette
from edgeseg.spec import ModelSpec

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BAND_ROWS = 32


@checked
def color_table(spec: ModelSpec, hide: int | None = None) -> UInt8:
    """Build the (256, 1, 3) BGR lookup table from label to colour; ``hide`` and unknown labels are black.

    A pixel of several classes (multilabel) has the mean of their colours.
    """
    table = np.zeros((256, 1, 3), np.uint8)
    for label, (red, green, blue) in enumerate(label_palette(spec)):
        if label != hide:
            table[label, 0] = (blue, green, red)
    return table


@checked
def colorize(labels: UInt8, table: UInt8) -> UInt8:
    """Colour HW labels by ``table``: an HWC uint8 BGR picture."""
    return np.asarray(cv2.applyColorMap(labels, table), np.uint8)


@checked
def overlay(image: UInt8, labels: UInt8, table: UInt8, alpha: float = 0.5, out: UInt8 | None = None) -> UInt8:
    """Blend the colours of ``labels`` (any size) over a BGR ``image``; black entries leave it as it is.

    ``out`` is where the result goes, of the image's shape; None for new memory.

    Labels are widened as colours, with a fourth channel that says what is shown, and their rows are repeated only where
    they are blended: in bands that stay in a core's cache, and only from the first to the last column that shows any.
    """
    height, width = image.shape[:2]
    shown = np.where(table.any(2), 255, 0).astype(np.uint8)
    colors = np.take(np.concatenate([table[:, 0], shown], axis=1), labels, axis=0)
    if labels.shape[1] != width:
        colors = cv2.resize(colors, (width, labels.shape[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    out = np.empty_like(image) if out is None else out
    np.copyto(out, image)
    seen = cv2.extractChannel(colors, 3)
    left, top, wide, high = cv2.boundingRect(seen)
    if not wide:
        return out
    seen = np.ascontiguousarray(seen[:, left : left + wide])
    color = cv2.cvtColor(colors[:, left : left + wide], cv2.COLOR_BGRA2BGR)
    if alpha == 0.5:
        color = np.asarray(color, np.uint8) >> np.uint8(1)
    rows = _nearest_rows(len(labels), height)
    first, last = np.searchsorted(rows, (top, top + high))
    scratch, half = np.empty((2, _BAND_ROWS, wide, 3), np.uint8)
    mask = np.empty((_BAND_ROWS, wide), np.uint8)
    for start in range(first, last, _BAND_ROWS):
        band = slice(start, min(start + _BAND_ROWS, last)), slice(left, left + wide)
        used = slice(0, band[0].stop - start)
        np.take(color, rows[band[0]], axis=0, out=scratch[used], mode="clip")
        np.take(seen, rows[band[0]], axis=0, out=mask[used], mode="clip")
        if alpha == 0.5:  # less time than the sum of OpenCV, and at most one of 255 darker
            np.right_shift(image[band], 1, out=half[used])
            np.add(scratch[used], half[used], out=scratch[used])
        else:
            cv2.addWeighted(image[band], 1 - alpha, scratch[used], alpha, 0, dst=scratch[used])
        cv2.copyTo(scratch[used], mask[used], dst=out[band])
    return out


def _nearest_rows(count: int, height: int) -> npt.NDArray[np.intp]:
    """Which of ``count`` rows each of ``height`` shows, as :func:`edgeseg.image.resize_mask` has it."""
    numbers = np.arange(count, dtype=np.float32)[:, np.newaxis]
    return np.asarray(cv2.resize(numbers, (1, height), interpolation=cv2.INTER_NEAREST_EXACT)[:, 0], np.intp)


def _text(image: UInt8, text: str, x: int, y: int, scale: float) -> None:
    cv2.putText(image, text, (x, y), _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)


def contact_sheet(rows: Sequence[Sequence[UInt8]], titles: Sequence[str], cell_width: int = 320) -> UInt8:
    """Tile BGR pictures in rows under column titles; every cell is scaled to ``cell_width``."""
    cells = [[_scale(picture, cell_width) for picture in row] for row in rows]
    header = np.full((28, cell_width * len(titles), 3), 24, np.uint8)
    for column, title in enumerate(titles):
        _text(header, title, column * cell_width + 8, 20, 0.5)
    return np.vstack([header, *(np.hstack(row) for row in cells)])


def _scale(picture: UInt8, width: int) -> UInt8:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
