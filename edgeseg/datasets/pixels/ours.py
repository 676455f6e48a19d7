"""The two layouts of edgeseg: ``images/`` and ``masks/`` with splits and ``classes.txt``, or a ``data.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from edgeseg.datasets.formats.labelled_set import LabelledSet, Reader, ReadOptions
from edgeseg.datasets.formats.origin import read_origin
from edgeseg.datasets.formats.picture_file import is_gif, list_pictures
from edgeseg.datasets.pixels.class_map import ClassMap, read_class_map
from edgeseg.datasets.pixels.pixel_set import FilePair, build_set
from edgeseg.errors import DataError
from edgeseg.files.data_layout import DataLayout, read_layout
from edgeseg.files.image_files import is_image
from edgeseg.masks.class_folders import stem_of


def recognise(path: Path) -> bool:
    """Tell whether a split has a mask of the name of one of its pictures, or a folder of masks a class."""
    try:
        layout = read_layout(path)
        return any(_belong(*folders, layout.classes) for folders in layout.folders.values())
    except (DataError, OSError):
        return False


def _belong(images: Path, masks: Path, classes: tuple[str, ...]) -> bool:
    if not images.is_dir() or not masks.is_dir() or images == masks:
        return False
    if any((masks / name).is_dir() for name in classes):
        return True
    drawn = {stem_of(path) for path in masks.iterdir() if is_image(path)}
    return any(stem_of(path) in drawn for path in images.iterdir() if is_image(path))


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read a data folder in a layout of our own.

    Raises:
        DataError: see :func:`~edgeseg.files.data_layout.read_layout` and
            :func:`~edgeseg.datasets.pixels.pixel_set.build_set`; or masks of several classes a pixel.
    """
    layout = read_layout(path)
    if layout.task == "multilabel" or all(
        (masks / name).is_dir() for _, masks in layout.folders.values() for name in layout.classes
    ):
        raise DataError(
            f"Masks in {layout.root} show several classes a pixel. They are trained on and scored as they are, and "
            "nothing else is made of them."
        )
    groups = read_origin(layout.root).groups
    pairs = [pair for split in layout.folders for pair in _pairs(layout, split, groups)]
    found = build_set(layout.root, READER.title, pairs, _said(layout), options)
    return replace(found, void_said=layout.void_said or (found.void_said and layout.ignore_index is not None))


def _said(layout: DataLayout) -> ClassMap:
    """What the layout says, and colours that a file beside it names."""
    beside = read_class_map([layout.root]) if not (layout.root / "data.yaml").is_file() else ClassMap()
    void = layout.ignore_index if layout.void_said else None
    return ClassMap(layout.classes, beside.colors, beside.numbers, layout.mask_values or None, void)


def _pairs(layout: DataLayout, split: str, groups: Mapping[str, str]) -> Iterator[FilePair]:
    images, masks = layout.folders[split]
    drawn = {stem_of(path): path for path in list_pictures(masks) if not is_gif(path)}
    for image in (path for path in list_pictures(images) if not is_gif(path)):
        yield FilePair(image.stem, image, drawn.get(stem_of(image)), split, groups.get(image.stem))


READER = Reader("edgeseg", "images/ and masks/ with splits, or a data.yaml", recognise, read)
