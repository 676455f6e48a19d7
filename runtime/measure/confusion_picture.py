"""A confusion matrix drawn for people, with OpenCV only."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edgeseg.image import UInt8
from edgeseg.metrics.confusion import Confusion, Float64, Int64
from edgeseg.metrics.multilabel import FALSE, HITS, MISSED, RIGHTLY_NOT, MultilabelConfusion

CELL, SMALL_CELL, MARGIN, FOOT = 58, 10, 16, 40
NAMED_UP_TO = 40
_FONT, _INK, _PAPER = cv2.FONT_HERSHEY_SIMPLEX, (40, 40, 40), 255
_TEXT, _NUMBER = 0.45, 0.42
_PALE, _DARK = np.array([248, 245, 242.0]), np.array([120, 70, 20.0])


def confusion_picture(confusion: Confusion, classes: Sequence[str], title: str) -> UInt8:
    """Draw true classes as rows, predicted ones as columns, each row in percent of its pixels.

    A last column ``unknown`` stands for pixels without a class, where there are any. Over 40
    classes the cells shrink and names and numbers are left out. Classes that may show together
    (multilabel) have what was found and what was missed of their pixels, and the false alarms among
    the others.

    Returns:
        An HWC uint8 BGR picture.
    """
    shares, columns = _shares(confusion, classes)
    named = len(classes) <= NAMED_UP_TO
    cell = CELL if named else SMALL_CELL
    left = MARGIN + (max(_text_width(name) for name in classes) + 34 if named else 34)
    top = MARGIN + 44 + (max(_text_width(name) for name in columns) if named else 20)
    width = max(left + cell * len(columns), _text_width(title, 0.5)) + MARGIN
    picture = np.full((top + cell * len(classes) + FOOT, width, 3), _PAPER, np.uint8)
    _text(picture, title, MARGIN, MARGIN + 14, 0.5)
    _draw_cells(picture, shares, (top, left), cell, named)
    _draw_axes(picture, (top, left), cell, isinstance(confusion, MultilabelConfusion))
    if named:
        _draw_names(picture, classes, columns, (top, left))
    return picture


def _shares(confusion: Confusion, classes: Sequence[str]) -> tuple[Float64, list[str]]:
    """Row-normalised counts, NaN rows for classes without a true pixel, and the column names."""
    if isinstance(confusion, MultilabelConfusion):
        return _yes_no_shares(confusion.counts), ["found", "missed", "false"]
    counts, columns = confusion.counts, [*classes, "unknown"]
    if not counts[:, -1].any():
        counts, columns = counts[:, :-1], columns[:-1]
    totals = counts.sum(1, keepdims=True)
    shares: Float64 = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    return shares, columns


def _yes_no_shares(counts: Int64) -> Float64:
    tops = counts[:, [HITS, MISSED, FALSE]]
    shown, others = counts[:, [HITS, MISSED]].sum(1), counts[:, [FALSE, RIGHTLY_NOT]].sum(1)
    bottoms = np.stack([shown, shown, others], 1)
    shares: Float64 = np.divide(tops, bottoms, out=np.full(tops.shape, np.nan), where=bottoms > 0)
    return shares


def _draw_cells(picture: UInt8, shares: Float64, corner: tuple[int, int], cell: int, numbers: bool) -> None:
    colors = _PALE + np.nan_to_num(shares)[..., None] ** 0.7 * (_DARK - _PALE)
    colors[np.isnan(shares)] = 225
    for row, column in np.ndindex(*shares.shape):
        y, x = corner[0] + row * cell, corner[1] + column * cell
        cv2.rectangle(picture, (x, y), (x + cell - 2, y + cell - 2), colors[row, column].tolist(), -1)
        share = float(shares[row, column])
        if numbers and share >= 0.0005:
            _number(picture, share, (x + cell // 2, y + cell // 2), (255, 255, 255) if share > 0.35 else _INK)


def _number(picture: UInt8, share: float, centre: tuple[int, int], color: tuple[int, int, int]) -> None:
    text = f"{100 * share:.0f}%" if share >= 0.0995 else f"{100 * share:.1f}%"
    (width, height), _ = cv2.getTextSize(text, _FONT, _NUMBER, 1)
    at = (centre[0] - width // 2 - 1, centre[1] + height // 2)
    cv2.putText(picture, text, at, _FONT, _NUMBER, color, 1, cv2.LINE_AA)


def _draw_names(picture: UInt8, classes: Sequence[str], columns: Sequence[str], corner: tuple[int, int]) -> None:
    for row, name in enumerate(classes):
        _text(picture, name, corner[1] - 10 - _text_width(name), corner[0] + row * CELL + CELL // 2 + 4)
    for column, name in enumerate(columns):
        label = np.full((18, _text_width(name) + 2, 3), _PAPER, np.uint8)
        _text(label, name, 0, 13)
        turned = cv2.rotate(label, cv2.ROTATE_90_COUNTERCLOCKWISE)
        x = corner[1] + column * CELL + CELL // 2 - 9
        picture[corner[0] - 8 - turned.shape[0] : corner[0] - 8, x : x + 18] = turned


def _draw_axes(picture: UInt8, corner: tuple[int, int], cell: int, yes_no: bool = False) -> None:
    label = np.full((18, 40, 3), _PAPER, np.uint8)
    _text(label, "true", 0, 13)
    turned = cv2.rotate(label, cv2.ROTATE_90_COUNTERCLOCKWISE)
    picture[corner[0] : corner[0] + turned.shape[0], MARGIN // 2 : MARGIN // 2 + 18] = turned
    under = "in % of the class; false: of the rest" if yes_no else "predicted, in % of the true class"
    _text(picture, under, MARGIN if yes_no else corner[1], picture.shape[0] - 16)


def _text(picture: UInt8, text: str, x: int, y: int, scale: float = _TEXT) -> None:
    cv2.putText(picture, text, (x, y), _FONT, scale, _INK, 1, cv2.LINE_AA)


def _text_width(text: str, scale: float = _TEXT) -> int:
    return int(cv2.getTextSize(text, _FONT, scale, 1)[0][0])
