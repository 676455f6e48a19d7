"""A labelled picture, decoded: image and mask that fit each other, or a sentence that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeseg.datasets.formats.labelled_set import VOID, LabelledPicture
from edgeseg.datasets.formats.mask_file import check_same_size
from edgeseg.datasets.formats.picture_file import read_picture
from edgeseg.errors import DataError
from edgeseg.image import UInt8


def read_pair(picture: LabelledPicture, classes: int) -> tuple[UInt8, UInt8]:
    """Read image (HWC uint8 BGR) and mask (HW uint8, 255 is void) of a picture, checked against each other.

    Args:
        picture: has labels.
        classes: how many there are.

    Raises:
        DataError: what the reader found wrong; unreadable; of two sizes; or a value that is no class.
    """
    if picture.wrong:
        raise DataError(" ".join(picture.wrong))
    if picture.render is None:
        raise DataError(f"{picture.image_name} has no labels.")
    image = read_picture(picture.image, picture.name)
    mask = picture.render()
    named = picture.labels[0] if picture.labels else picture.name
    check_same_size(named, mask.shape, picture.image_name, image.shape)
    values = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    if strange := [int(value) for value in values if classes <= value != VOID]:
        raise DataError(
            f"Mask {named} holds the value{'s' * (len(strange) > 1)} {', '.join(map(str, strange[:4]))}, but there are "
            f"{classes} classes (0..{classes - 1}) and 255 is void. Say what it means with "
            f"`mask_values='{strange[0]}=CLASS'`, or `mask_values='{strange[0]}=ignore'` for void."
        )
    return image, mask


def source_path(picture: LabelledPicture) -> Path | None:
    """Return the image's file; None where it lies inside another one."""
    return picture.image if isinstance(picture.image, Path) else None
