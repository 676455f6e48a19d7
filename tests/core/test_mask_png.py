"""Mask files: indices for programs, colours for people."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeseg.image import read_mask
from edgeseg.mask_png import mask_png
from edgeseg.palette import default_palette


@pytest.fixture
def mask() -> np.ndarray:
    """Every value that a mask can hold, at an odd size."""
    return np.arange(257, dtype=np.int64).astype(np.uint8).reshape(1, 257).repeat(3, 0)


@pytest.mark.parametrize("classes", [2, 11, 256])
def test_every_reader_of_indices_gets_the_indices(mask: np.ndarray, classes: int, tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(mask_png(mask, default_palette(classes)))
    assert np.array_equal(read_mask(path), mask)
    with Image.open(path) as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), mask)


def test_a_viewer_shows_each_class_in_its_colour(mask: np.ndarray, tmp_path: Path) -> None:
    path, palette = tmp_path / "mask.png", default_palette(11)
    path.write_bytes(mask_png(mask, palette))
    shown = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    assert np.array_equal(shown[0, :11], np.array(palette))
    assert not shown[0, 11:255].any()
    assert tuple(shown[0, 255]) == (224, 224, 192)
