"""Say when pictures lose their proportions on the way into the network."""

from __future__ import annotations

from collections.abc import Sequence

from edgeseg.given import checked
from edgeseg.spec import ModelSpec

STRETCHED = 1.25
SHOWN = 3


@checked
def is_stretched(size: tuple[int, int], spec: ModelSpec) -> bool:
    """Tell whether a picture of ``size`` (height, width) has its sides changed in proportion by a quarter or more."""
    if spec.resize != "stretch":
        return False
    ratio = (size[1] / size[0]) / (spec.width / spec.height)
    return max(ratio, 1 / ratio) > STRETCHED


def warn_of_stretch(pictures: Sequence[tuple[str, tuple[int, int]]], spec: ModelSpec, kind: str, advice: str) -> str:
    """Word the warning about pictures that are stretched; empty for none.

    Args:
        pictures: name and (height, width) of each.
        spec: of the network.
        kind: what the pictures are, as in ``calibration``.
        advice: what to do about it, as a clause.
    """
    stretched = [f"{name} ({size[1]}x{size[0]})" for name, size in pictures if is_stretched(size, spec)]
    if not stretched:
        return ""
    named = ", ".join(list(dict.fromkeys(stretched))[:SHOWN])
    return (
        f"{len(stretched)} of {len(pictures)} {kind} images have another aspect than the network "
        f"({spec.width}x{spec.height}) and are stretched to it, first {named}. {advice}"
    )
