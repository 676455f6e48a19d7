"""Masks that lie inside other files, rows of tables or members of archives, and how their classes are called."""

from __future__ import annotations

from pathlib import Path

from edgeseg.datasets.formats.labelled_set import VOID, UInt8
from edgeseg.datasets.formats.mask_file import label_numbers, void_as
from edgeseg.datasets.shapes.annotation_file import read_json_object
from edgeseg.errors import DataError
from edgeseg.files.data_layout import read_classes
from edgeseg.files.image_bytes import MAX_IMAGE_BYTES, picture_in
from edgeseg.files.input_file import read_bytes
from edgeseg.image import mask_numbers_of
from edgeseg.masks.mask_values import MaskValues
from edgeseg.masks.strange_values import ABOUT_JPEG

MOST_BYTES = 8 << 30
"""Of files whose pictures stay in memory while a set is read."""
_JPEG = b"\xff\xd8"


class StoredMask:
    """The mask of a row or a sample, decoded when it is called."""

    def __init__(self, data: bytes | Path, where: str, values: MaskValues) -> None:
        self.data, self.where, self.values = data, where, values

    def __call__(self) -> UInt8:
        data = self.data if isinstance(self.data, bytes) else read_bytes(self.data, MAX_IMAGE_BYTES)
        if data.startswith(_JPEG):
            raise DataError(f"The mask of {self.where} is a JPEG file. {ABOUT_JPEG}")
        name = Path(self.where)
        numbers = mask_numbers_of(picture_in(data, name, as_indices=True), name)
        return void_as(label_numbers(numbers, name, self.values), VOID)


def check_bytes(path: Path, files: list[Path]) -> None:
    """Refuse more than is held in memory.

    Raises:
        DataError: more than 8 GB.
    """
    if sum(file.stat().st_size for file in files) > MOST_BYTES:
        raise DataError(f"{path} holds more than {MOST_BYTES >> 30} GB, which are read into memory. Take a part of it.")


def find_names(root: Path) -> tuple[str, ...]:
    """Find the names of classes in ``classes.txt`` or ``id2label.json``.

    Raises:
        DataError: neither is there, or numbers have gaps.
    """
    if (root / "classes.txt").is_file():
        return read_classes(root / "classes.txt")
    listed = root / "id2label.json"
    if not listed.is_file():
        raise DataError(
            f"{root} does not say which class a number of its masks is. Give the names with `classes`, or put them "
            f"into {listed.name} or classes.txt there."
        )
    names = read_json_object(listed)
    numbers = {int(key): str(name) for key, name in names.items() if key.isdecimal() and len(key) < 4}
    if sorted(numbers) != list(range(len(names))):
        raise DataError(f"{listed} must number the classes 0, 1, 2, ... without a gap; found {list(names)[:6]}.")
    return tuple(numbers[number] for number in range(len(numbers)))
