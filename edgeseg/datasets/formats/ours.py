"""The two layouts of edgeseg: ``images/`` and ``masks/`` with splits and ``classes.txt``, or a ``data.yaml``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from edgeseg.datasets.formats.labelled_set import VOID, LabelledPicture, LabelledSet, Reader, ReadOptions
from edgeseg.datasets.formats.mask_file import read_labels, void_as
from edgeseg.errors import DataError
from edgeseg.files.data_layout import DataLayout, read_layout
from edgeseg.files.image_files import is_image
from edgeseg.image import UInt8
from edgeseg.masks.class_folders import stem_of
from edgeseg.masks.mask_values import IGNORED, MaskValues
from edgeseg.masks.strange_values import ABOUT_JPEG, is_jpeg


def recognise(path: Path) -> bool:
    """Tell whether every split has a mask of the name of one of its pictures, or a folder of masks a class."""
    try:
        layout = read_layout(path)
        return all(_belong(*folders, layout.classes) for folders in layout.folders.values())
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
        DataError: see :func:`~edgeseg.files.data_layout.read_layout`; or masks of several classes a pixel.
    """
    layout = read_layout(path)
    classes = options.classes or layout.classes
    if layout.task == "multilabel" or any(
        all((masks / name).is_dir() for name in classes) for _, masks in layout.folders.values()
    ):
        raise DataError(
            f"Masks in {layout.root} show several classes a pixel. They are trained on and scored as they are, and "
            "nothing else is made of them."
        )
    given = layout.mask_values if options.mask_values is None else options.mask_values
    values = MaskValues.read(given, classes)
    pictures = tuple(picture for split in layout.folders for picture in _pictures(layout, split, classes, values))
    return LabelledSet(layout.root, READER.title, classes, pictures, void_said=layout.void_said)


def _pictures(
    layout: DataLayout, split: str, classes: tuple[str, ...], values: MaskValues
) -> Iterator[LabelledPicture]:
    images, masks = layout.folders[split]
    drawn = {stem_of(path): path for path in _files(masks)}
    for image in _files(images):
        mask = drawn.get(stem_of(image))
        wrong = () if mask is None or not is_jpeg(mask) else (f"Mask {mask} is a JPEG file. {ABOUT_JPEG}",)
        render = None if mask is None else _renderer(mask, classes, values, layout.ignore_index)
        labels = () if mask is None else (mask,)
        yield LabelledPicture(image.stem, image, split, render, labels, wrong=wrong)


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if is_image(path) and not path.name.startswith(".")]


def _renderer(mask: Path, classes: tuple[str, ...], values: MaskValues, void: int | None) -> Callable[[], UInt8]:
    def render() -> UInt8:
        labels = read_labels(mask, classes, values)
        if void not in (None, VOID):
            labels = np.where(labels == void, IGNORED, labels)
        return void_as(labels, VOID)

    return render


READER = Reader("edgeseg", "images/ and masks/ with splits, or a data.yaml", recognise, read)
