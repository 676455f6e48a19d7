"""How far a network sees, measured on its engine by what a change of the picture changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8
from edgeseg.runtime.frames.frame import Prediction
from edgeseg.spec import ModelSpec

Infer = Callable[[UInt8], Prediction]
"""HWC uint8 BGR of the network's own size to a prediction in memory of its own; from any thread."""

COARSE_STRIDE = 32
"""Of a network whose grid is not known: that of most backbones."""
STRIDES = (1, 2, 4, 8, 16, 32, 64)
_PICTURES = 3
_LEAST_CHANGED = 0.01


@dataclass(frozen=True)
class Sight:
    """How far a network sees.

    Attributes:
        reach: pixels to either side on which a pixel's class can depend; None: on all of the picture.
        stride: the network answers a picture that is moved by so many pixels with an answer that is moved.
        is_measured: on its engine, by labels and confidence, and not derived from its layers.

    >>> print(Sight(96, 16)), print(Sight(None, 32))
    96 px to each side
    all of its input
    (None, None)
    """

    reach: int | None
    stride: int
    is_measured: bool = False

    def __str__(self) -> str:
        if self.reach is None:
            return "all of its input"
        return f"{self.reach} px to each side{', as measured' if self.is_measured else ''}"


def measure_sight(infer: Infer, spec: ModelSpec) -> Sight:
    """Measure how far a network sees, by labels and, where it gives that, confidence.

    One side of a textured picture is exchanged for another's, and the farthest pixel whose answer changes is looked
    for. The stride is the least shift of a picture that shifts the answer. Where less than one pixel in a hundred
    changes, nothing can be known, and the network is taken to see everything.

    Args:
        infer: runs it.
        spec: its input.
    """
    reach: int | None = 0
    for number in range(_PICTURES):
        one, other = (_texture(spec.height, spec.width, 2 * number + index) for index in range(2))
        plain = infer(one)
        if number == 0 and _changed(plain, infer(other)).mean() < _LEAST_CHANGED:
            return Sight(None, COARSE_STRIDE, True)
        for axis in (0, 1):
            for is_far in (False, True):
                found = _reach(infer, plain, (one, other), (axis, is_far, number))
                reach = None if reach is None or found is None else max(reach, found)
    stride = _measure_stride(infer, spec, reach) or COARSE_STRIDE
    # What changes a label nowhere in these pictures may change one elsewhere: one step of the grid is added.
    return Sight(reach and reach + stride, stride, True)


def _reach(infer: Infer, plain: Prediction, pictures: tuple[UInt8, UInt8], where: tuple[int, bool, int]) -> int | None:
    """How far a change of one side goes; None: to the other side."""
    axis, is_far, number = where
    one, other = pictures
    size = one.shape[axis]
    cut = max(1, size // 4 + 3 * number)
    mixed = one.copy()
    side = np.s_[size - cut :] if is_far else np.s_[:cut]
    if axis == 0:
        mixed[side] = other[side]
    else:
        mixed[:, side] = other[:, side]
    changed = np.asarray(_changed(plain, infer(mixed)).any(axis=1 - axis))
    beyond = changed[::-1][cut:] if is_far else changed[cut:]
    if beyond[-1]:
        return None
    return int(beyond.nonzero()[0].max(initial=-1)) + 1


def _measure_stride(infer: Infer, spec: ModelSpec, reach: int | None) -> int | None:
    margin = min(spec.height, spec.width) // 4 if reach is None else reach
    height, width = spec.height, spec.width
    for stride in STRIDES:
        if min(height, width) <= 2 * margin + stride:
            return None
        if all(_moves_with(infer, picture, (height, width), stride, margin) for picture in _larger(spec)):
            return stride
    return None


def _moves_with(infer: Infer, picture: UInt8, size: tuple[int, int], shift: int, margin: int) -> bool:
    """Whether the answer to the picture from ``shift`` on is the answer to the picture, from there on."""
    height, width = size
    whole = infer(picture[:height, :width])
    moved = infer(picture[shift : shift + height, shift : shift + width])
    kept = np.s_[..., margin + shift : height - margin, margin + shift : width - margin]
    same = np.s_[..., margin : height - margin - shift, margin : width - margin - shift]
    return not _changed(_part(whole, kept), _part(moved, same), 1).any()


def _larger(spec: ModelSpec) -> Iterator[UInt8]:
    for number in range(2):
        yield _texture(spec.height + STRIDES[-1], spec.width + STRIDES[-1], 100 + number)


def _part(prediction: Prediction, where: tuple[object, ...]) -> Prediction:
    confidence = prediction.confidence
    return Prediction(prediction.labels[where], None if confidence is None else confidence[where])  # type: ignore[index]


def _changed(one: Prediction, other: Prediction, tolerance: int = 0) -> npt.NDArray[np.bool_]:
    """HW bool: where two answers differ; confidence by more than ``tolerance``."""
    changed = np.asarray(one.labels != other.labels)
    if one.confidence is None or other.confidence is None:
        return changed
    apart = np.abs(one.confidence.astype(np.int16) - other.confidence) > tolerance
    return np.asarray(changed | (apart.any(axis=0) if apart.ndim == 3 else apart))


def _texture(height: int, width: int, seed: int) -> UInt8:
    """A picture with something at every scale, so that classes change in it."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for size in (4, 9, 20, 45, 100):
        noise = random.random((min(size, height), min(size, width), 3), np.float32)
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    total += 0.5 * random.random((height, width, 3), np.float32)
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / max(high - low, 1e-6) * 255, np.uint8)
