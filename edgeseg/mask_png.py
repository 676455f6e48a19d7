"""Masks as PNG files that show their classes in colour and hold their indices.

A palette PNG (ISO/IEC 15948, colour type 3) stores one index a pixel and a table of colours beside them, as the masks
of Pascal VOC do. Viewers show the colours; :func:`edgeseg.image.read_mask` and Pillow give the indices.
``cv2.imread`` gives the colours, whatever its flags.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import cv2

from edgeseg.given import checked
from edgeseg.image import UInt8

VOID = 255
_VOID_COLOR = (224, 224, 192)
_HEADER = slice(8, 33)
"""The chunk IHDR: after the signature, 25 bytes."""
_PALETTE_KIND = 3


@checked
def mask_png(mask: UInt8, palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Encode an HW uint8 mask as a PNG of 8-bit indices.

    Args:
        mask: label indices; 255 is void.
        palette: RGB of each label; what it does not name is black, and 255 the pale yellow of Pascal VOC.
    """
    grey = cv2.imencode(".png", mask)[1].tobytes()
    size_and_depth = grey[16:25]
    colors = void_palette(palette)
    header = _chunk(b"IHDR", size_and_depth + bytes([_PALETTE_KIND]) + grey[26:29])
    table = _chunk(b"PLTE", bytes(value for color in colors for value in color))
    return grey[: _HEADER.start] + header + table + grey[_HEADER.stop :]


def void_palette(palette: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Complete a palette to 256 colours of RGB, as :func:`mask_png` has them.

    >>> void_palette([(0, 0, 0), (128, 0, 0)])[255]
    (224, 224, 192)
    """
    colors = [*palette, *[(0, 0, 0)] * (256 - len(palette))]
    if len(palette) <= VOID:
        colors[VOID] = _VOID_COLOR
    return colors


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
