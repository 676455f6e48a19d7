"""A labelled set of picture files and mask files, whichever layout they were found in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeseg.datasets.formats.labelled_set import VOID, LabelledPicture, LabelledSet, ReadOptions
from edgeseg.datasets.formats.mask_file import read_labels, void_as
from edgeseg.datasets.pixels.class_map import ClassMap
from edgeseg.datasets.pixels.mask_meaning import MaskMeaning, find_meaning
from edgeseg.datasets.pixels.mask_scan import MaskScan, scan_mask
from edgeseg.image import UInt8
from edgeseg.masks.mask_values import IGNORED


@dataclass(frozen=True)
class FilePair:
    """A picture's file and the file of its mask.

    Attributes:
        name: see :class:`~edgeseg.datasets.formats.labelled_set.LabelledPicture`.
        image: the picture.
        mask: its mask, or None.
        split: or None.
        group: what belongs together, or None.
    """

    name: str
    image: Path
    mask: Path | None
    split: str | None = None
    group: str | None = None


def build_set(
    root: Path,
    title: str,
    pairs: Sequence[FilePair],
    said: ClassMap,
    options: ReadOptions,
    notes: Sequence[str] = (),
) -> LabelledSet:
    """Look at every mask, find out what its values mean, and make a labelled set.

    Args:
        root: the data folder.
        title: of the format.
        pairs: the files.
        said: what files beside the masks say of the classes.
        options: what a person says of them.
        notes: sentences about what was left out.

    Raises:
        DataError: see :func:`~edgeseg.datasets.pixels.mask_meaning.find_meaning`.
    """
    scans = {pair.mask: scan_mask(pair.mask) for pair in pairs if pair.mask is not None}
    meaning = find_meaning(root, list(scans.values()), said, options)
    pictures = tuple(make_picture(pair, meaning, scans) for pair in pairs)
    said_void = meaning.void_said
    return LabelledSet(root, title, meaning.classes, pictures, meaning.colors, said_void, (*notes, *meaning.notes))


def make_picture(pair: FilePair, meaning: MaskMeaning, scans: dict[Path, MaskScan] | None = None) -> LabelledPicture:
    """Make a labelled picture of a pair of files whose values have a meaning."""
    if pair.mask is None:
        return LabelledPicture(pair.name, pair.image, pair.split, None, group=pair.group)
    wrong = scans[pair.mask].wrong if scans else ""
    render = _renderer(pair.mask, meaning)
    return LabelledPicture(
        pair.name, pair.image, pair.split, render, (pair.mask,), pair.group, (wrong,) if wrong else ()
    )


def _renderer(mask: Path, meaning: MaskMeaning) -> Callable[[], UInt8]:
    def render() -> UInt8:
        labels = read_labels(mask, meaning.classes, meaning.values)
        if meaning.void not in (None, VOID):
            labels = np.where(labels == meaning.void, IGNORED, labels.astype(np.int32))
        return void_as(labels, VOID)

    return render
