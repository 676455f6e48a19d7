"""Pixels of objects that annotations hold as pictures in text: base64, with or without compression."""

from __future__ import annotations

import base64
import binascii
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError
from edgeseg.files.image_bytes import picture_in

MOST_BYTES = 1 << 27
_PNG = b"\x89PNG\r\n\x1a\n"


def decode_png(text: Any, compressed: bool = False) -> npt.NDArray[np.uint8]:
    """Decode a PNG picture in base64.

    Args:
        text: the base64.
        compressed: the PNG is compressed once more, by zlib.

    Returns:
        HW uint8: the alpha channel where there is one, else the largest of its channels.

    Raises:
        DataError: no base64, or no PNG. The message has no subject: who calls puts the name of the object before it.
    """
    try:
        data = base64.b64decode(text, validate=True)
        data = zlib.decompressobj().decompress(data, MOST_BYTES) if compressed else data
    except (TypeError, binascii.Error, ValueError, zlib.error):
        raise DataError("holds a mask that is no PNG in base64") from None
    if data[:8] != _PNG:
        raise DataError("holds a mask that is no PNG in base64")
    try:
        picture_in(data, Path("its mask"))
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except (DataError, cv2.error):
        image = None
    if image is None:
        raise DataError("holds a mask that is a damaged PNG")
    if image.dtype != np.uint8:
        image = (image > 0).astype(np.uint8)
    if image.ndim == 3:
        image = image[..., 3] if image.shape[2] == 4 else image.max(2)
    return np.asarray(image, np.uint8)
