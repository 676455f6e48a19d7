"""Whether seams show: how often the label changes from pixel to pixel across a seam, and how often elsewhere.

Networks answer on a grid of their stride, so that labels change more often on its lines than between them, in one
inference of a whole picture as well. Seams lie on these lines, and are compared with the other ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.image import UInt8
from edgeseg.runtime.tiles.grid import Grid
from edgeseg.runtime.tiles.tiling import TilePlan


@dataclass(frozen=True)
class TileRecord:
    """How pictures were cut, and whether it shows.

    Attributes:
        plan: size, overlap and grid of the tiles.
        seams: label changes at the seams and elsewhere.
    """

    plan: TilePlan
    seams: SeamCount

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        plan = self.plan
        return {
            "tile": list(plan.tile),
            "overlap": plan.overlap,
            "edges": plan.edges,
            "exact": plan.is_exact,
            "reach": plan.sight.reach,
            **self.seams.to_dict(),
        }

    def __str__(self) -> str:
        return f"{self.plan}: {self.seams}"


@dataclass
class SeamCount:
    """Pairs of neighbouring pixels, and how many of them differ in label.

    Attributes:
        pairs, changes: across a seam between two tiles.
        other_pairs, other_changes: across the other lines of the network's grid, in the same direction.

    >>> SeamCount(1000, 30, 100000, 2000).excess
    1.5
    """

    pairs: int = 0
    changes: int = 0
    other_pairs: int = 0
    other_changes: int = 0

    def count(self, labels: UInt8, grid: Grid) -> None:
        """Add a picture.

        Args:
            labels: HW uint8.
            grid: of the tiles that they come from.
        """
        rows, columns = grid.seams
        self._add(labels[1:] != labels[:-1], rows, grid.plan.stride)
        self._add((labels[:, 1:] != labels[:, :-1]).T, columns, grid.plan.stride)

    def _add(self, changes: Any, seams: tuple[int, ...], stride: int) -> None:
        if not seams:
            return
        lines = np.arange(stride, changes.shape[0] + 1, stride)
        by_line = np.count_nonzero(changes, axis=1)
        at_seams = int(by_line[[seam - 1 for seam in seams]].sum())
        others = np.setdiff1d(lines, seams)
        width = changes.shape[1]
        self.pairs += len(seams) * width
        self.changes += at_seams
        self.other_pairs += len(others) * width
        self.other_changes += int(by_line[others - 1].sum())

    @property
    def rate(self) -> float:
        """Part of the pairs across seams whose labels differ, 0..1; NaN where there is no seam."""
        return self.changes / self.pairs if self.pairs else float("nan")

    @property
    def other_rate(self) -> float:
        """The same of all other pairs."""
        return self.other_changes / self.other_pairs if self.other_pairs else float("nan")

    @property
    def excess(self) -> float:
        """How many times as often the label changes across a seam; NaN where that is not known, 1 where none shows."""
        return self.rate / self.other_rate if self.other_changes else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; what is not known is None."""
        figures = {"seam_change_rate": self.rate, "other_change_rate": self.other_rate, "seam_excess": self.excess}
        known = {name: value if np.isfinite(value) else None for name, value in figures.items()}
        return {"seam_pairs": self.pairs, "other_pairs": self.other_pairs, **known}

    def __str__(self) -> str:
        if not self.pairs:
            return "no seams: each picture fits into one tile"
        here, elsewhere = f"{100 * self.rate:.2f} %", f"{100 * self.other_rate:.2f} %"
        told = f"labels change at {here} of the pixel pairs across seams, at {elsewhere} elsewhere"
        return told + (f" ({self.excess:.2f} times)" if np.isfinite(self.excess) else "")
