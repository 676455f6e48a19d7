"""Which images are drawn again together: those that were taken one after another and are like their neighbours.

Names alone do not tell: pictures of a hundred different roads are numbered too. What tells is whether neighbours by
number show more of the same than two images at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeseg.files.sequences import LEAST_BLOCKS, cut_in_runs, group_frames, sequence_of
from edgeseg.metrics.confusion import Float64
from edgeseg.metrics.image_counts import ImageCounts

ALIKE = 0.5
"""Correlation of neighbours from which numbered images are frames of a sequence. Measured by their masks: 0.98 for
CamVid's validation drive, 0.93 for its training drives (a second apart), 0.57 for serial sections of tissue, -0.03 for
240 photographs of people that are merely numbered."""


@dataclass(frozen=True)
class Blocks:
    """Images in blocks.

    Attributes:
        of: for each image the number of its block, from 0 on.
        count: how many blocks there are.
        sequences: how many sequences the images are frames of; 0 when each stands for itself.
    """

    of: tuple[int, ...]
    count: int
    sequences: int = 0

    @property
    def are_few_sequences(self) -> bool:
        """What is found on them holds for more of these sequences, and nobody knows for which others."""
        return 0 < self.sequences < LEAST_BLOCKS


def find_blocks(images: ImageCounts) -> Blocks:
    """Put images into blocks that are drawn again as a whole.

    Images whose neighbours are not alike are a block each, with other views of the same moment (left and right). Of
    others each sequence is one, where there are at least eight; else each is cut into runs of neighbouring frames.

    >>> find_blocks(ImageCounts(["beach.png", "forest.png"]))
    Blocks(of=(0, 1), count=2, sequences=0)
    """
    groups = group_frames(images.names)
    if len(groups) == len(images) or not images.rows or correlate_neighbours(images.part("truth"), groups) < ALIKE:
        return _block_moments(images.names)
    runs = groups if len(groups) >= LEAST_BLOCKS else cut_in_runs(groups)
    of = [0] * len(images)
    for number, run in enumerate(runs):
        for at in run:
            of[at] = number
    return Blocks(tuple(of), len(runs), len(groups))


def _block_moments(names: Sequence[str]) -> Blocks:
    moments: dict[object, int] = {}
    of = tuple(moments.setdefault(sequence_of(name) or at, len(moments)) for at, name in enumerate(names))
    return Blocks(of, len(moments))


def correlate_neighbours(pixels: Float64 | np.ndarray, groups: Sequence[Sequence[int]]) -> float:
    """Compute how alike neighbours are in their shares of classes: 1 for equal ones, 0 for any two images.

    J. von Neumann's ratio of the mean square successive difference to the variance, as a correlation.

    Args:
        pixels: (N, K) of each class in each image.
        groups: positions of the frames of each sequence, in their order.

    >>> steady = np.array([[i, 100 - i] for i in range(50)])
    >>> round(correlate_neighbours(steady, [range(50)]), 2)
    1.0
    """
    shares = pixels / np.maximum(1, pixels.sum(1, keepdims=True))
    variance = float(np.square(shares - shares.mean(0)).sum(1).mean())
    pairs = [(group[i], group[i + 1]) for group in groups for i in range(len(group) - 1)]
    if not pairs or variance == 0:
        return 0.0
    first, second = np.array(pairs).T
    return 1 - float(np.square(shares[first] - shares[second]).sum(1).mean()) / (2 * variance)
