"""U-Net's weight map, which makes a network keep touching objects apart.

Ronneberger et al. 2015 (arXiv:1505.04597), equation 2::

    w(x) = w_c(x) + w0 * exp(-(d1(x) + d2(x))^2 / (2 sigma^2))

``w_c`` balances the classes, ``d1`` and ``d2`` are the distances to the nearest and to the second
nearest object. Here ``w_c`` comes from ``class_weights`` and is added in the loss
(``losses.py``); this module makes the second part. It is 0 on the objects themselves: the weight
belongs to the gap between them.

Objects are the 8-connected components of the object classes, so two objects that touch need at
least one pixel of another class between them, as the paper's authors drew it.

The map is made once an image, at the mask's size, and warped with the mask in augmentation.
Making it from the crop instead would be wrong where an edge of the crop cuts an object in two
or hides the second neighbour, and costs more: 24 times the warp to a 256x256 crop for 36 objects
in 256x256 pixels, 120 times for 196 objects in 512x512.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError, UserError
from edgeseg.image import Float32, UInt8

REACH = 4.5
"""In sigmas: objects further from a pixel add less than w0 / 20,000 and are not looked at."""
FAR = np.float32(1e6)
VOID = 255
CACHE_BYTES = 512 << 20

Window = tuple[slice, slice]
Numbers = npt.NDArray[np.int32]
Float16 = npt.NDArray[np.float16]


@dataclass(frozen=True)
class BoundaryWeights:
    """What the map is made with.

    Attributes:
        w0: weight where two objects almost touch; the paper took 10.
        sigma: how far it reaches, in pixels of the mask; the paper took 5.
        objects: labels whose connected components are objects; None is every label but 0.

    Raises:
        UserError: a number that makes no map.
    """

    w0: float = 10.0
    sigma: float = 5.0
    objects: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not (0 < self.w0 <= 1000 and 0 < self.sigma <= 200):
            raise UserError(
                "`boundary_weights` takes W0 over 0 and at most 1000 and SIGMA over 0 and at most 200 pixels; "
                f"found {self.w0:g} {self.sigma:g}. The paper used 10 and 5."
            )

    def map(self, mask: UInt8) -> Float32:
        """Compute HW float32 weights in 0..w0 of an HW uint8 mask; void (255) is no object."""
        present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
        chosen = [int(v) for v in present if v not in (0, VOID)] if self.objects is None else self.objects
        return self.map_of_instances(instances(mask, chosen))

    def map_of_instances(self, numbered: Numbers) -> Float32:
        """Compute the same from an HW map of object numbers, 0 for none; touching objects may share an edge.

        Raises:
            DataError: not a two-dimensional map of integers.
        """
        if numbered.ndim != 2 or not np.issubdtype(numbered.dtype, np.integer):
            raise DataError(f"Object numbers are a map of integers (H, W); found {numbered.dtype} {numbered.shape}.")
        nearest, second = two_distances(numbered, REACH * self.sigma)
        weights = np.float32(self.w0) * np.exp(-((nearest + second) ** 2) / np.float32(2 * self.sigma**2))
        return np.where(numbered == 0, weights, np.float32(0)).astype(np.float32)


class WeightCache:
    """Maps by the content of their masks, as float16 up to 512 MiB; the oldest make room."""

    def __init__(self, weights: BoundaryWeights, limit_bytes: int = CACHE_BYTES) -> None:
        self.weights, self.limit_bytes, self.used_bytes, self.made = weights, limit_bytes, 0, 0
        self._maps: OrderedDict[bytes, Float16] = OrderedDict()

    def __call__(self, mask: UInt8) -> Float32:
        """The weights of an HW uint8 mask."""
        key = hashlib.blake2b(mask.tobytes(), digest_size=16, salt=b"%dx%d" % mask.shape).digest()
        if key not in self._maps:
            self._keep(key, self.weights.map(mask).astype(np.float16))
        return self._maps[key].astype(np.float32)

    def _keep(self, key: bytes, weights: Float16) -> None:
        self.made += 1
        self._maps[key] = weights
        self.used_bytes += weights.nbytes
        while self.used_bytes > self.limit_bytes and len(self._maps) > 1:
            self.used_bytes -= self._maps.popitem(last=False)[1].nbytes


def instances(mask: UInt8, objects: Sequence[int]) -> Numbers:
    """Number the 8-connected components of each label in ``objects``: (H, W) int32 from 1; 0 elsewhere."""
    numbered = np.zeros(mask.shape, np.int32)
    for label in objects:
        _, found = cv2.connectedComponents((mask == label).astype(np.uint8), connectivity=8)
        numbered += np.where(found > 0, found + numbered.max(initial=0), 0).astype(np.int32)
    return numbered


def two_distances(numbered: Numbers, reach: float) -> tuple[Float32, Float32]:
    """Measure Euclidean distances of each pixel to the nearest and the second nearest object, in pixels.

    Each object is looked at in a window around it, so that hundreds of them cost little more than
    one. Distances over ``reach`` are not exact and may be 1e6.
    """
    nearest, second = np.full(numbered.shape, FAR), np.full(numbered.shape, FAR)
    for number, at in _windows(numbered, int(np.ceil(reach)) + 1):
        outside = (numbered[at] != number).astype(np.uint8)
        away = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        np.minimum(second[at], np.maximum(nearest[at], away), out=second[at])
        np.minimum(nearest[at], away, out=nearest[at])
    return nearest, second


def _windows(numbered: Numbers, margin: int) -> Iterator[tuple[int, Window]]:
    """Each object's number and its bounding box, ``margin`` pixels wider on every side."""
    ys, xs = np.nonzero(numbered)
    order = np.argsort(numbered[ys, xs], kind="stable")
    ys, xs = ys[order], xs[order]
    numbers, starts = np.unique(numbered[ys, xs], return_index=True)
    for number, (first, last) in zip(numbers, itertools.pairwise([*starts, len(ys)]), strict=True):
        y, x = ys[first:last], xs[first:last]
        rows = slice(max(0, int(y.min()) - margin), int(y.max()) + margin + 1)
        yield int(number), (rows, slice(max(0, int(x.min()) - margin), int(x.max()) + margin + 1))
