"""Where the images and masks of a data folder are.

Two layouts are read::

    DIR/images/{train,val}/NAME.jpg          DIR/data.yaml with
    DIR/masks/{train,val}/NAME.png             path, train, val: folders of images
    DIR/classes.txt  one class name a line     names: list or {index: name}
                                               ignore_index: mask value (optional)
                                               masks: folder name beside images (optional)

With a ``data.yaml`` the masks of ``.../images/train`` are looked for in ``.../masks/train``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseg.console.extras import require
from edgeseg.errors import DataError
from edgeseg.files.image_files import about_unread, is_image, list_images, unread_pictures
from edgeseg.files.input_file import read_text
from edgeseg.given import checked
from edgeseg.image import UInt8, read_image, read_mask

Int64 = npt.NDArray[np.int64]

SPLITS = ("train", "val")


@checked
def is_dataset(path: Path) -> bool:
    """Tell whether ``path`` has the layout of a data folder, or is a ``data.yaml``."""
    return path.suffix in (".yaml", ".yml") or (path / "images").is_dir() or (path / "data.yaml").is_file()


@dataclass(frozen=True)
class Pair:
    """An image file and the mask file that belongs to it."""

    image: Path
    mask: Path


@dataclass(frozen=True)
class Dataset:
    """A labelled data folder.

    Attributes:
        root: the folder.
        classes: names in label order.
        ignore_index: mask value that means void, or None.
        folders: for each split, its folder of images and its folder of masks.
    """

    root: Path
    classes: tuple[str, ...]
    ignore_index: int | None
    folders: Mapping[str, tuple[Path, Path]]

    @classmethod
    def open(cls, path: Path | str, ignore_index: int | None = None) -> Dataset:
        """Open a data folder or a ``data.yaml``.

        Args:
            path: the folder, or the yaml file.
            ignore_index: overrides the file's value; without either it is 255.

        Raises:
            DataError: no such folder, an unknown layout, or no class names.
        """
        path = Path(path)
        if path.is_file() and path.suffix in (".yaml", ".yml"):
            return _from_yaml(path, ignore_index)
        if not path.is_dir():
            raise DataError(f"There is no data folder {path}.")
        if (path / "data.yaml").is_file():
            return _from_yaml(path / "data.yaml", ignore_index)
        return _from_folders(path, ignore_index)

    def pairs(self, split: str) -> tuple[Pair, ...]:
        """List image and mask files of a split, sorted by name.

        Raises:
            DataError: the split is missing or empty, or an image has no mask.
        """
        if split not in self.folders:
            raise DataError(f"{self.root} has no split {split!r}; found {sorted(self.folders)}.")
        images, masks = self.folders[split]
        by_stem = _by_stem(masks)
        found = list_images(images)
        missing = [image.name for image in found if image.stem not in by_stem]
        if missing:
            others = about_unread(unread_pictures(masks))
            raise DataError(
                f"{len(missing)} of {len(found)} images in {images} have no mask in {masks}, "
                f"first {missing[0]}. A mask has its image's name.{others and ' ' + others}"
            )
        return tuple(Pair(image, by_stem[image.stem]) for image in found)

    def left_out(self, split: str) -> str:
        """Say in a sentence which pictures in a split's folder are of a kind that is not read; empty for none."""
        return about_unread(unread_pictures(self.folders[split][0]))

    def read(self, pair: Pair) -> tuple[UInt8, UInt8]:
        """Read the image (HWC uint8 BGR) and the mask (HW uint8) of a pair, checked against each other.

        Raises:
            DataError: unreadable, sizes differ, or a mask value outside the classes.
        """
        image = read_image(pair.image)
        return image, self.read_mask(pair, image)

    @checked
    def read_mask(self, pair: Pair, image: UInt8) -> UInt8:
        """Read the mask (HW uint8) of a pair whose image has been read, checked against it.

        Raises:
            DataError: unreadable, of another size, or a value outside the classes.
        """
        mask = read_mask(pair.mask)
        if image.shape[:2] != mask.shape:
            turned = mask.shape == image.shape[1::-1] and " Is the mask drawn on what EXIF has not turned?"
            raise DataError(
                f"Mask {pair.mask} is {mask.shape[1]}x{mask.shape[0]} but its image {pair.image.name} "
                f"is {image.shape[1]}x{image.shape[0]}.{turned or ''} Make them the same size."
            )
        self.check_values(mask, pair.mask)
        return mask

    def check_foreground(self, counts: Int64, split: str) -> None:
        """Refuse a two-class split whose foreground would vanish without a word.

        Masks drawn as black and white hold 0 and 255, and 255 is ignored by default: a network then
        learns, and scores, background alone.

        Args:
            counts: pixels of each mask value 0..255 over the whole split.
            split: its name, for the message.

        Raises:
            DataError: no pixel of class 1, but pixels of the ignored value.
        """
        ignored = self.ignore_index
        if len(self.classes) == 2 and ignored is not None and not counts[1] and counts[ignored]:
            raise DataError(
                f"No mask of split {split!r} in {self.root} holds a pixel of class 1 ({self.classes[1]!r}), but "
                f"{int(counts[ignored])} pixels hold {ignored}, which is ignored. "
                f"If {ignored} means {self.classes[1]!r}, save these pixels as 1."
            )

    @checked
    def check_values(self, mask: UInt8, path: Path) -> None:
        """Raise DataError when the mask holds a value that is neither a class nor void."""
        values = np.flatnonzero(value_counts(mask))
        strange = [int(v) for v in values if v >= len(self.classes) and v != self.ignore_index]
        if strange:
            ignored = "no value is ignored" if self.ignore_index is None else f"{self.ignore_index} is ignored"
            raise DataError(
                f"Mask {path} holds the value {strange[0]}, but there are {len(self.classes)} classes "
                f"(0..{len(self.classes) - 1}) and {ignored}. If it means void, give `ignore_index={strange[0]}`."
            )


@checked
def value_counts(mask: UInt8) -> Int64:
    """Count the pixels of each value of a mask: (256,) int64."""
    return np.bincount(mask.ravel(), minlength=256)


@checked
def read_classes(path: Path) -> tuple[str, ...]:
    """Read the class names of a ``classes.txt``, one a line; blank lines at the end do not count."""
    return _check_names((line.strip() for line in read_text(path).split("\n") if line.strip()), path)


def _check_names(names: Iterable[str], path: Path) -> tuple[str, ...]:
    names = tuple(names)
    if len(names) < 2:
        raise DataError(f"{path} names {len(names)} classes; at least two are needed, background included.")
    if len(set(names)) != len(names):
        raise DataError(f"{path} names a class twice: {list(names)}.")
    return names


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"There is no mask folder {folder}.")
    return {p.stem: p for p in sorted(folder.iterdir()) if is_image(p)}


def _from_folders(root: Path, ignore_index: int | None) -> Dataset:
    if not (root / "images").is_dir():
        raise DataError(f"{root} has no images/ folder; expected images/train, masks/train and classes.txt.")
    folders = {s: (root / "images" / s, root / "masks" / s) for s in SPLITS if (root / "images" / s).is_dir()}
    if not folders:
        raise DataError(f"{root / 'images'} has neither train/ nor val/.")
    classes = read_classes(root / "classes.txt")
    return Dataset(root, classes, 255 if ignore_index is None else ignore_index, folders)


def _from_yaml(path: Path, ignore_index: int | None) -> Dataset:
    values = _yaml_mapping(path)
    root = Path(path.parent, str(values.get("path") or "."))
    masks = str(values.get("masks", "masks"))
    folders = {}
    for split in SPLITS:
        if values.get(split):
            if not isinstance(values[split], str):
                raise DataError(f"{path}: {split} must name one folder of images; found {values[split]!r}.")
            images = root / values[split]
            folders[split] = (images, _masks_beside(images, masks))
    if not folders:
        raise DataError(f"{path} names neither train nor val; give folders of images, e.g. train: images/train.")
    names = _check_names(_yaml_names(values.get("names"), path), path)
    if ignore_index is None:
        ignore_index = values.get("ignore_index", 255)
    if ignore_index is not None and not (type(ignore_index) is int and 0 <= ignore_index <= 255):
        raise DataError(f"{path}: ignore_index must be a mask value of 0..255 or null; found {ignore_index!r}.")
    return Dataset(root, names, ignore_index, folders)


def _yaml_names(names: object, path: Path) -> list[str]:
    if isinstance(names, Mapping):
        if set(names) != set(range(len(names))):
            raise DataError(f"{path}: names must count 0, 1, 2, ... without a gap; found {list(names)}.")
        names = [names[key] for key in range(len(names))]
    if not isinstance(names, list):
        raise DataError(f"{path} has no list of class names under names.")
    return [str(name) for name in names]


def _yaml_mapping(path: Path) -> Mapping[str, Any]:
    yaml = require("yaml", "train")
    text = read_text(path)
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"Cannot read {path}: {error}") from None
    if not isinstance(values, Mapping):
        raise DataError(f"{path} must be a mapping with path, train, val and names.")
    return values


def _masks_beside(images: Path, masks: str) -> Path:
    parts = list(images.parts)
    if "images" not in parts:
        return images.parent / masks
    at = len(parts) - 1 - parts[::-1].index("images")
    parts[at] = masks
    return Path(*parts)
