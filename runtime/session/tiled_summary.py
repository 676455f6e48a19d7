"""What a run over pictures in tiles did, in words and as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgeseg.runtime.tiles.tiling import TilePlan


@dataclass
class TiledSummary:
    """What a run over pictures in tiles did.

    Attributes:
        plan: size and overlap of its tiles.
        pictures: how many were segmented.
        skipped: how many could not be read.
        tiles: how many were inferred.
        empty_tiles: tiles without data, which were not.
        pixels: of all pictures.
        seconds: from the first picture to the last.
        written: files and folders.
        shares: of each class by its name, of the pixels with data.
        no_data: part of all pixels for which the files have no data.
    """

    plan: TilePlan
    pictures: int = 0
    skipped: int = 0
    tiles: int = 0
    empty_tiles: int = 0
    pixels: int = 0
    seconds: float = 0.0
    written: list[str] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    no_data: float = 0.0

    @property
    def tiles_per_s(self) -> float:
        """Tiles inferred a second."""
        return self.tiles / self.seconds if self.seconds else 0.0

    @property
    def megapixels_per_s(self) -> float:
        """Million pixels of the pictures a second, everything counted: reading, overlap, writing."""
        return self.pixels / 1e6 / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        plan = self.plan
        return {
            "tile": list(plan.tile),
            "overlap": plan.overlap,
            "exact": plan.is_exact,
            "pictures": self.pictures,
            "skipped": self.skipped,
            "tiles": self.tiles,
            "empty_tiles": self.empty_tiles,
            "pixels": self.pixels,
            "seconds": self.seconds,
            "tiles_per_s": self.tiles_per_s,
            "megapixels_per_s": self.megapixels_per_s,
            "written": self.written,
            "classes": self.shares,
            "no_data": self.no_data,
        }

    def __str__(self) -> str:
        speed = f"{self.tiles_per_s:.1f} tiles a second, {self.megapixels_per_s:.2f} megapixels a second"
        head = f"{self.pictures} pictures, {self.tiles} tiles in {self.seconds:.2f} s: {speed}"
        notes = [f"{self.skipped} pictures skipped"] if self.skipped else []
        if self.no_data:
            notes.append(
                f"{100 * self.no_data:.1f} % of the pixels have no data; {self.empty_tiles} tiles were skipped"
            )
        return "\n".join([head, str(self.plan), *notes])
