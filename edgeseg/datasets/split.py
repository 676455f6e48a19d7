"""Splits where a set has none, and of a set that is trained on without one: what belongs together stays together."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet
from edgeseg.errors import UserError
from edgeseg.files.sequences import group_frames, sequence_of

By = Literal["auto", "group", "time", "random"]
WAYS: tuple[By, ...] = ("auto", "group", "time", "random")
LEAST_GROUPS = 5
LEAST_FRAMES = 3
"""A sequence of so many pictures or more is one; a number at the end of every name is none."""


LEAST_SHARE = 0.5
"""Share of the pictures that are in a group with others, from which on names of several beginnings tell groups."""


@dataclass(frozen=True)
class Groups:
    """Which pictures belong together.

    Attributes:
        members: positions of each group, in the order of its frames.
        names: what each is called.
        told: the data itself names them; else they are sequences, as the names of the pictures tell it.
    """

    members: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    told: bool

    @property
    def tell_apart(self) -> bool:
        """Whether there are several groups and most of the pictures are in one with others; no mere numbering."""
        together = sum(len(group) for group in self.members if len(group) > 1)
        return len(self.members) > 1 and (self.told or together >= LEAST_SHARE * sum(map(len, self.members)))

    @property
    def way(self) -> By:
        """How pictures of such groups are divided: group by group, or by time where there are few groups."""
        return "group" if len(self.members) >= LEAST_GROUPS else "time"


def find_groups(names: Sequence[str], told: Sequence[str | None]) -> Groups:
    """Find out which pictures belong together.

    Args:
        names: of the pictures, with an ending.
        told: the group of each as the data tells it, or None.

    >>> find_groups(["a_2.png", "b_1.png", "a_1.png"], [None] * 3)
    Groups(members=((2, 0), (1,)), names=('a_', 'b_'), told=False)
    """
    if len(set(told)) > 1 and None not in told:
        by_name: dict[str, list[int]] = {}
        for at, group in enumerate(told):
            by_name.setdefault(str(group), []).append(at)
        return Groups(tuple(map(tuple, by_name.values())), tuple(by_name), True)
    members = group_frames(names)
    called = (sequence_of(names[group[0]]) or (names[group[0]], 0) for group in members)
    return Groups(tuple(map(tuple, members)), tuple(name for name, _ in called), False)


@dataclass(frozen=True)
class SplitPlan:
    """Which pictures go where.

    Attributes:
        by: the way that was taken: ``group``, ``time`` or ``random``.
        splits: one for each picture, in their order.
        sentence: what was done, and how many groups or sequences there are.
    """

    by: By
    splits: tuple[str, ...]
    sentence: str


def plan_split(
    pictures: Sequence[LabelledPicture], val: float = 0.2, test: float = 0.0, by: By = "auto", seed: int = 0
) -> SplitPlan:
    """Choose a split for each picture.

    By ``group``, whole groups go to one side: those that the data names (a city, a patient), else sequences as the
    names tell them. By ``time``, the last frames of each sequence are held out, so that neighbours lie together.
    ``random`` draws single pictures. ``auto`` is by group where there are five groups or more, by time where there are
    fewer and names show sequences, and random where names show none.

    Args:
        pictures: in any order.
        val: share of the pictures for validation, in 0..1.
        test: share for a test split.
        by: the way.
        seed: of the draw, also of which groups are held out.

    Raises:
        UserError: shares that leave nothing to learn from, too few pictures, or too few groups.
    """
    if by not in WAYS:
        raise UserError(f"`by` is one of {', '.join(WAYS)}; found {by!r}.")
    if not (0 < val < 1 and 0 <= test < 1 and val + test < 1):
        raise UserError(f"`val` and `test` are shares whose sum is under 1; found {val} and {test}.")
    if len(pictures) < 2 + bool(test):
        raise UserError(f"There are {len(pictures)} pictures; a split needs one for each of its parts.")
    groups = find_groups([f"{Path(one.name).name}.png" for one in pictures], [one.group for one in pictures])
    way = _choose_way(groups) if by == "auto" else by
    if way == "group" and len(groups.members) < 2 + bool(test):
        raise UserError(f"All {len(pictures)} pictures are of one group; split by time, with `by='time'`.")
    wanted = [("val", val), *([("test", test)] if test else [])]
    splits = ["train"] * len(pictures)
    for split, held in hold_out(groups, wanted, way, random.Random(seed)):
        for at in held:
            splits[at] = split
    return SplitPlan(way, tuple(splits), _describe(way, groups))


def split_set(found: LabelledSet, plan: SplitPlan) -> LabelledSet:
    """Return a labelled set with the splits of a plan."""
    pictures = (replace(picture, split=split) for picture, split in zip(found.pictures, plan.splits, strict=True))
    return replace(found, pictures=tuple(pictures), notes=(*found.notes, plan.sentence))


def _choose_way(groups: Groups) -> By:
    sequences = [group for group in groups.members if len(group) >= LEAST_FRAMES]
    return groups.way if groups.told or groups.tell_apart or sequences else "random"


def hold_out(
    groups: Groups, wanted: Sequence[tuple[str, float]], way: By, draw: random.Random
) -> list[tuple[str, list[int]]]:
    """Choose positions of pictures for each split but train.

    Args:
        groups: which belong together.
        wanted: names of splits and their shares, each above 0.
        way: ``group``, ``time`` or ``random``.
        draw: decides between groups or pictures.
    """
    count = sum(map(len, groups.members))
    if way == "group":
        return _hold_groups(groups.members, count, wanted, draw)
    if way == "time":
        return _hold_ends(groups.members, wanted)
    order = list(range(count))
    draw.shuffle(order)
    held, start = [], 0
    for split, share in wanted:
        size = max(1, round(share * count))
        held.append((split, order[start : start + size]))
        start += size
    return held


def _hold_groups(
    groups: Sequence[Sequence[int]], count: int, wanted: Sequence[tuple[str, float]], draw: random.Random
) -> list[tuple[str, list[int]]]:
    """Whole groups in random order, each to where it fits best; the largest stays in train."""
    order = sorted(groups, key=lambda group: (-len(group), draw.random()))
    free = order[1:]
    draw.shuffle(free)
    held = []
    for split, share in wanted:
        size, own = share * count, list[int]()
        for group in list(free):
            if not own or abs(len(own) + len(group) - size) < abs(len(own) - size):
                own += list(group)
                free.remove(group)
        held.append((split, own))
    return held


def _hold_ends(groups: Sequence[Sequence[int]], wanted: Sequence[tuple[str, float]]) -> list[tuple[str, list[int]]]:
    """The last frames of each sequence: val, and behind it test."""
    held: dict[str, list[int]] = {split: [] for split, _ in wanted}
    owed = dict(wanted)
    total = dict.fromkeys(held, 0.0)
    for group in groups:
        end = len(group)
        for split in reversed(list(owed)):
            total[split] += owed[split] * len(group)
            size = min(end, round(total[split]) - len(held[split]))
            if size > 0:
                held[split] += group[end - size : end]
                end -= size
    return list(held.items())


def _describe(way: By, groups: Groups) -> str:
    what = "groups that the data names" if groups.told else "sequences, as the names tell them"
    if way == "random":
        return "Split at random, picture by picture."
    if way == "group":
        return f"Split by group: {len(groups.members)} {what}, each whole on one side."
    return f"Split by time: the last frames of {len(groups.members)} {what}."
