"""A picture's file as something that is read by rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import cv2
import numpy as np

from edgeseg.draw import color_table, overlay
from edgeseg.files.atomic import atomic_file
from edgeseg.image import UInt8, read_image
from edgeseg.legend import draw_legend
from edgeseg.mask_png import mask_png
from edgeseg.multilabel import label_palette
from edgeseg.runtime.sinks.mask_folder import MaskFolder
from edgeseg.runtime.tiles.picture import LoadedPicture
from edgeseg.runtime.tiles.segment import Band
from edgeseg.spec import ModelSpec

WriteBand = Callable[[Band], object]
"""Takes the bands of one picture from the top."""
Output = AbstractContextManager[WriteBand]
"""An output of one picture: whole when its block ends well, else not there."""
RASTER_SUFFIXES = (".tif", ".tiff")
_JPEG_QUALITY = 92


def is_raster(path: Path) -> bool:
    """Tell whether a picture is read by windows, and its mask written as it is: TIFF.

    >>> is_raster(Path("ortho.TIF")), is_raster(Path("photo.png"))
    (True, False)
    """
    return path.suffix.lower() in RASTER_SUFFIXES


def load_picture(path: Path) -> LoadedPicture:
    """Read a picture whole, as everywhere in edgeseg: at most 128 megapixels.

    Raises:
        DataError: see :func:`edgeseg.image.read_image`.
    """
    return LoadedPicture(read_image(path))


@contextmanager
def mask_output(folder: MaskFolder, name: str, index: int, spec: ModelSpec) -> Iterator[WriteBand]:
    """Write the labels of a picture as a palette PNG when all of its bands are there.

    Args:
        folder: never overwrites a picture that is no mask of this source.
        name, index: of the picture.
        spec: gives the colours.

    Raises:
        OutputError: it cannot be written.
    """
    parts: list[UInt8] = []
    yield lambda band: parts.append(band.labels)
    folder.put(name, index, mask_png(np.concatenate(parts), label_palette(spec)))


@contextmanager
def overlay_output(path: Path, spec: ModelSpec, legend: bool) -> Iterator[WriteBand]:
    """Write a picture with its classes drawn in, as PNG or JPEG by its ending.

    Args:
        path: the file.
        spec: gives the colours.
        legend: name the classes.

    Raises:
        OutputError: it cannot be written.
    """
    parts: list[UInt8] = []
    paint = band_painter(spec)
    yield lambda band: parts.append(paint(band))
    picture = np.concatenate(parts)
    if legend:
        draw_legend(picture, spec)
    settings = [] if path.suffix.lower() == ".png" else [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    with atomic_file(path) as staged:
        staged.write_bytes(cv2.imencode(path.suffix, picture, settings)[1].tobytes())


def band_painter(spec: ModelSpec) -> Callable[[Band], UInt8]:
    """Make what draws the classes over a band; the background, and where there is no data, stays as it is."""
    table = color_table(spec, hide=spec.unknown_label)

    def paint(band: Band) -> UInt8:
        painted = overlay(band.image, band.labels, table)
        if band.valid is not None:
            np.copyto(painted, band.image, where=~band.valid[..., np.newaxis])
        return painted

    return paint
