"""TIFF pictures of any size, read by rows through rasterio (GDAL): tiles, strips, BigTIFF, any of its compressions.

rasterio and not tifffile: it decodes LZW, Deflate, JPEG and Zstandard without another package, reads windows of one
file in a bounded cache, knows no-data values, alpha and mask bands, and keeps coordinates in what is written.

Channels and depths become BGR as :mod:`edgeseg.image` makes them: 16 bits are scaled from their full range, palettes
are looked up, white-is-zero is turned over. Where alpha is 0 there is no data.
"""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.console.extras import require
from edgeseg.errors import DataError
from edgeseg.files.input_file import check_regular
from edgeseg.files.tiff import CMYK, ORIENTATION, PHOTOMETRIC
from edgeseg.files.tiff_page import is_tiff, read_pages
from edgeseg.image import UInt8
from edgeseg.runtime.tiles.picture import Rows

CACHE_MB = 64
"""What GDAL keeps of decoded blocks; by default it takes a twentieth of the machine's memory."""
MOST_BLOCK_BYTES = 1 << 28
"""A strip or tile is decoded whole, so that a picture of one strip is a picture that is read whole."""
_READ = {"uint8": 8, "uint16": 16}


@dataclass(frozen=True)
class Georeference:
    """Where a picture lies on the earth, as its file says it; written into its mask as it is.

    Attributes:
        crs: rasterio's coordinate reference system; None where the file names none that GDAL knows.
        transform: from pixels to coordinates; None: none.
        gcps: ground control points and their coordinate reference system; None: none.
    """

    crs: Any = None
    transform: Any = None
    gcps: Any = None


class RasterPicture:
    """A TIFF picture that is read by rows.

    ::

        with closing(RasterPicture(Path("ortho.tif"))) as picture:
            rows = picture.read(0, 512)

    Args:
        path: the file.

    Attributes:
        georeference: where it lies.

    Raises:
        MissingExtra: rasterio is not installed.
        DataError: no TIFF, a damaged one, several pages, or pixels that are not read; the message says what to do.
    """

    def __init__(self, path: Path) -> None:
        check_regular(path, DataError)
        self._path = path
        rasterio = require("rasterio", "geo")
        with ExitStack() as held:
            held.enter_context(rasterio.Env(GDAL_CACHEMAX=CACHE_MB))
            with _translated(path, "opened"):
                self._file = held.enter_context(rasterio.open(path, driver="GTiff"))
            _check_page(path)
            self._bands = _choose_bands(self._file, path)
            _check_blocks(self._file, path)
            self._colors = _palette(self._file) if self._bands.is_palette else None
            flags = self._file.mask_flag_enums
            self._has_mask = any(flag.name != "all_valid" for band in self._bands.numbers for flag in flags[band - 1])
            gcps = self._file.gcps
            transform = None if self._file.transform.is_identity else self._file.transform
            self.georeference = Georeference(self._file.crs, transform, gcps if gcps[0] else None)
            self._held = held.pop_all()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._file.height, self._file.width

    def read(self, top: int, bottom: int) -> Rows:
        """Read rows as BGR; see :class:`edgeseg.runtime.tiles.picture.Picture`.

        Raises:
            DataError: a strip or tile in them is missing or damaged.
        """
        from rasterio.windows import Window

        window = Window(0, top, self._file.width, bottom - top)
        with _translated(self._path, f"read in rows {top} to {bottom}"):
            planes = self._file.read(list(self._bands.numbers), window=window)
            valid = self._file.dataset_mask(window=window) > 0 if self._has_mask else None
        return Rows(self._as_bgr(planes), None if valid is None or valid.all() else valid)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._held.close()

    def _as_bgr(self, planes: Any) -> UInt8:
        if self._colors is not None:
            return np.asarray(self._colors[planes[0]], np.uint8)
        if planes.dtype == np.uint16:
            planes = ((planes.astype(np.uint32) + 128) // 257).astype(np.uint8)
        if self._bands.bits < 8:
            planes = planes * np.uint8(255 // (2**self._bands.bits - 1))
        if self._bands.is_negative:
            planes = np.invert(planes)
        if len(planes) == 1:
            return np.repeat(planes[0][..., np.newaxis], 3, axis=2)
        return np.ascontiguousarray(planes[::-1].transpose(1, 2, 0))


@dataclass(frozen=True)
class _Bands:
    """Which bands are read, and what their numbers mean."""

    numbers: tuple[int, ...]
    bits: int
    is_palette: bool
    is_negative: bool


@contextmanager
def _translated(path: Path, doing: str) -> Iterator[None]:
    """Turn what GDAL says into a sentence about the file."""
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            yield
    except RasterioError as error:
        cause = error.__cause__ or error.__context__ or error
        raise DataError(
            f"{path} is a damaged or truncated TIFF: it cannot be {doing} ({cause}). Copy it again from its source."
        ) from error


def _check_page(path: Path) -> None:
    """Refuse what GDAL reads without a word but otherwise than it is meant: turned, CMYK, one page of several."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        whole: Any = data
        if not is_tiff(whole):
            raise DataError(f"{path} is no TIFF, whatever its name ends in. Give it the ending of what it is.")
        pages = [page for page in read_pages(whole) if not page.first(254, 0) & 0b101]
        if len(pages) > 1:
            raise DataError(f"{path} holds {len(pages)} pictures; an image is one. Save them as files of their own.")
        turned, kind = (pages[0].first(tag, 1) if pages else 1 for tag in (ORIENTATION, PHOTOMETRIC))
        del pages
    if kind == CMYK:
        raise DataError(f"{path} is a CMYK picture; grey, RGB and palettes are read by rows. Convert it to RGB.")
    if turned not in (0, 1):
        raise DataError(
            f"{path} is turned by its orientation tag ({turned}), which is not followed in a picture that is read by "
            "rows. Save it upright."
        )


def _choose_bands(file: Any, path: Path) -> _Bands:
    kinds = [kind.name for kind in file.colorinterp]
    depths = set(file.dtypes)
    if len(depths) > 1 or not depths <= set(_READ):
        found = ", ".join(sorted(depths))
        raise DataError(f"{path} holds {found} pixels; unsigned ones of 8 and 16 bit are read. Convert it to 8 bit.")
    tags = file.tags(1, ns="IMAGE_STRUCTURE")
    bits = int(tags.get("NBITS", _READ[file.dtypes[0]]))
    if bits not in (1, 2, 4, 8, 16):
        raise DataError(f"{path} holds {bits} bits a channel, which is not read here. Convert it to 8 bits a channel.")
    is_negative = file.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES" or tags.get("MINISWHITE") == "YES"
    colours = [index for index, kind in enumerate(kinds, 1) if kind != "alpha"]
    if len(colours) == 1:
        return _Bands((1,), bits, kinds[0] == "palette", is_negative)
    if len(colours) != 3 and not (len(colours) == 4 and kinds[:3] == ["red", "green", "blue"]):
        raise DataError(
            f"{path} has {file.count} channels; grey and colour pictures are read, with alpha or without. Save the "
            f"three that the network was trained on: gdal_translate -b 1 -b 2 -b 3 {path.name} three.tif"
        )
    return _Bands(tuple(colours[:3]), bits, False, is_negative)


def _check_blocks(file: Any, path: Path) -> None:
    rows, columns = file.block_shapes[0]
    size = rows * columns * np.dtype(file.dtypes[0]).itemsize * (file.count if file.interleaving else 1)
    if size > MOST_BLOCK_BYTES:
        raise DataError(
            f"{path} is stored in blocks of {rows}x{columns} pixels, which take {size >> 20} MB each and have to be "
            f"decoded whole. Store it in tiles: gdal_translate -co TILED=YES -co BIGTIFF=IF_SAFER {path.name} tiled.tif"
        )


def _palette(file: Any) -> UInt8:
    colors = np.zeros((256, 3), np.uint8)
    for index, (red, green, blue, _) in file.colormap(1).items():
        colors[index] = blue, green, red
    return colors
