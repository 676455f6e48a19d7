"""Pictures of a frame and where something is in it: borders, blur, another background, heat."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.draw import colorize
from edgeseg.image import UInt8, resize_mask

_BLOCKS = 12
"""A picture that nobody is to be recognised in has so many squares along its shorter side."""
_BLUR_SHARE = 40
_MARGIN_SHARE = 60
"""What is hidden is hidden with a margin of this part of the shorter side, because a mask ends a little early."""
_EDGE_SHARE = 240


def draw_outlines(image: UInt8, labels: UInt8, table: UInt8) -> UInt8:
    """Draw the borders of HW ``labels`` (any size) in their colours on a copy of a BGR image; black ones are left out.

    A border is about a 240th of the shorter side wide.
    """
    height, width = image.shape[:2]
    labels = resize_mask(labels, height, width)
    thick = max(1, round(min(height, width) / _EDGE_SHARE))
    square = np.ones((2 * thick + 1, 2 * thick + 1), np.uint8)
    edges = cv2.compare(cv2.dilate(labels, square), cv2.erode(labels, square), cv2.CMP_NE)
    shown = np.where(table.any(2), 255, 0).astype(np.uint8)
    edges = cv2.bitwise_and(edges, cv2.LUT(labels, shown))
    return np.asarray(cv2.copyTo(colorize(labels, table), edges, image.copy()), np.uint8)


def smooth_mask(inside: UInt8, size: tuple[int, int]) -> UInt8:
    """Enlarge an HW mask of 0 and 255 to ``size`` (height, width) with smooth borders in place of steps."""
    height, width = size
    grey = cv2.resize(inside, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.threshold(grey, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)


def blur_picture(image: UInt8) -> UInt8:
    """Blur a whole BGR picture, strongly: at a quarter of its size, which costs a sixteenth."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    sigma = max(1.0, min(small.shape[:2]) / _BLUR_SHARE)
    small = cv2.GaussianBlur(small, (0, 0), sigma)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def pixelate(image: UInt8) -> UInt8:
    """Reduce a BGR picture to twelve squares along its shorter side: what a blur leaves can be sharpened again."""
    height, width = image.shape[:2]
    side = max(1, min(height, width) // _BLOCKS)
    small = cv2.resize(image, (max(1, width // side), max(1, height // side)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def hide(image: UInt8, inside: UInt8) -> UInt8:
    """Make what an HW mask of 0 and 255 (any size) covers, and a margin about it, unrecognisable in a BGR picture."""
    height, width = inside.shape
    margin = 2 * max(1, round(min(height, width) / _MARGIN_SHARE)) + 1
    wider = cv2.dilate(inside, np.ones((margin, margin), np.uint8))
    mask = cv2.resize(wider, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.copyTo(pixelate(image), mask, image.copy()), np.uint8)


def cover(picture: UInt8, size: tuple[int, int]) -> UInt8:
    """Scale a BGR picture so that it covers ``size`` (height, width), and cut off what is beyond."""
    height, width = size
    scale = max(height / picture.shape[0], width / picture.shape[1])
    wide, high = max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale))
    scaled = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top, left = (high - height) // 2, (wide - width) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width], np.uint8)


class HeatMap:
    """Counts how often something was where.

    Args:
        size: (height, width) of the masks.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._counts = np.zeros(size, np.float32)
        self._frames = 0

    def add(self, inside: UInt8) -> None:
        """Count one HW mask of 0 and 255, or of 0 and anything."""
        self._counts += inside > 0
        self._frames += 1

    @property
    def share(self) -> npt.NDArray[np.float32]:
        """HW, the share of the frames in which something was there, 0..1."""
        return np.asarray(self._counts / max(1, self._frames), np.float32)

    def draw(self, image: UInt8, inner: tuple[slice, slice], opacity: float) -> UInt8:
        """Blend the map over a BGR picture, warmest where something was most often; where nothing ever was it is bare.

        Args:
            inner: the part of the masks that shows the picture, as :func:`edgeseg.image.placement` says.
            opacity: of the colours, 0..1.
        """
        share = self.share[inner]
        warm = (share / max(float(share.max()), 1e-6) * 255).astype(np.uint8)
        height, width = image.shape[:2]
        large = cv2.resize(warm, (width, height), interpolation=cv2.INTER_LINEAR)
        blended = cv2.addWeighted(image, 1 - opacity, cv2.applyColorMap(large, cv2.COLORMAP_TURBO), opacity, 0)
        warmed = cv2.threshold(large, 0, 255, cv2.THRESH_BINARY)[1]
        return np.asarray(cv2.copyTo(blended, warmed, image.copy()), np.uint8)
