"""One mask file and what its values mean, whatever file it is: labels, or a refusal with the file's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.datasets.formats.picture_file import is_gif, read_gif
from edgeseg.errors import DataError
from edgeseg.image import ColorMaskError, UInt8, read_image, read_mask_numbers
from edgeseg.masks.mask_values import IGNORED, UNNAMED, Labels, MaskValues
from edgeseg.masks.strange_values import describe_colors

ABOUT_TURNED = (
    " Is the mask drawn on what EXIF has not turned? Then turn the mask as well, or take the orientation out of the "
    "image (exiftool -Orientation= FILE)."
)


def read_labels(path: Path, classes: Sequence[str], values: MaskValues) -> Labels:
    """Read the labels of a mask file: HW uint8, or int32 with -1 for what ``values`` ignores.

    Raises:
        DataError: unreadable, colours without a meaning, or a value over 255 without one.
    """
    if values.colors:
        image = read_colors(path)
        labels = values.label_colors(image)
        if (unnamed := labels == UNNAMED).any():
            raise DataError(describe_colors(path, image[unnamed], classes, named=True))
        return labels
    try:
        numbers = read_numbers(path)
    except ColorMaskError:
        raise DataError(describe_colors(path, read_colors(path), classes)) from None
    return label_numbers(numbers, path, values)


def read_numbers(path: Path) -> npt.NDArray[Any]:
    """Read the stored numbers of a mask file, HW uint8 or uint16; of a GIF its grey levels.

    Raises:
        ColorMaskError: a colour picture.
        DataError: unreadable.
    """
    if not is_gif(path):
        return read_mask_numbers(path)
    image = read_gif(path)
    if not (image == image[..., :1]).all():
        raise ColorMaskError(f"Mask {path} is a colour picture; a mask holds one class index a pixel.")
    return np.ascontiguousarray(image[..., 0])


def read_colors(path: Path) -> UInt8:
    """Read a mask file as a colour picture, HWC uint8 BGR."""
    return read_gif(path) if is_gif(path) else read_image(path)


def label_numbers(numbers: npt.NDArray[Any], path: Path, values: MaskValues) -> Labels:
    """Give stored numbers their labels, see :func:`read_labels`."""
    if numbers.dtype == np.uint8 and not values.numbers:
        return numbers
    labels = values.label_numbers(numbers)
    if (largest := int(labels.max())) > 255:
        raise DataError(
            f"Mask {path} holds {numbers.dtype} values up to {largest}; class indices are 0..255. Say what it "
            f"means with `mask_values='{largest}=CLASS'`."
        )
    return labels


def void_as(labels: Labels, void: int) -> UInt8:
    """Return labels as HW uint8 with ``void`` in the place of what is ignored."""
    if labels.dtype == np.uint8:
        return np.asarray(labels, np.uint8)
    return np.where(labels == IGNORED, void, labels).astype(np.uint8)


def check_same_size(mask: Path | str, shape: tuple[int, ...], image: Path | str, size: tuple[int, ...]) -> None:
    """Refuse a mask of another size than its image; where both are each other's turned, say that it may be EXIF.

    Args:
        mask: its name.
        shape: its height and width.
        image: the image's name.
        size: the image's height and width.
    """
    if tuple(shape[:2]) == tuple(size[:2]):
        return
    turned = tuple(shape[1::-1]) == tuple(size[:2]) and ABOUT_TURNED
    raise DataError(
        f"Mask {mask} is {shape[1]}x{shape[0]} but its image {Path(image).name} is {size[1]}x{size[0]}.{turned or ''} "
        "Make them the same size."
    )
