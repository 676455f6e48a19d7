"""Which pictures were taken one after the other, as their names tell it.

Frames of one drive look alike: a hundred of them say less about other roads than a hundred pictures of a hundred
roads. So frames that belong together are drawn again, or kept apart, together.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

LEAST_BLOCKS = 8

_CAMERA = re.compile(r"_(?:left|right)Img(?:8|16)bit$")
"""What Cityscapes says of a picture behind its number."""
_NUMBERED = re.compile(r"^(.*?)(\d+)\D*$", re.DOTALL)


def sequence_of(name: str) -> tuple[str, int] | None:
    """Split a name into its sequence and the number of the frame; None for a name without a number.

    What follows the number is a view of the same moment: left and right, or one of several crops.

    >>> sequence_of("0016E5_07959.jpg"), sequence_of("drive3/frame-12.png"), sequence_of("IMG_0007-left.png")
    (('0016E5_', 7959), ('drive3/frame-', 12), ('IMG_', 7))
    >>> sequence_of("ulm_000001_000019_leftImg8bit.png")
    ('ulm_000001_', 19)
    >>> sequence_of("beach.jpg") is None
    True
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if (found := _NUMBERED.match(_CAMERA.sub("", str(path.with_suffix(""))))) is None:
        return None
    return found[1], int(found[2])


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


def cut_in_runs(groups: Sequence[Sequence[int]]) -> list[list[int]]:
    """Cut sequences into runs of neighbouring frames.

    Of about the cube root of the number of pictures (the length at which the error of a block bootstrap falls fastest;
    P. Hall, J. Horowitz, B.-Y. Jing, "On blocking rules for the bootstrap with dependent data", 1995), and so short
    that there are at least eight.

    >>> len(cut_in_runs(group_frames([f"street_{i:03}.png" for i in range(100)])))
    20
    """
    count = sum(map(len, groups))
    length = max(1, min(round(math.pow(count, 1 / 3)), count // LEAST_BLOCKS))
    return [run for group in groups for run in _cut(group, length)]


def _cut(frames: Sequence[int], length: int) -> list[list[int]]:
    """Runs of nearly equal length, none longer than ``length``."""
    runs = -(-len(frames) // length)
    edges = [len(frames) * at // runs for at in range(runs + 1)]
    return [list(frames[start:end]) for start, end in itertools.pairwise(edges)]


def halve(names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Split pictures into two halves that share as little as their names allow.

    Whole sequences, where they make two parts of a third or more; else every other run of neighbouring frames.

    >>> halve(["a_1.png", "a_2.png", "b_1.png", "b_2.png"])
    ([0, 1], [2, 3])
    >>> halve([f"f_{i:02}.png" for i in range(16)])
    ([0, 1, 4, 5, 8, 9, 12, 13], [2, 3, 6, 7, 10, 11, 14, 15])
    """
    groups = sorted(group_frames(names), key=len, reverse=True)
    parts = _deal(groups)
    if 3 * min(map(len, parts)) < len(names):
        length = max(1, len(names) // LEAST_BLOCKS)
        runs = [run for group in groups for run in _cut(group, length)]
        parts = [*itertools.chain(*runs[::2])], [*itertools.chain(*runs[1::2])]
    return sorted(parts[0]), sorted(parts[1])


def _deal(groups: list[list[int]]) -> tuple[list[int], list[int]]:
    """Give each group to the smaller part."""
    parts: tuple[list[int], list[int]] = ([], [])
    for group in groups:
        min(parts, key=len).extend(group)
    return parts
