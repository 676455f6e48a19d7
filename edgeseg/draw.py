"""Masks drawn for people: overlays and contact sheets, with OpenCV only."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edgeseg.given import checked
from edgeseg.image import UInt8, resize_mask
from edgeseg.multilabel import label_palette
from edgeseg.spec import ModelSpec

_FONT = cv2.FONT_HERSHEY_SIMPLEX


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
def overlay(image: UInt8, labels: UInt8, table: UInt8, alpha: float = 0.5) -> UInt8:
    """Blend the colours of ``labels`` (any size) over a BGR ``image``; black entries leave it as it is."""
    height, width = image.shape[:2]
    labels = resize_mask(labels, height, width)
    blended = cv2.addWeighted(image, 1 - alpha, colorize(labels, table), alpha, 0)
    bare = np.where(table.any(2), 0, 255).astype(np.uint8)
    return np.asarray(cv2.copyTo(image, cv2.LUT(labels, bare), blended), np.uint8)


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
