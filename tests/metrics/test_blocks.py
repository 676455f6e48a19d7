"""Which images stand for themselves, and which are frames of a sequence."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.metrics.blocks import correlate_neighbours, find_blocks
from edgeseg.metrics.image_counts import PARTS, ImageCounts


def counted(names, road):
    """Images of two classes, with so many pixels of road each."""
    counts = ImageCounts(list(names))
    for pixels in road:
        row = np.zeros((len(PARTS), 2), np.int64)
        row[PARTS.index("truth")] = 1000 - pixels, pixels
        counts.rows.append(row)
    return counts


def drive(seed, frames):
    """A share of road that changes slowly, as along a drive."""
    return (500 + np.random.default_rng(seed).normal(0, 15, frames).cumsum()).astype(int)


def photographs(seed, count):
    return np.random.default_rng(seed).integers(200, 800, count)


def test_numbered_photographs_stand_for_themselves():
    blocks = find_blocks(counted([f"{i:04}.png" for i in range(60)], photographs(0, 60)))
    assert (blocks.count, blocks.sequences, blocks.are_few_sequences) == (60, 0, False)


def test_one_drive_is_drawn_in_runs_and_speaks_for_no_other():
    blocks = find_blocks(counted([f"0016E5_{i:05}.png" for i in range(101)], drive(1, 101)))
    assert (blocks.count, blocks.sequences, blocks.are_few_sequences) == (21, 1, True)


def test_many_drives_are_a_block_each():
    names = [f"drive{name}_{i:03}.png" for name in "abcdefgh" for i in range(12)]
    blocks = find_blocks(counted(names, np.concatenate([drive(seed, 12) for seed in range(8)])))
    assert (blocks.count, blocks.sequences, blocks.are_few_sequences) == (8, 8, False)
    assert blocks.of == tuple(i // 12 for i in range(96))


def test_the_order_is_that_of_the_numbers_and_not_of_the_list():
    road, order = drive(2, 80), np.random.default_rng(0).permutation(80)
    names = [f"f_{i}.png" for i in range(80)]
    assert find_blocks(counted([names[i] for i in order], road[order])).sequences == 1


def test_two_views_of_one_moment_are_one():
    names = [f"Image_{i:02}{side}.png" for i in range(1, 21) for side in "LR"]
    road = np.repeat(photographs(3, 20), 2)
    blocks = find_blocks(counted(names, road + np.tile([0, 300], 20)))
    assert blocks.count == 20
    assert blocks.of[:4] == (0, 0, 1, 1)


@pytest.mark.parametrize(("pixels", "wanted"), [(np.ones((5, 2)), 0.0), (np.array([[1, 0], [0, 1]] * 30), -1.0)])
def test_a_correlation_that_is_known(pixels, wanted):
    assert correlate_neighbours(pixels, [range(len(pixels))]) == pytest.approx(wanted)
    assert correlate_neighbours(pixels, [[at] for at in range(len(pixels))]) == 0
