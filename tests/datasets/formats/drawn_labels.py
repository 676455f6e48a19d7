"""A street of two classes, drawn with points between pixels, and its mask by Matplotlib's idea of inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.path import Path as Curve

from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet, Reader, ReadOptions
from edgeseg.errors import DataError

HEIGHT, WIDTH = 48, 64
ROAD = [[3.2, 20.4], [60.7, 18.1], [63.1, 46.9], [1.4, 45.2]]
CAR = [[20.3, 12.6], [38.8, 12.2], [39.4, 30.7], [19.6, 31.3]]
STRAY = [[50.5, 2.5], [60.2, 3.1], [55.4, 11.8]]
CLASSES = ("background", "car", "road")


def write_picture(path: Path, height: int = HEIGHT, width: int = WIDTH) -> Path:
    """Write a picture whose pixels nobody looks at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(len(path.name)).integers(0, 255, (height, width, 3)).astype(np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


def inside(points: Any, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Tell of every pixel whether its centre is inside."""
    rows, columns = np.indices((height, width))
    curve = Curve(np.vstack([points, points[:1]]), closed=True)
    return curve.contains_points(np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], 1)).reshape(height, width)


def street() -> np.ndarray:
    """The mask of a road, a car on it, and a second car: labels of CLASSES."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[inside(ROAD)] = 2
    mask[inside(CAR)] = 1
    mask[inside(STRAY)] = 1
    return mask


def read(reader: Reader, path: Path, classes: tuple[str, ...] | None = None) -> LabelledSet:
    """Read a folder that the reader must recognise."""
    assert reader.recognise(path)
    return reader.read(path, ReadOptions(classes=classes))


def only(found: LabelledSet) -> LabelledPicture:
    """The one picture of a set."""
    (picture,) = found.pictures
    return picture


def mask_of(picture: LabelledPicture) -> np.ndarray:
    """The mask of a labelled picture, or what is wrong with it."""
    if picture.wrong:
        raise DataError(" ".join(picture.wrong))
    assert picture.render is not None
    return picture.render()
