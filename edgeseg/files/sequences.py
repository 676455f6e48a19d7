"""Which pictures were taken one after the other, as their names tell it.

Frames of one drive look alike: a hundred of them say less about other roads than a hundred pictures of a hundred
roads. So pictures are put into blocks, and the blocks are what is drawn again, or kept apart, as a whole.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

MANY_SEQUENCES = 10
"""From so many sequences on, each is a block of its own."""
LEAST_BLOCKS = 8

_NUMBERED = re.compile(r"^(.*?)(\d+)(\D*)$", re.DOTALL)


@dataclass(frozen=True)
class Blocks:
    """Pictures in blocks.

    Attributes:
        of: for each picture, in the order of the names, the number of its block, from 0 on.
        count: how many blocks there are.
        sequences: how many sequences the names tell.
    """

    of: tuple[int, ...]
    count: int
    sequences: int


def sequence_of(name: str) -> tuple[str, int] | None:
    """Split a name into its sequence and the number of the frame; None for a name without a number.

    >>> sequence_of("0016E5_07959.jpg"), sequence_of("drive3/frame-12.png"), sequence_of("IMG_0007-left.png")
    (('0016E5_.jpg', 7959), ('drive3/frame-.png', 12), ('IMG_-left.png', 7))
    >>> sequence_of("beach.jpg") is None
    True
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if (found := _NUMBERED.match(str(path.with_suffix("")))) is None:
        return None
    before, number, after = found.groups()
    return f"{before}{after}{path.suffix}", int(number)


def group_frames(names: Sequence[str]) -> list[list[int]]:
    """Group pictures by sequence: positions in ``names``, those of a sequence in the order of their frames.

    A picture whose name has no number is a sequence of its own.

    >>> group_frames(["a_2.png", "b_1.png", "a_1.png", "beach.png"])
    [[2, 0], [1], [3]]
    """
    groups: dict[object, list[tuple[int, int]]] = {}
    for at, name in enumerate(names):
        sequence, number = sequence_of(name) or (at, 0)
        groups.setdefault(sequence, []).append((number, at))
    return [[at for _, at in sorted(group)] for group in groups.values()]


def block_frames(names: Sequence[str]) -> Blocks:
    """Put pictures into blocks that can be drawn or kept apart as a whole.

    Each sequence is a block where there are ten or more. Of fewer, each is cut into runs of neighbouring frames: of
    about the cube root of the number of pictures (the length at which the error of a block bootstrap falls fastest;
    P. Hall, J. Horowitz, B.-Y. Jing, "On blocking rules for the bootstrap with dependent data", 1995), and so short
    that there are at least eight. Numbered pictures that have nothing to do with each other lose little by it.

    >>> block_frames([f"street_{i:03}.png" for i in range(100)]).count
    20
    >>> block_frames(["beach.png", "forest.png"])
    Blocks(of=(0, 1), count=2, sequences=2)
    """
    groups = group_frames(names)
    length = len(names) if len(groups) >= MANY_SEQUENCES else _run_length(len(names))
    runs = [run for group in groups for run in _cut(group, length)]
    of = [0] * len(names)
    for number, run in enumerate(runs):
        for at in run:
            of[at] = number
    return Blocks(tuple(of), len(runs), len(groups))


def _run_length(count: int) -> int:
    return max(1, min(round(math.pow(count, 1 / 3)), count // LEAST_BLOCKS))


def _cut(frames: list[int], length: int) -> list[list[int]]:
    """Runs of nearly equal length, none longer than ``length``."""
    runs = -(-len(frames) // length)
    edges = [len(frames) * at // runs for at in range(runs + 1)]
    return [frames[start:end] for start, end in itertools.pairwise(edges)]
