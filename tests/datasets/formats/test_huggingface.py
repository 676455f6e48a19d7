"""Tables of Hugging Face, as ``datasets`` saves them and as parquet files; and archives."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_labels import HEIGHT, WIDTH, mask_of, read, write_picture

from edgeseg.datasets.formats import archive
from edgeseg.datasets.formats.huggingface import READER
from edgeseg.datasets.formats.labelled_set import ReadOptions
from edgeseg.errors import DataError, MissingExtra

arrow = pytest.importorskip("pyarrow", reason="tables of Hugging Face need the extra `huggingface`")
parquet = pytest.importorskip("pyarrow.parquet")
CLASSES = ("background", "car", "road")
MASKS = [np.random.default_rng(seed).integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint8) for seed in (0, 1)]


def png(image: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


PICTURE = png(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def table(masks: list[Any], image: str = "image", mask: str = "label") -> Any:
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    pictures = [{"bytes": PICTURE, "path": "a.png"} for _ in masks]
    said = [
        {"bytes": each, "path": None} if isinstance(each, bytes) else {"bytes": None, "path": each} for each in masks
    ]
    columns = [arrow.array(range(len(masks))), arrow.array(pictures, kind), arrow.array(said, kind)]
    return arrow.table(columns, names=["number", image, mask])


def parquet_folder(tmp_path: Path, masks: list[Any], names: bool = True, **columns: str) -> Path:
    (tmp_path / "data").mkdir()
    for split in ("train", "validation"):
        parquet.write_table(table(masks, **columns), tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    if names:
        (tmp_path / "id2label.json").write_text(json.dumps(dict(enumerate(CLASSES))), encoding="utf-8-sig")
    return tmp_path


@pytest.mark.parametrize("columns", [{}, {"mask": "annotation"}, {"image": "picture", "mask": "what it shows"}])
def test_parquet_files_are_read_with_their_splits(tmp_path: Path, columns: dict[str, str]) -> None:
    found = read(READER, parquet_folder(tmp_path, [png(mask) for mask in MASKS], **columns))
    assert found.classes == CLASSES
    assert [(picture.split, picture.name) for picture in found.pictures] == [
        ("train", "train-000000"), ("train", "train-000001"), ("val", "val-000000"), ("val", "val-000001")
    ]  # fmt: skip
    for picture, mask in zip(found.pictures, MASKS * 2, strict=True):
        assert picture.image == PICTURE
        assert np.array_equal(mask_of(picture), mask)


def test_a_folder_that_datasets_saved_is_read_in_its_order(tmp_path: Path) -> None:
    files = [{"filename": f"data-0000{at}-of-00002.arrow"} for at in (0, 1)]
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "state.json").write_text(json.dumps({"_data_files": files}), encoding="utf-8")
        for file, mask in zip(files, MASKS, strict=True):
            rows = table([png(mask)])
            with arrow.ipc.new_stream(str(tmp_path / split / file["filename"]), rows.schema) as stream:
                stream.write_table(rows)
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    found = read(READER, tmp_path)
    assert [picture.split for picture in found.pictures] == ["test", "test", "train", "train"]
    assert all(np.array_equal(mask_of(picture), mask) for picture, mask in zip(found.pictures, MASKS * 2, strict=True))


def test_masks_may_lie_in_files_beside_the_table_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    root = parquet_folder(tmp_path / "set", ["mask.png", "../../secret.png"])
    write_picture(root / "data" / "mask.png")
    write_picture(tmp_path / "secret.png")
    (root / "data" / "mask.png").write_bytes(png(MASKS[0]))
    inside, outside = read(READER, root).pictures[:2]
    assert np.array_equal(mask_of(inside), MASKS[0])
    assert outside.render is None


def test_what_numbers_mean_can_be_said(tmp_path: Path) -> None:
    root = parquet_folder(tmp_path, [png(MASKS[0] * 100)])
    found = READER.read(root, ReadOptions(mask_values={0: "ignore", 100: "car", 200: "road"}))
    assert np.array_equal(mask_of(found.pictures[0]), np.array([255, 1, 2], np.uint8)[MASKS[0]])


def test_masks_without_names_are_refused_and_names_can_be_given(tmp_path: Path) -> None:
    root = parquet_folder(tmp_path, [png(MASKS[0])], names=False)
    with pytest.raises(DataError, match="does not say which class a number of its masks is"):
        read(READER, root)
    assert read(READER, root, classes=CLASSES).classes == CLASSES


@pytest.mark.parametrize(
    ("mask", "fault"),
    [
        (png(MASKS[0], ".jpg"), r"The mask of .*parquet, row 0 is a JPEG file"),
        (png(np.dstack([MASKS[0], MASKS[1], MASKS[0]])), r"parquet, row 0 is a colour picture"),
        (b"nonsense", r"parquet, row 0 is not a readable image"),
    ],
)
def test_a_mask_that_cannot_be_read_is_named_by_file_and_row(tmp_path: Path, mask: bytes, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        mask_of(read(READER, parquet_folder(tmp_path, [mask])).pictures[0])


def test_tables_without_masks_and_damaged_ones_are_refused_by_name(tmp_path: Path) -> None:
    root = parquet_folder(tmp_path, [])
    file = root / "data" / "train-00000-of-00001.parquet"
    parquet.write_table(table([PICTURE]).drop(["label"]), file)
    with pytest.raises(DataError, match="no column of images beside one of masks; found number, image"):
        read(READER, root)
    file.write_bytes(b"PAR1nonsense")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read(READER, root)


def test_what_is_missing_is_said_with_the_line_that_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = parquet_folder(tmp_path, [png(MASKS[0])])
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"'pyarrow.*pip install"):
        read(READER, root)


@pytest.mark.parametrize("name", ["export.zip", "set.tar.gz", "a.7z"])
def test_archives_are_to_be_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK")
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(DataError, match=rf"{name} is an archive\. Unpack it into a folder of its own"):
            read(archive.READER, path)
    write_picture(tmp_path / "a.png")
    assert not archive.READER.recognise(tmp_path)
