"""Pictures of a data folder, those in GIF files and inside other files among them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeseg.errors import DataError
from edgeseg.files.image_bytes import IMAGE_SUFFIXES, MAX_IMAGE_BYTES
from edgeseg.files.input_file import read_bytes
from edgeseg.image import UInt8, decode_image, read_image

GIF = ".gif"
PICTURES = IMAGE_SUFFIXES | {GIF}
_STARTS = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp", b"BM": ".bmp", b"II": ".tif", b"MM": ".tif"}


def is_picture(path: Path) -> bool:
    """Tell by its ending and its name whether a file is a picture of a data folder.

    >>> is_picture(Path("road_mask.gif")), is_picture(Path("._road.png"))
    (True, False)
    """
    return path.suffix.lower() in PICTURES and not path.name.startswith(".")


def list_pictures(folder: Path) -> list[Path]:
    """List the pictures directly in a folder, sorted by name; none where there is no such folder."""
    return sorted(path for path in folder.iterdir() if is_picture(path)) if folder.is_dir() else []


def read_picture(image: Path | bytes, name: str) -> UInt8:
    """Read a picture as HWC uint8 BGR.

    Args:
        image: its file, or the bytes of one.
        name: for messages, where there is no file.

    Raises:
        DataError: see :func:`edgeseg.image.read_image`.
    """
    if isinstance(image, bytes):
        return decode_image(image, name)
    return read_gif(image) if is_gif(image) else read_image(image)


def is_gif(path: Path) -> bool:
    """Tell by its ending whether a file is a GIF."""
    return path.suffix.lower() == GIF


def read_gif(path: Path) -> UInt8:
    """Read the one picture of a GIF file as HWC uint8 BGR.

    Raises:
        DataError: unreadable, an animation, or no GIF.
    """
    data = read_bytes(path, MAX_IMAGE_BYTES)
    advice = "Convert it to PNG."
    if data[:4] != b"GIF8":
        raise DataError(f"{path} is called a GIF and is none. {advice}")
    try:
        whole, frames = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DataError(f"{path} cannot be decoded as a GIF: {error.err or error}. {advice}") from None
    if not whole or not frames:
        raise DataError(f"{path} is a GIF that this OpenCV ({cv2.__version__}) cannot read. {advice}")
    if len(frames) > 1:
        raise DataError(f"{path} holds {len(frames)} pictures; an image is one. Save them as files of their own.")
    return np.ascontiguousarray(frames[0][..., :3])


def suffix_of(data: bytes) -> str | None:
    """Return the ending of the kind of image that bytes are; None for a kind that is not read.

    >>> suffix_of(bytes([0xFF, 0xD8, 0xFF])), suffix_of(b"GIF89a")
    ('.jpg', None)
    """
    return next((suffix for start, suffix in _STARTS.items() if data.startswith(start)), None)
