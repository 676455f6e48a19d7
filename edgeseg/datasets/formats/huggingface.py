"""Hugging Face: folders of ``datasets`` (``save_to_disk``) and parquet files, with a column of images and one of masks.

Both are Arrow tables, and ``pyarrow`` reads them as they lie: the package ``datasets`` would first copy them into a
cache of its own. Masks hold class indices; names come from ``id2label.json`` or ``classes.txt`` in the folder, or from
whoever calls. Pictures stay in memory while a set is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgeseg.console.extras import require
from edgeseg.datasets.formats.labelled_set import (
    LabelledPicture,
    LabelledSet,
    Reader,
    ReadOptions,
    check_classes,
)
from edgeseg.datasets.formats.stored_picture import StoredMask, check_bytes, find_names
from edgeseg.datasets.shapes.annotation_file import list_of, read_json_object
from edgeseg.datasets.shapes.picture_files import find_inside, split_name
from edgeseg.errors import DataError
from edgeseg.masks.mask_values import MaskValues

EXTRA = "huggingface"
_IMAGES = ("image", "img", "images", "pixel_values", "picture", "photo")
_MASKS = ("label", "mask", "labels", "masks", "annotation", "annotations", "segmentation", "segmentation_mask", "seg")
_STATE = "state.json"


def find_tables(path: Path) -> list[tuple[Path, str | None]]:
    """Find the files of a data set and the split of each; none where a folder holds no such set."""
    if path.is_file():
        return [(path, split_name(path.stem.partition("-")[0]))] if path.suffix == ".parquet" else []
    saved = [path] if (path / _STATE).is_file() else [entry.parent for entry in sorted(path.glob(f"*/{_STATE}"))]
    if saved:
        return [(file, split_name(folder.name)) for folder in saved for file in _arrow_files(folder)]
    files = sorted({*path.glob("*.parquet"), *path.glob("data/*.parquet"), *path.glob("*/*.parquet")})
    return [(file, split_name(file.stem.partition("-")[0]) or split_name(file.parent.name)) for file in files]


def _arrow_files(folder: Path) -> Iterator[Path]:
    """The files that ``state.json`` lists, in its order."""
    state = folder / _STATE
    for listed in list_of(read_json_object(state), "_data_files", state):
        found = find_inside(folder, folder, str(listed.get("filename")))
        if found is None:
            raise DataError(f"{state} lists {listed.get('filename')!r}, which is not in {folder}. Copy it again.")
        yield found


def recognise(path: Path) -> bool:
    """Tell whether a folder was saved by ``datasets``, or holds parquet files; or whether a file is one."""
    if path.is_file():
        return path.suffix == ".parquet"
    patterns = (_STATE, f"*/{_STATE}", "*.parquet", "data/*.parquet", "*/*.parquet")
    return any(next(path.glob(pattern), None) is not None for pattern in patterns)


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read the rows of all files.

    Raises:
        MissingExtra: ``pyarrow`` is not installed.
        DataError: no column of images or of masks, no class names, or more than 8 GB.
    """
    tables = find_tables(path)
    root = path if path.is_dir() else path.parent
    check_bytes(path, [file for file, _ in tables])
    classes = check_classes(options.classes or find_names(root), root)
    values = MaskValues.read(options.mask_values or {}, classes)
    pictures = [picture for file, split in tables for picture in _read_table(file, split, root, values)]
    if not pictures:
        raise DataError(f"{path} holds no rows.")
    return LabelledSet(root, READER.title, classes, tuple(pictures))


def _read_table(file: Path, split: str | None, root: Path, values: MaskValues) -> Iterator[LabelledPicture]:
    table = _open_table(file)
    image, mask = _find_columns(table, file)
    prefix = file.stem if split is None else split
    for number in range(table.num_rows):
        row = table.slice(number, 1)
        where = f"{file}, row {number}"
        name = f"{prefix}-{number:06d}"
        picture = _picture_of(row[image][0].as_py(), file, root)
        labels = _picture_of(row[mask][0].as_py(), file, root)
        wrong = () if picture is not None else (f"{where}: its picture is empty, or not in {root}.",)
        render = None if labels is None else StoredMask(labels, where, values)
        yield LabelledPicture(name, picture or b"", split, render, (file,), wrong=wrong)


def _open_table(file: Path) -> Any:
    arrow = require("pyarrow", EXTRA)
    try:
        if file.suffix == ".parquet":
            return require("pyarrow.parquet", EXTRA).read_table(file)
        with require("pyarrow.ipc", EXTRA).open_stream(arrow.memory_map(str(file))) as stream:
            return stream.read_all()
    except (arrow.ArrowException, OSError) as fault:
        raise DataError(f"{file} cannot be read as a table: {str(fault).splitlines()[0]}.") from None


def _find_columns(table: Any, file: Path) -> tuple[str, str]:
    """The names of the columns with images and with masks."""
    holding = [name for name in table.column_names if _holds_pictures(table.schema.field(name).type)]
    declared = _declared(table.schema.metadata or {})
    holding = [name for name in holding if not declared or name in declared] or holding
    image = next((name for name in _IMAGES if name in holding), None)
    mask = next((name for name in _MASKS if name in holding and name != image), None)
    if len(holding) == 2 and (image is None) != (mask is None):
        other = next(name for name in holding if name not in (image, mask))
        image, mask = image or other, mask or other
    if image is None or mask is None:
        raise DataError(
            f"{file} has no column of images beside one of masks; found {', '.join(table.column_names)}. Name them "
            "image and label."
        )
    return image, mask


def _declared(metadata: Mapping[bytes, bytes]) -> set[str]:
    """Columns that ``datasets`` calls images."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {name for name, feature in features.items() if feature.get("_type") == "Image"}
    except (KeyError, TypeError, ValueError, AttributeError):
        return set()


def _holds_pictures(kind: Any) -> bool:
    types = require("pyarrow.types", EXTRA)
    if types.is_struct(kind):
        return any(kind.field(at).name == "bytes" for at in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _picture_of(value: Any, file: Path, root: Path) -> bytes | Path | None:
    """The bytes of a cell, or the file that it names."""
    if isinstance(value, dict):
        name = value.get("path")
        value = value.get("bytes") or (find_inside(root, file.parent, name) if isinstance(name, str) else None)
    return value if isinstance(value, bytes | Path) and value else None


READER = Reader("huggingface", "Hugging Face", recognise, read)
