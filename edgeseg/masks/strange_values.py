"""What mask values that are no class look like: grey steps, labels that count from one, or a lossy file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeseg.masks.census import MaskCensus
from edgeseg.masks.mask_values import color_codes

JPEG = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
ABOUT_JPEG = "A JPEG changes the values that were drawn. Save the masks again from their source, as PNG."
MOST_COLORS = 6
SMOOTH_FROM = 8
"""So many values more than classes are no labels: a mask that was smoothed, or no mask."""


def describe_strange(census: MaskCensus) -> str:
    """Say which masks hold values that are no class, what those look like, and what to do."""
    strange = list(census.strange)
    files = np.flatnonzero(census.counts[:, strange].sum(1))
    ignored = "no value is ignored" if census.ignored is None else f"{census.ignored} is ignored"
    what = ("the value " if len(strange) == 1 else "the values ") + _numbers(strange)
    count = len(census.classes)
    if len(files) == 1:
        who, first = f"Mask {census.files[int(files[0])]} holds", ""
    else:
        who = f"{len(files)} of the {len(census.files)} masks of {census.where} hold"
        first = f"; first {census.name_files(files)}"
    found = f"{who} {what}, but there are {count} classes (0..{count - 1}) and {ignored}{first}."
    return f"{found} {_explain(census, files)}"


def _explain(census: MaskCensus, files: npt.NDArray[np.intp]) -> str:
    values = [int(value) for value in np.flatnonzero(census.counts.sum(0))]
    if any(is_jpeg(census.files[int(number)]) for number in files):
        return ABOUT_JPEG
    if len(values) > len(census.classes) + SMOOTH_FROM:
        return (
            f"{len(values)} values are no labels: a mask that was smoothed when it was resized, or a picture. Resize "
            "masks by the nearest neighbour, and save them as PNG."
        )
    if (meaning := guess_numbers(values, len(census.classes), census.ignored)) is not None:
        words = ",".join(f"{value}={census.classes[label]}" for value, label in meaning.items())
        return f"If these are the classes in their order, say so with `mask_values='{words}'`."
    value = census.strange[0]
    return (
        f"Say what {'it means' if len(census.strange) == 1 else 'they mean'} with `mask_values='{value}=CLASS'`, or "
        f"`mask_values='{value}=ignore'` for void; or is a class missing from the list of names?"
    )


def guess_numbers(values: Sequence[int], count: int, ignored: int | None) -> dict[int, int] | None:
    """Guess labels that count from one, or grey steps, one a class; None where neither fits.

    >>> guess_numbers([0, 127, 254], 3, 255), guess_numbers([1, 2], 2, 255), guess_numbers([0, 9], 3, 255)
    ({127: 1, 254: 2}, {1: 0, 2: 1}, None)
    """
    from_one = [value for value in values if value != ignored]
    if 0 not in values and from_one and from_one[0] >= 1 and from_one[-1] == count:
        return {value: value - 1 for value in range(1, count + 1)}
    if len(values) == count and values[0] == 0:
        step = values[-1] / (count - 1)
        if all(abs(value - step * label) <= 1 for label, value in enumerate(values)):
            return {value: label for label, value in enumerate(values) if value != label}
    return None


def is_jpeg(path: Path) -> bool:
    """Tell by its ending whether a mask is a JPEG file, in which no label is safe."""
    return path.suffix.lower() in JPEG


def describe_colors(path: Path, image: npt.NDArray[np.uint8], classes: Sequence[str], named: bool = False) -> str:
    """Say which colours a mask holds, (..., 3) uint8 BGR, that have no meaning; ``named`` where others have one."""
    colors, pixels = np.unique(color_codes(image), return_counts=True)
    order = np.argsort(-pixels)[:MOST_COLORS]
    found = ", ".join(f"#{int(colors[at]):06x} ({int(pixels[at])} pixels)" for at in order)
    more = f" and {len(colors) - len(order)} more" if len(colors) > len(order) else ""
    what = "holds colours that `mask_values` does not name" if named else "is a colour picture"
    if len(colors) > len(classes) + SMOOTH_FROM:
        return (
            f"Mask {path} {what}: {found}{more}. {len(colors)} colours are no labels: a mask that was smoothed or "
            "saved as JPEG, or a picture. Save masks as PNG, and resize them by the nearest neighbour."
        )
    first = int(colors[order[0]])
    return (
        f"Mask {path} {what}: {found}{more}. A mask holds one class index a pixel; or say what each colour means with "
        f"`mask_values='#{first:06x}=CLASS'`."
    )


def _numbers(values: list[int]) -> str:
    named = ", ".join(map(str, values[:4]))
    return f"{named} and {len(values) - 4} more" if len(values) > 4 else named
