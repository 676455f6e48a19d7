"""What values or colours every mask file of a set holds, before anything is said about their meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.datasets.formats.mask_file import read_colors, read_numbers
from edgeseg.errors import DataError
from edgeseg.image import ColorMaskError
from edgeseg.masks.mask_values import color_codes
from edgeseg.masks.strange_values import ABOUT_JPEG, is_jpeg

MOST_COLORS = 4096
"""More colours of one file are not told apart: it is a picture."""
_PNG_START, _PNG_PALETTE = b"\x89PNG\r\n\x1a\n", 3


@dataclass(frozen=True)
class MaskScan:
    """The values of one mask file.

    Attributes:
        path: the file.
        numbers: pixels of each stored number; empty for a colour picture.
        colors: pixels of each colour 0xRRGGBB; of a file with a palette as well.
        palette: the colour of each stored number, of a file with a palette.
        wrong: why it cannot be read as a mask; empty where it can.
    """

    path: Path
    numbers: dict[int, int] = field(default_factory=dict)
    colors: dict[int, int] = field(default_factory=dict)
    palette: dict[int, int] = field(default_factory=dict)
    wrong: str = ""

    @property
    def is_colored(self) -> bool:
        """Whether it has colours and no numbers."""
        return bool(self.colors) and not self.numbers


def scan_mask(path: Path) -> MaskScan:
    """Read a mask file and count its values; what cannot be read is told, not raised."""
    if is_jpeg(path):
        return MaskScan(path, wrong=f"Mask {path} is a JPEG file. {ABOUT_JPEG}")
    try:
        numbers = read_numbers(path)
        if not _has_palette(path):
            return MaskScan(path, _count(numbers))
        colors = color_codes(read_colors(path))
        found, places = np.unique(numbers, return_index=True)
        palette = {int(one): int(colors.flat[at]) for one, at in zip(found, places, strict=True)}
        return MaskScan(path, _count(numbers), _count(colors), palette)
    except ColorMaskError:
        return _scan_colors(path)
    except DataError as error:
        return MaskScan(path, wrong=str(error))


def _scan_colors(path: Path) -> MaskScan:
    try:
        return MaskScan(path, colors=_count(color_codes(read_colors(path))))
    except DataError as error:
        return MaskScan(path, wrong=str(error))


def _count(values: npt.NDArray[Any]) -> dict[int, int]:
    found, pixels = np.unique(values, return_counts=True)
    if len(found) > MOST_COLORS:
        order = np.argsort(-pixels)[:MOST_COLORS]
        found, pixels = found[order], pixels[order]
    return {int(value): int(count) for value, count in zip(found, pixels, strict=True)}


def _has_palette(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(26)
    return head[:8] == _PNG_START and len(head) == 26 and head[25] == _PNG_PALETTE
