"""What is written of a TIFF picture: a tiled mask (COG) and a tiled picture with its classes drawn in, by rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.errors import OutputError
from edgeseg.files.atomic import atomic_file
from edgeseg.files.unfinished import unfinished_file
from edgeseg.image import UInt8
from edgeseg.legend import draw_legend
from edgeseg.mask_png import VOID, void_palette
from edgeseg.multilabel import label_palette
from edgeseg.runtime.tiles.files import WriteBand, band_painter
from edgeseg.runtime.tiles.raster import CACHE_MB, Georeference
from edgeseg.runtime.tiles.segment import Band
from edgeseg.spec import ModelSpec

_BLOCK = 512
_MAKER = "TIFFTAG_SOFTWARE"
_MARK = "edgeseg mask "
_JPEG_QUALITY = 90


@contextmanager
def raster_mask_output(
    path: Path, size: tuple[int, int], georeference: Georeference, spec: ModelSpec, origin: str
) -> Iterator[WriteBand]:
    """Write labels as a cloud-optimised GeoTIFF: tiled, Deflate, with overviews, the palette and the georeference.

    Pixels without data hold 255, which is the file's no-data value; of a multilabel model they hold no class.

    Args:
        path: the file; one of the same origin is replaced.
        size: height and width.
        georeference: of the picture.
        spec: gives the colours.
        origin: of the masks, kept in the file.

    Raises:
        OutputError: it cannot be written, or something else is there.
    """
    _expect_own(path, origin)
    rasterio = require("rasterio", "geo")
    profile = {"count": 1, "compress": "deflate", "zlevel": 1, "nodata": None if spec.task == "multilabel" else VOID}
    with atomic_file(path) as staged, unfinished_file(path) as strips, rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
        with _open(strips, size, georeference, profile) as out:
            out.write_colormap(1, dict(enumerate(void_palette(label_palette(spec)))))
            out.update_tags(**{_MAKER: _MARK + origin})
            writer = _RowWriter(out)
            yield lambda band: writer.write(band.labels[np.newaxis])
            writer.finish()
        _optimise(strips, staged)


@contextmanager
def raster_overlay_output(
    path: Path, size: tuple[int, int], georeference: Georeference, spec: ModelSpec, legend: bool
) -> Iterator[WriteBand]:
    """Write a picture with its classes drawn in as a tiled TIFF, JPEG inside, with the georeference.

    Args:
        path: the file.
        size: height and width.
        georeference: of the picture.
        spec: gives the colours.
        legend: name the classes, where the first rows have room for it.

    Raises:
        OutputError: it cannot be written.
    """
    rasterio = require("rasterio", "geo")
    jpeg = {"compress": "jpeg", "photometric": "ycbcr", "jpeg_quality": _JPEG_QUALITY}
    paint = band_painter(spec)
    profile = {"count": 3, "interleave": "pixel", **jpeg}
    with (
        atomic_file(path) as staged,
        rasterio.Env(GDAL_CACHEMAX=CACHE_MB),
        _open(staged, size, georeference, profile) as out,
    ):
        writer = _RowWriter(out)

        def write(band: Band) -> None:
            picture = paint(band)
            if legend and band.top == 0:
                draw_legend(picture, spec)
            writer.write(picture[..., ::-1].transpose(2, 0, 1))

        yield write
        writer.finish()


@contextmanager
def _open(path: Path, size: tuple[int, int], georeference: Georeference, profile: dict[str, Any]) -> Iterator[Any]:
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    rasterio = require("rasterio", "geo")
    place = {"crs": georeference.crs, "transform": georeference.transform}
    tiles = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "BIGTIFF": "IF_SAFER"}
    shape = {"driver": "GTiff", "height": size[0], "width": size[1], "dtype": "uint8"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with rasterio.open(path, "w", **shape, **tiles, **place, **profile) as out:
                if georeference.gcps is not None:
                    out.gcps = georeference.gcps
                yield out
        except RasterioError as error:
            raise _refusal(path, error) from error


def _optimise(strips: Path, staged: Path) -> None:
    """Copy a tiled file into the order of a cloud-optimised one, with overviews of the nearest pixels."""
    from rasterio.errors import NotGeoreferencedWarning, RasterioError
    from rasterio.shutil import copy

    how = {"compress": "deflate", "blocksize": _BLOCK, "overview_resampling": "nearest", "bigtiff": "if_safer"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            copy(strips, staged, driver="COG", **how)
    except RasterioError as error:
        raise _refusal(staged, error) from error


def _refusal(path: Path, error: Exception) -> OutputError:
    return OutputError(f"Cannot write into {path.parent}: {error.__cause__ or error}. See if there is room for it.")


def _expect_own(path: Path, origin: str) -> None:
    """Refuse to write over a file that is no mask of this source."""
    if not path.exists():
        return
    rasterio = require("rasterio", "geo")
    made = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with rasterio.open(path) as file:
                made = file.tags().get(_MAKER, "")
    except rasterio.errors.RasterioError:
        made = ""
    if made != _MARK + origin:
        raise OutputError(
            f"{path} is there and is not a mask of this source; it is not replaced. Choose another folder."
        )


class _RowWriter:
    """Hands rows on in whole blocks, so that no block is compressed twice."""

    def __init__(self, out: Any) -> None:
        self._out, self._top = out, 0
        self._waiting: list[UInt8] = []
        self._rows = 0

    def write(self, planes: UInt8) -> None:
        """Take (channels, rows, width)."""
        self._waiting.append(planes)
        self._rows += planes.shape[1]
        if self._rows >= _BLOCK:
            self._flush(self._rows // _BLOCK * _BLOCK)

    def finish(self) -> None:
        """Write what is left."""
        if self._rows:
            self._flush(self._rows)

    def _flush(self, count: int) -> None:
        from rasterio.windows import Window

        joined = np.concatenate(self._waiting, axis=1)
        self._out.write(joined[:, :count], window=Window(0, self._top, joined.shape[2], count))
        self._top += count
        self._rows -= count
        self._waiting = [joined[:, count:].copy()] if self._rows else []
