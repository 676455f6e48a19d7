"""The size of a picture without decoding it, upright."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeseg.errors import DataError
from edgeseg.files.image_size import peek_size
from edgeseg.image import read_image


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_picture_that_is_read(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"picture.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(path, exif=exif)
    assert peek_size(path) == read_image(path).shape[:2]


def test_a_progressive_jpeg_with_a_thumbnail_has_the_size_of_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    Image.fromarray(np.zeros((70, 50), np.uint8)).save(path, progressive=True, comment=b"\xff\xc0" * 40)
    assert peek_size(path) == (70, 50)


def test_other_kinds_and_damaged_headers_have_none(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.bmp"), np.zeros((4, 4), np.uint8))
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10")
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00")
    assert [peek_size(path) for path in sorted(tmp_path.iterdir())] == [None] * 3
    with pytest.raises(DataError, match="There is no file"):
        peek_size(tmp_path / "nowhere.png")
