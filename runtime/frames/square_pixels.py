"""Pictures with square pixels, whatever the shape of the pixels they were recorded in.

DV tapes, broadcast recordings and analogue cameras behind an encoder store 704x576 or 720x480 pixels that are not
square; a player stretches them, and a network was trained on what players show. The sample aspect ratio (width of a
pixel over its height, Rec. ITU-T H.264 table E-1) tells by how much.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from edgeseg.image import UInt8
from edgeseg.runtime.frames.av_view import bgr_view

WIDEST = 4
"""A ratio beyond 1:4 or 4:1 is a damaged header rather than a recording."""


def square_size(height: int, width: int, aspect: Fraction | None) -> tuple[int, int]:
    """Compute (height, width) in square pixels; no pixel is lost, so wide pixels widen and tall ones heighten.

    Args:
        height, width: in stored pixels.
        aspect: width of a pixel over its height; None, 0 or an impossible one: square.

    >>> square_size(576, 704, Fraction(12, 11)), square_size(480, 720, Fraction(8, 9)), square_size(480, 640, None)
    ((576, 768), (540, 720), (480, 640))
    """
    if not aspect or not Fraction(1, WIDEST) <= aspect <= WIDEST:
        return height, width
    if aspect >= 1:
        return height, round(width * aspect)
    return round(height / aspect), width


def square_bgr(picture: Any, reformatter: Any, aspect: Fraction | None) -> UInt8:
    """Convert a picture of PyAV to HWC BGR uint8 of square pixels; the array lives as long as what it shows.

    Args:
        picture: an ``av.VideoFrame``.
        reformatter: an ``av.video.reformatter.VideoReformatter``, kept from picture to picture.
        aspect: see :func:`square_size`.
    """
    size = square_size(picture.height, picture.width, aspect)
    if size == (picture.height, picture.width):
        return bgr_view(reformatter.reformat(picture, format="bgr24"))
    scaled = reformatter.reformat(picture, width=size[1], height=size[0], format="bgr24", interpolation="BICUBIC")
    return bgr_view(scaled)
