"""A sheet of pictures with their masks over them, for a look at a set before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgeseg.datasets.findings import Finding, LookedAt
from edgeseg.datasets.formats.labelled_set import VOID
from edgeseg.draw import overlay
from edgeseg.errors import OutputError
from edgeseg.image import UInt8, resize_mask
from edgeseg.palette import default_palette

SHOWN_KINDS = ("wrong", "mask", "specks", "place", "exchanged")
SHOWN, MOST_WRONG, COLUMNS = 24, 12, 4
CELL_WIDTH, CELL_HEIGHT, TITLE = 320, 240, 24
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_DARK, _WHITE, _RED, _VOID_COLOR = (24, 24, 24), (255, 255, 255), (80, 80, 255), (192, 224, 224)


@dataclass(frozen=True)
class Cell:
    """One picture of the sheet.

    Attributes:
        number: of the picture in its set.
        name: of its file.
        split: that it is in.
        wrong: whether something is wrong with it.
        image: HWC uint8 BGR, of the size of a cell.
        mask: HW uint8 of that size, or None.
    """

    number: int
    name: str
    split: str
    wrong: bool
    image: UInt8
    mask: UInt8 | None

    @classmethod
    def make(cls, number: int, one: LookedAt, image: UInt8, mask: UInt8 | None) -> Cell:
        """Make a cell of a picture and its mask of any size."""
        scale = min(CELL_WIDTH / image.shape[1], CELL_HEIGHT / image.shape[0])
        width, height = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        small = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        labels = None if mask is None else resize_mask(mask, height, width)
        return cls(number, Path(one.name).name, one.split, bool(one.wrong or one.specks), small, labels)


def choose_shown(splits: Sequence[str | None]) -> set[int]:
    """Choose pictures that are spread evenly over each split: numbers of about two dozen."""
    by_split: dict[str | None, list[int]] = {}
    for number, split in enumerate(splits):
        by_split.setdefault(split, []).append(number)
    each = max(4, SHOWN // max(1, len(by_split)))
    return {
        own[int(place)]
        for own in by_split.values()
        for place in np.linspace(0, len(own) - 1, min(each, len(own))).round()
    }


def draw_sheet(
    path: Path,
    cells: Sequence[Cell],
    classes: Sequence[str],
    colors: Mapping[int, int],
    findings: Sequence[Finding],
) -> None:
    """Draw the sheet: what is wrong first and in red, the names of the classes below.

    Raises:
        OutputError: the ending is that of no image.
    """
    noted = {Path(file).name for finding in findings if finding.kind in SHOWN_KINDS for file in finding.files}
    bad = [cell for cell in cells if cell.wrong or cell.name in noted]
    first = {cell.number for cell in bad}
    ordered = [*bad[:MOST_WRONG], *[cell for cell in cells if cell.number not in first]][: SHOWN + MOST_WRONG]
    table = _color_table(classes, colors)
    drawn = [_draw_cell(cell, table, cell.wrong or cell.name in noted) for cell in ordered]
    blank = np.full((CELL_HEIGHT + TITLE, CELL_WIDTH, 3), _DARK, np.uint8)
    while len(drawn) % COLUMNS or not drawn:
        drawn.append(blank)
    rows = [np.hstack(drawn[at : at + COLUMNS]) for at in range(0, len(drawn), COLUMNS)]
    sheet = np.vstack([*rows, _draw_legend(classes, table, rows[0].shape[1])])
    try:
        written = cv2.imwrite(str(path), sheet)
    except cv2.error:
        written = False
    if not written:
        raise OutputError(f"A contact sheet is a PNG or JPEG file; found the ending {path.suffix or 'none'}.")


def _color_table(classes: Sequence[str], colors: Mapping[int, int]) -> UInt8:
    table = np.zeros((256, 1, 3), np.uint8)
    for label, (red, green, blue) in enumerate(default_palette(len(classes))):
        code = colors.get(label)
        table[label, 0] = (blue, green, red) if code is None else (code & 255, code >> 8 & 255, code >> 16)
    table[VOID, 0] = _VOID_COLOR
    return table


def _draw_cell(cell: Cell, table: UInt8, noted: bool) -> UInt8:
    box = np.full((CELL_HEIGHT + TITLE, CELL_WIDTH, 3), _DARK, np.uint8)
    shown = cell.image if cell.mask is None else overlay(cell.image, cell.mask, table)
    top, left = TITLE + (CELL_HEIGHT - shown.shape[0]) // 2, (CELL_WIDTH - shown.shape[1]) // 2
    box[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    _write(box, f"{cell.split}: {cell.name}", 6, 17, _RED if noted else _WHITE)
    if cell.mask is None:
        _write(box, "no usable mask", 8, TITLE + 20, _RED)
    if noted:
        cv2.rectangle(box, (0, 0), (CELL_WIDTH - 1, CELL_HEIGHT + TITLE - 1), _RED, 2)
    return box


def _draw_legend(classes: Sequence[str], table: UInt8, width: int) -> UInt8:
    columns, row = 6, 26
    names = [*enumerate(classes), (VOID, "void")]
    legend = np.full((row * -(-len(names) // columns) + 8, width, 3), _DARK, np.uint8)
    for at, (label, name) in enumerate(names):
        left, top = 8 + at % columns * (width // columns), 6 + at // columns * row
        color = tuple(int(value) for value in table[label, 0])
        cv2.rectangle(legend, (left, top), (left + 16, top + 16), color, -1)
        _write(legend, f"{label} {name}"[:24], left + 24, top + 13, _WHITE)
    return legend


def _write(image: UInt8, text: str, left: int, baseline: int, color: tuple[int, int, int]) -> None:
    known = text.encode("ascii", "replace").decode()
    short = known if len(known) <= 42 else f"{known[:20]}...{known[-19:]}"
    cv2.putText(image, short, (left, baseline), _FONT, 0.42, color, 1, cv2.LINE_AA)
