"""Masks of one file a class, for pixels that show several classes: ``masks/val/sky/NAME.png``.

A folder is called as its class. A pixel of its files shows the class where it is not 0; a picture without a file in a
folder does not show that class at all. A further folder ``void`` says which pixels are not scored.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError

UInt8 = npt.NDArray[np.uint8]
Part = tuple[str, Path]
"""A class, or ``void``, and the file that says where it is."""

VOID_FOLDER = "void"


def find_parts(
    folder: Path, classes: Sequence[str], is_mask: Callable[[Path], bool]
) -> dict[str, tuple[Part, ...]] | None:
    """Find the files of all classes by the picture's name without its ending; None where no class has a folder.

    Raises:
        DataError: some classes have a folder, and not all.
    """
    missing = [name for name in classes if not (folder / name).is_dir()]
    if len(missing) == len(classes):
        return None
    if missing:
        raise DataError(
            f"{folder} has a folder of masks for some classes, and none for {', '.join(missing)}. Give every class "
            "one; a picture that does not show a class needs no file in it."
        )
    found: dict[str, tuple[Part, ...]] = {}
    for name in (*classes, VOID_FOLDER):
        for path in sorted((folder / name).iterdir()) if (folder / name).is_dir() else ():
            if is_mask(path):
                found[stem_of(path)] = (*found.get(stem_of(path), ()), (name, path))
    return found


def join_parts(parts: Sequence[Part], classes: Sequence[str], void: int | None, read: Callable[[Path], UInt8]) -> UInt8:
    """Read the files of a picture as one mask: HW uint8, bit k for class k.

    Args:
        parts: of the picture.
        classes: names in the order of their bits.
        void: the value of pixels that are not scored.
        read: gives HW uint8 of one file.

    Raises:
        DataError: files of several sizes or of more than two values, or void where no value means that.
    """
    planes = [(name, path, _shown(path, read)) for name, path in parts]
    _, first, shown = planes[0]
    labels: UInt8 = np.zeros(shown.shape, np.uint8)
    for name, path, plane in planes:
        if plane.shape != labels.shape:
            raise DataError(
                f"Mask {path} is {plane.shape[1]}x{plane.shape[0]} but {first}, of the same picture, is "
                f"{labels.shape[1]}x{labels.shape[0]}. Make them the same size."
            )
        if name in classes:
            labels |= plane.astype(np.uint8) << np.uint8(classes.index(name))
    for name, path, plane in planes:
        if name not in classes:
            if void is None:
                raise DataError(f"{path} says what is void, and `ignore_index` that nothing is. Leave one of them out.")
            labels[plane] = void
    return labels


def stem_of(path: Path) -> str:
    """Give the name without its ending, in one spelling: macOS writes an accent as a letter of its own."""
    return unicodedata.normalize("NFC", path.stem)


def _shown(path: Path, read: Callable[[Path], UInt8]) -> npt.NDArray[np.bool_]:
    mask = read(path)
    values = np.unique(mask)
    if np.count_nonzero(values) > 1:
        listed = f"{', '.join(map(str, values[:4]))}{', ...' if len(values) > 4 else ''}"
        raise DataError(
            f"Mask {path} holds the values {listed}; the mask of one class holds 0 where it is not and one other value "
            "where it is. Save it so, as PNG."
        )
    return np.asarray(mask > 0)
