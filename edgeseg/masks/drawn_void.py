"""Is the ignored value of a mask really void there, or is something drawn with it?

Void has a habit in each set of masks: a thin seam around things (Pascal VOC), or always the same place (what lies
outside a microscope's view). A mask whose ignored pixels keep to the habit of the others is honest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

CELLS = 32
THIN_PIXELS, THIN_SHARE = 3, 0.015
"""Half the width of a seam: in pixels at least, and as a share of the shorter side of the mask."""
MOSTLY = 0.5
IN_PLACE = 0.8
MASKS_TRIED = 24


@dataclass(frozen=True)
class VoidHabit:
    """What void looks like in the masks where it stands beside every class.

    Attributes:
        thin: it is mostly a seam.
        places: share of the masks that are void in each cell of a coarse grid, (32, 32).
    """

    thin: bool
    places: Float64

    @classmethod
    def learn(cls, voids: Iterable[Bool]) -> VoidHabit:
        """Look at the void pixels of a few masks, each (H, W) bool."""
        seen = list(voids)
        places = np.mean([_grid(void) for void in seen], 0)
        return cls(bool(np.median([_thin_share(void) for void in seen]) >= MOSTLY), places)

    def fits(self, void: Bool) -> bool:
        """Tell whether the void pixels of one more mask, (H, W) bool, keep to it."""
        if self.thin and _thin_share(void) >= MOSTLY:
            return True
        cells = _grid(void)
        return bool(cells[self.places >= MOSTLY].sum() >= IN_PLACE * cells.sum())


def _thin_share(void: Bool) -> float:
    """Share of the pixels that a disc as wide as a seam does not fit into."""
    radius = max(THIN_PIXELS, round(THIN_SHARE * min(void.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    wide = cv2.morphologyEx(void.astype(np.uint8), cv2.MORPH_OPEN, disc)
    return 1 - float(wide.sum()) / max(1, int(void.sum()))


def _grid(void: Bool) -> Float64:
    return np.asarray(cv2.resize(void.astype(np.float64), (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.float64)
