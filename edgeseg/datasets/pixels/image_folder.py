"""Folders that a table beside the pictures describes, as Hugging Face's ``imagefolder`` has them.

``metadata.jsonl`` or ``metadata.csv`` lies in the folder or in those of its splits, and has a row a picture: one column
names the picture's file, another one its mask's (https://huggingface.co/docs/datasets/image_dataset)::

    {"image_file_name": "0001.jpg", "label_file_name": "masks/0001.png"}
    file_name,mask_file_name
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeseg.datasets.formats.labelled_set import LabelledSet, Reader, ReadOptions
from edgeseg.datasets.pixels.class_map import read_class_map
from edgeseg.datasets.pixels.pixel_set import FilePair, build_set
from edgeseg.datasets.shapes.picture_files import find_inside, split_name
from edgeseg.errors import DataError
from edgeseg.files.input_file import read_text

TITLE = "pictures and masks of a metadata table"
TABLES = ("metadata.jsonl", "metadata.csv")
_IMAGES = ("file_name", "image", "img", "picture", "input")
_MASKS = (
    "mask", "label", "segmentation", "segmentation_mask", "annotation", "seg", "gt", "labels", "masks", "annotations",
    "conditioning_image", "target",
)  # fmt: skip
_FILE = "_file_name"

Row = Mapping[str, Any]


def find_tables(path: Path) -> list[Path]:
    """Find the tables of a folder and of those directly below it, or the one that is named."""
    if path.is_file():
        return [path] if path.name in TABLES else []
    return sorted(found for name in TABLES for found in (*path.glob(name), *path.glob(f"*/{name}")))


def recognise(path: Path) -> bool:
    """Tell whether the first row of a table has a file for the picture and one for its mask."""
    try:
        table = next(iter(find_tables(path)), None)
        row = None if table is None else next(_read_rows(table), None)
        return row is not None and None not in _find_columns(row)
    except (DataError, OSError):
        return False


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read the pairs that the tables name.

    Raises:
        DataError: a row without a picture, a file that is not there, or see
            :func:`~edgeseg.datasets.pixels.pixel_set.build_set`.
    """
    root = path if path.is_dir() else path.parent
    pairs = [pair for table in find_tables(path) for pair in _read_pairs(table, root)]
    folders = dict.fromkeys(
        [root, *(pair.image.parent for pair in pairs), *(pair.image.parent.parent for pair in pairs)]
    )
    inside = [folder for folder in folders if folder.is_relative_to(root)]
    return build_set(root, TITLE, pairs, read_class_map(inside), options)


def _read_pairs(table: Path, root: Path) -> Iterator[FilePair]:
    split = split_name(table.parent.name) if table.parent != root else None
    for number, row in enumerate(_read_rows(table), 1):
        image_column, mask_column = _find_columns(row)
        image = _find(root, table, number, row, image_column)
        mask = _find(root, table, number, row, mask_column) if mask_column and row.get(mask_column) else None
        yield FilePair(image.relative_to(root).with_suffix("").as_posix(), image, mask, split)


def _find(root: Path, table: Path, number: int, row: Row, column: str | None) -> Path:
    name = row.get(column) if column else None
    found = find_inside(root, table.parent, name) if isinstance(name, str) else None
    if found is None:
        raise DataError(
            f"{table}, row {number}: {column or 'no column'} names {name!r}, which is no file in {root}. Put it "
            "there, or take the row out."
        )
    return found


def _find_columns(row: Row) -> tuple[str | None, str | None]:
    """The columns with the picture's and the mask's file; None for one that is not there."""
    image = _first(row, _IMAGES)
    return image, _first({name: row[name] for name in row if name != image}, _MASKS)


def _first(row: Row, words: Sequence[str]) -> str | None:
    named = (name for word in words for name in (f"{word}{_FILE}", word) if isinstance(row.get(name), str))
    return next(named, None)


def _read_rows(table: Path) -> Iterator[Row]:
    lines = read_text(table).splitlines()
    if table.suffix == ".csv":
        yield from ({str(name).strip(): value for name, value in row.items()} for row in csv.DictReader(lines))
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as fault:
            raise DataError(f"{table}, line {number} is no JSON: {fault}.") from None
        if not isinstance(row, Mapping):
            raise DataError(f"{table}, line {number} must be an object with names of files; found {line[:40]!r}.")
        yield row


READER = Reader("imagefolder", TITLE, recognise, read, may_lack_names=True)
