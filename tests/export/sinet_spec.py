"""How the authors of SINet prepare its input."""

from __future__ import annotations

from edgeseg.export.specs.foreign_spec import SpecFlags

# The authors normalise (x - mean) / std on 0..255 and then divide by 255 once more.
AUTHORS = SpecFlags(
    classes=("background", "person"),
    color_order="bgr",
    mean=(102.890434, 111.25247, 126.91212),
    std=tuple(255 * s for s in (62.93292, 62.82138, 66.355705)),
    value_range=255,
)
