"""Masks whose values are sets of classes: bit k for class k."""

from __future__ import annotations

import numpy as np

from edgeseg.masks.census import MaskCensus

HOW = (
    "Put the masks of each class into a folder of its name (masks/val/{first}/NAME.png, not 0 where it shows), or "
    "write `task: multilabel` into data.yaml where bit k of a value stands for class k"
)


def describe_strange_sets(census: MaskCensus) -> str:
    """Say which masks hold values that are no set of classes, and what to do."""
    strange, count = list(census.strange), len(census.classes)
    files = np.flatnonzero(census.counts[:, strange].sum(1))
    ignored = "no value is ignored" if census.ignored is None else f"{census.ignored} is ignored"
    one = len(strange) == 1
    return (
        f"{len(files)} of the {len(census.files)} masks of {census.where} hold the value{'' if one else 's'} "
        f"{', '.join(map(str, strange[:4]))}, but {count} classes make sets of 0..{(1 << count) - 1}, bit k for class "
        f"k, and {ignored}; first {census.name_files(files)}. {HOW.format(first=census.classes[0])}."
    )


def describe_empty_sets(census: MaskCensus) -> str:
    """Say that no mask shows any class."""
    void = census.ignored
    drawn = f", but {census.name_files(np.flatnonzero(census.holding(void)))} hold {void}, which is ignored"
    return (
        f"None of the {len(census.files)} masks of {census.where} shows any of {', '.join(census.classes)}"
        f"{drawn if census.holding(void).any() else ''}: a network that shows nothing would be perfect. Bit k of a "
        "value stands for class k."
    )
