"""Masks that do not lie on their pictures: shifted, mirrored, turned, or those of other pictures.

Where a mask changes its value its picture mostly changes its colour. So the gradient of a picture, as ranks of its
pixels, is averaged along the borders of the mask: 0 is chance, 0.5 the strongest edges. The same borders are moved,
mirrored and turned, all shifts at once by a cross-correlation, and those of other masks are laid over the picture. What
fits better by more than chance explains is told. Drawn sets where nothing fits better: see docs/data.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.image import UInt8

Float32 = npt.NDArray[np.float32]
SIDE, REACH, RIM = 192, 20, 2
"""Pixels of the longer side that is looked at; shifts of so many are tried; the rim has no gradient."""
NEAR = 3
"""Shifts of so many pixels are what drawing is exact to."""
LEAST_BORDER = 60
LEAST_GAIN, LEAST_SIGMAS = 0.025, 2.7
"""Gain in mean rank, and times the square root of the border's pixels."""
LEAST_LEFT = 0.8
"""Share of the borders that a shift leaves in the picture."""
LEAST_GAIN_OTHER = 0.04
LEAST_OF_USUAL = 0.65
"""Of the median fit of a set that a better place must reach."""
MOST_COMPARED = 1500
_TURNS: tuple[tuple[str, Callable[[Float32], Float32]], ...] = (
    ("mirrored left to right", lambda borders: borders[:, ::-1]),
    ("turned upside down", lambda borders: borders[::-1]),
    ("turned by 180 degrees", lambda borders: borders[::-1, ::-1]),
)
_SQUARE_TURNS: tuple[tuple[str, Callable[[Float32], Float32]], ...] = (
    ("turned by 90 degrees", np.rot90),
    ("turned by 270 degrees", lambda borders: np.rot90(borders, 3)),
)


@dataclass(frozen=True, eq=False)
class Edges:
    """What is compared of one picture.

    Attributes:
        ranks: of its gradient, HW float32, -0.5..0.5.
        borders: 1 where its mask changes its value, HW float32.
        scale: pixels of the picture for one of these.
    """

    ranks: Float32
    borders: Float32
    scale: float

    @classmethod
    def find(cls, image: UInt8, mask: UInt8) -> Edges:
        """Find gradients and borders of an HWC uint8 image and its HW uint8 mask."""
        height, width = mask.shape
        scale = max(height, width) / SIDE
        size = max(8, round(width / scale)), max(8, round(height / scale))
        small = cv2.GaussianBlur(cv2.resize(image, size, interpolation=cv2.INTER_AREA), (0, 0), 1).astype(np.float32)
        across, down = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
        squares = across**2 + down**2
        gradient = squares.reshape(*squares.shape[:2], -1).max(2)
        ranks = np.empty(gradient.size, np.float32)
        ranks[np.argsort(gradient, axis=None, kind="stable")] = np.arange(gradient.size) / gradient.size - 0.5
        labels = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
        return cls(ranks.reshape(gradient.shape), _find_borders(np.asarray(labels, np.uint8)), scale)

    @property
    def count(self) -> float:
        """How many pixels the borders have."""
        return float(self.borders.sum())

    @property
    def fit(self) -> float | None:
        """Mean rank along the borders, -0.5..0.5; None where they are too few to tell."""
        return _mean(self.ranks, self.borders) if self.count >= LEAST_BORDER else None

    def shrink(self) -> SmallEdges:
        """Keep what is compared with other pictures, at half the size."""
        planes = (_halve(self.ranks), _halve(self.borders))
        return SmallEdges(planes[0].astype(np.float16), planes[1].astype(np.float16), self.count, self.ranks.shape)


@dataclass(frozen=True, eq=False)
class SmallEdges:
    """What is kept of many pictures: the planes of :class:`Edges`, smaller and in one row.

    Attributes:
        ranks: float16.
        borders: float16.
        count: how many pixels the borders had.
        shape: of the planes before.
    """

    ranks: npt.NDArray[np.float16]
    borders: npt.NDArray[np.float16]
    count: float
    shape: tuple[int, ...]


def _find_borders(labels: UInt8) -> Float32:
    borders = np.zeros(labels.shape, np.float32)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    borders[:, 1:][across] = 1
    borders[:, :-1][across] = 1
    borders[1:][down] = 1
    borders[:-1][down] = 1
    borders[:RIM] = borders[-RIM:] = 0
    borders[:, :RIM] = borders[:, -RIM:] = 0
    return borders


@dataclass(frozen=True)
class Misfit:
    """A way in which a mask would lie better on its picture.

    Attributes:
        how: in words, such as ``mirrored left to right``.
        fit: mean rank along the borders then, -0.5..0.5.
    """

    how: str
    fit: float


def find_misfit(edges: Edges) -> Misfit | None:
    """Find out how a mask would lie better on its picture; None where it lies well, or has too little border to tell.

    >>> image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 99, (96, 128, 3), np.uint8), (0, 0), 3)
    >>> mask = np.zeros((96, 128), np.uint8)
    >>> _ = cv2.circle(mask, (40, 40), 25, 1, -1)
    >>> image[mask == 1] += 120
    >>> find_misfit(Edges.find(image, mask)) is None, find_misfit(Edges.find(image, mask[:, ::-1].copy())).how
    (True, 'mirrored left to right')
    """
    if edges.count < LEAST_BORDER:
        return None
    means, left = _slide(edges)
    own = float(means[REACH, REACH])
    tried = [(_mean(edges.ranks, turn(edges.borders)), name) for name, turn in _TURNS]
    if edges.ranks.shape[0] == edges.ranks.shape[1]:
        tried += [(_mean(edges.ranks, turn(edges.borders)), name) for name, turn in _SQUARE_TURNS]
    tried.append(_best_shift(means, left, edges.scale))
    best, name = max(tried)
    return Misfit(name, best) if _is_better(best - own, edges.count, LEAST_GAIN) else None


def least_fit_of(fits: Sequence[float]) -> float:
    """Find the mean rank that a better place must reach to be believed, from how well the masks of the set lie.

    >>> least_fit_of([0.2, 0.1, 0.3])
    0.13
    """
    return LEAST_OF_USUAL * float(np.median(fits)) if fits else 0.0


def _is_better(gain: float, count: float, least: float) -> bool:
    return gain > least and gain * np.sqrt(count) > LEAST_SIGMAS


def _mean(ranks: Float32, borders: Float32) -> float:
    return float((ranks * borders).sum() / max(1.0, float(borders.sum())))


def _slide(edges: Edges) -> tuple[Float32, Float32]:
    """Mean rank under the borders for every shift within reach, and the share of them that stays in the picture."""
    height, width = edges.ranks.shape
    size = cv2.getOptimalDFTSize(height + REACH), cv2.getOptimalDFTSize(width + REACH)
    borders = np.conj(np.fft.rfft2(edges.borders, size))
    at = np.ix_(range(-REACH, REACH + 1), range(-REACH, REACH + 1))
    total, inside = (
        np.fft.irfft2(np.fft.rfft2(plane, size) * borders, size)[at]
        for plane in (edges.ranks, np.ones_like(edges.ranks))
    )
    left = inside / max(1.0, edges.count)
    return np.asarray(total / np.maximum(inside, 1), np.float32), np.asarray(left, np.float32)


def _best_shift(means: Float32, left: Float32, scale: float) -> tuple[float, str]:
    """The best of the shifts that are more than inexact drawing, if it is a peak and no slope that goes on."""
    usable = np.where(left >= LEAST_LEFT, means, -1)
    usable[REACH - NEAR : REACH + NEAR + 1, REACH - NEAR : REACH + NEAR + 1] = -1
    down, across = (int(at) for at in np.unravel_index(usable.argmax(), usable.shape))
    best = float(usable[down, across])
    around = means[max(0, down - 1) : down + 2, max(0, across - 1) : across + 2]
    if not 0 < down < 2 * REACH or not 0 < across < 2 * REACH or float(around.max()) > best:
        return -1.0, ""
    moved = [(round(scale * (across - REACH)), "right", "left"), (round(scale * (down - REACH)), "down", "up")]
    words = [f"{abs(by)} pixels {more if by > 0 else less}" for by, more, less in moved if by]
    return best, f"moved {' and '.join(words)}"


def find_exchanged(edges: Sequence[SmallEdges], least_fit: float) -> Iterator[tuple[int, int]]:
    """Find masks that belong to another of the pictures: positions of a picture and of the mask that fits it better.

    All has to hold: another mask fits the picture better than its own, and as well as is usual; that mask fits this
    picture better than the one whose it is said to be; and the picture's own mask fits another one better, too.
    Pictures of one size are compared with each other.

    Args:
        edges: of the pictures.
        least_fit: mean rank that the other mask must reach; see :func:`least_fit_of`.
    """
    sizes: dict[tuple[int, ...], list[int]] = {}
    for at, one in enumerate(edges):
        if one.count >= LEAST_BORDER:
            sizes.setdefault(one.shape, []).append(at)
    for same in sizes.values():
        for picture, mask in _compare([edges[at] for at in same], least_fit) if len(same) > 1 else ():
            yield same[picture], same[mask]


def _compare(edges: Sequence[SmallEdges], least_fit: float) -> Iterator[tuple[int, int]]:
    ranks = np.stack([one.ranks for one in edges]).astype(np.float32)
    borders = np.stack([one.borders for one in edges]).astype(np.float32)
    counts = np.array([one.count for one in edges])
    means = ranks @ borders.T / np.maximum(borders.sum(1), 1)
    own = means.diagonal()
    gains = means - own[:, None]
    np.fill_diagonal(gains, -1)
    roots = np.sqrt(np.minimum(counts[:, None], counts[None, :]))
    better = (gains > LEAST_GAIN_OTHER) & (gains * roots > LEAST_SIGMAS)
    wanted = better.any(0)
    for picture, mask in enumerate(gains.argmax(1)):
        fit = means[picture, mask]
        if better[picture, mask] and wanted[picture] and fit > max(least_fit, own[mask] + LEAST_GAIN_OTHER):
            yield picture, int(mask)


def _halve(plane: Float32) -> Float32:
    height, width = plane.shape
    return np.asarray(cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA).ravel(), np.float32)
