"""Labels held against noise in time, where the picture does not move.

Each pixel has a label and a weight, the confidence that speaks for it. A frame that says the same adds its confidence
to the weight; one that says otherwise takes its own away, and below nothing the pixel takes over what the frame says:
the majority vote of Boyer and Moore (1991) with a memory that fades. That needs one label and one number a pixel,
whatever the number of classes. Where the picture has changed since the frame before, what was there counts for
nothing, so that what moves is not late.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8
from edgeseg.multilabel import pack_planes, unpack_planes

LEVELS = 12
"""Brightness of 255, of the mean over a pixel of the label map and its neighbours, from which it has moved."""
_SURE = np.float32(1 / 255)


class Smoother:
    """Smooths the labels of one camera.

    Args:
        lag_s: a change that lasts is shown so much later, where all frames are equally sure; more unsure frames are
            outvoted for longer, surer ones sooner.
        task: of the network; classes of a multilabel task are smoothed each alone.
        classes: how many.

    Example:
        >>> smoother = Smoother(0.1, "multiclass", 2)
        >>> dark, still = np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)
        >>> shown = [smoother.smooth(still + (n in (9, 10)), None, dark, 0.04 * n) for n in range(20)]
        >>> [int(labels.max()) for labels in shown][8:12]
        [0, 0, 0, 0]
    """

    def __init__(self, lag_s: float, task: str, classes: int) -> None:
        # Two equally sure opinions weigh the same when the old one has faded to its half.
        self._fade_s = lag_s / math.log(2)
        self._classes = classes if task == "multilabel" else 0
        self._is_probability = task != "multiclass"
        self._labels: UInt8 | None = None
        self._weight: npt.NDArray[np.float32] = np.empty(0, np.float32)
        self._small: UInt8 = np.empty(0, np.uint8)
        self._at_s = 0.0

    def smooth(self, labels: UInt8, confidence: UInt8 | None, small: UInt8, at_s: float) -> UInt8:
        """Take the labels of the next frame.

        Args:
            labels: HW uint8.
            confidence: HW uint8 (KHW for a multilabel task), ``round(255 * p)``; None where all pixels are as sure.
            small: HW uint8 brightness of the frame, of the same size as ``labels``.
            at_s: time of the frame; where it goes back or stands still for a second, everything begins anew.

        Returns:
            HW uint8, in memory of its own.
        """
        planes = labels if not self._classes else unpack_planes(labels, self._classes)
        sure = _weigh(planes, confidence, self._is_probability)
        gap_s = at_s - self._at_s
        self._at_s = at_s
        if self._labels is None or self._labels.shape != planes.shape or not 0 <= gap_s < 1 + 4 * self._fade_s:
            self._labels, self._weight = planes.copy(), sure
        else:
            self._vote(planes, sure, _find_moved(small, self._small), math.exp(-gap_s / self._fade_s))
        self._small = small
        return self._labels.copy() if not self._classes else pack_planes(self._labels.view(np.bool_))

    def _vote(self, planes: UInt8, sure: npt.NDArray[np.float32], moved: npt.NDArray[np.bool_], fade: float) -> None:
        assert self._labels is not None
        weight = self._weight * np.float32(fade)
        weight[..., moved] = 0
        same = planes == self._labels
        weight += np.where(same, sure, -sure)
        lost = weight < 0
        self._labels[lost] = planes[lost]
        np.abs(weight, out=weight)
        self._weight = weight


def _weigh(planes: UInt8, confidence: UInt8 | None, is_probability: bool) -> npt.NDArray[np.float32]:
    """How much each pixel's opinion counts, 0..1: of a class of its own, how far its probability is from even."""
    if confidence is None:
        return np.ones(planes.shape, np.float32)
    sure = confidence * _SURE
    if is_probability:
        sure = np.abs(2 * sure - 1)
    return np.asarray(np.maximum(sure, _SURE), np.float32)


def _find_moved(small: UInt8, before: UInt8) -> npt.NDArray[np.bool_]:
    """HW bool: where the picture is another than before, noise of single pixels left out, and a pixel around it."""
    if small.shape != before.shape:
        return np.ones(small.shape, np.bool_)
    differs = cv2.absdiff(cv2.blur(small, (3, 3)), cv2.blur(before, (3, 3))) > LEVELS
    return np.asarray(cv2.dilate(differs.view(np.uint8), np.ones((3, 3), np.uint8)), np.uint8).view(np.bool_)
