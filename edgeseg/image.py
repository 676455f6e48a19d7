"""The one way an image becomes a network input, and a label map comes back.

Training, calibration, evaluation and the runtime all call :func:`read_image` and :func:`fit`;
nothing else in edgeseg decodes, resizes or normalises.

What is decided here, once:

* 8-bit colour, grey (repeated to three channels) and CMYK (converted) images are read as BGR.
* 16-bit images are scaled from their full range, ``round(value / 257)``; a 12-bit camera in a
  16-bit file therefore looks dark, in training and at run time alike.
* Alpha is dropped, not blended: what colour lies under it is what the network sees.
* EXIF orientation is applied to images (a mask is drawn on what a viewer shows).
* Float images, truncated JPEG and PNG files, and images over 128 megapixels are refused.
* Masks are single-channel uint8 class indices; palette PNGs give their indices.
* Resizing is done on uint8, bilinear for images and nearest (pixel centres) for masks.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 27))

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError
from edgeseg.spec import ModelSpec

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
LETTERBOX_VALUE = 114


def read_image(path: Path | str) -> UInt8:
    """Read an image file as HWC uint8 BGR, by the rules in this module's docstring.

    Raises:
        DataError: missing, truncated, not an image, float, or too large.
    """
    data = _checked_bytes(Path(path))
    image = _decode(data, cv2.IMREAD_COLOR | _depth_flag(data), Path(path))
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:
        raise DataError(f"{path} holds {image.dtype} pixels; 8 and 16 bit images are read. Convert it to 8 bit.")
    return np.ascontiguousarray(image)


def read_mask(path: Path | str) -> UInt8:
    """Read a mask file as HW uint8 class indices.

    Single-channel files are taken as they are, palette PNGs give their palette indices, and
    three equal channels count as one.

    Raises:
        DataError: missing, truncated, or a colour picture where indices are expected.
    """
    path = Path(path)
    data = _checked_bytes(path)
    if (palette := _png_palette(data)) is not None:
        return _palette_indices(_decode(data, cv2.IMREAD_COLOR, path), palette, path)
    mask = _decode(data, cv2.IMREAD_UNCHANGED, path)
    if mask.dtype != np.uint8:
        if mask.dtype != np.uint16 or mask.max() > 255:
            raise DataError(f"Mask {path} holds {mask.dtype} values up to {mask.max()}; class indices are 0..255.")
        mask = mask.astype(np.uint8)
    if mask.ndim == 3:
        mask = _single_channel(mask, path)
    return np.ascontiguousarray(mask)


def _single_channel(mask: UInt8, path: Path) -> UInt8:
    first = mask[..., 0]
    if any(not np.array_equal(first, mask[..., c]) for c in range(1, min(mask.shape[2], 3))):
        raise DataError(
            f"Mask {path} is a colour picture ({mask.shape[2]} different channels); "
            "a mask holds one class index a pixel. Convert the colours to indices."
        )
    return first


def _checked_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from None
    if not data:
        raise DataError(f"{path} is empty (0 bytes). Copy it again from its source.")
    if data[:2] == b"\xff\xd8":
        _check_jpeg_end(data, path)
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        _check_png_chunks(data, path)
    return data


def _check_jpeg_end(data: bytes, path: Path) -> None:
    """Refuse a JPEG whose scan never ends: decoders fill the missing part with grey."""
    scan = _jpeg_scan_start(data)
    if data.find(b"\xff\xd9", scan) < 0:
        raise DataError(f"{path} is a truncated JPEG (no end marker in {len(data)} bytes). Copy it again.")


def _jpeg_scan_start(data: bytes) -> int:
    """Offset of the first start-of-scan segment, past thumbnails inside APP segments."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker == 0xDA:
            return at
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker in (0x00, 0x01):
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return len(data)


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes, bool]]:
    """(type, body, whole) of each chunk, as far as the bytes go; whole says that the CRC holds."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        body = data[at + 8 : at + 8 + length]
        crc = data[at + 8 + length : at + 12 + length]
        whole = len(crc) == 4 and zlib.crc32(data[at + 4 : at + 8] + body) == int.from_bytes(crc, "big")
        chunks.append((data[at + 4 : at + 8], body, whole))
        at += 12 + length
        if chunks[-1][0] == b"IEND":
            break
    return chunks


def _check_png_chunks(data: bytes, path: Path) -> None:
    chunks = _png_chunks(data)
    if not chunks or chunks[-1][0] != b"IEND":
        raise DataError(f"{path} is a truncated PNG (no IEND chunk in {len(data)} bytes). Copy it again.")
    critical = [kind for kind, _, whole in chunks if not whole and kind[:1].isupper()]
    if critical:
        raise DataError(f"{path} is a damaged PNG (checksum of its {critical[0].decode('latin1')} chunk fails).")


def _decode(data: bytes, flags: int, path: Path) -> Any:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{path} cannot be decoded as an image: {error.err or error}.") from None
    if image is None or image.size == 0:
        raise DataError(f"{path} is not a readable image ({len(data)} bytes); see if a viewer opens it.")
    return image


def _depth_flag(data: bytes) -> int:
    """Keep 16 bits where the file has them; OpenCV 5 widens some 8-bit PNGs when asked always."""
    is_png = data[:8] == b"\x89PNG\r\n\x1a\n"
    return 0 if is_png and data[24] != 16 else cv2.IMREAD_ANYDEPTH


def _png_palette(data: bytes) -> UInt8 | None:
    """The (N, 3) BGR palette of a palette PNG, else None."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    chunks = {kind: body for kind, body, _ in reversed(_png_chunks(data))}
    if len(chunks.get(b"IHDR", b"")) < 10 or chunks[b"IHDR"][9] != 3:
        return None
    table = np.frombuffer(chunks.get(b"PLTE", b""), np.uint8)
    return table[: len(table) // 3 * 3].reshape(-1, 3)[:, ::-1]


def _palette_indices(image: UInt8, palette: UInt8, path: Path) -> UInt8:
    """Undo the palette: OpenCV always expands it to colours."""
    weights = np.array([1, 256, 65536])
    keys, first = np.unique(palette @ weights, return_index=True)
    codes, inverse = np.unique(image.reshape(-1, 3) @ weights, return_inverse=True)
    at = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    repeated = {int(c) for c in codes if np.count_nonzero(palette @ weights == c) > 1}
    if repeated:
        raise DataError(f"Mask {path} uses a palette colour that stands for several indices; save it as grey indices.")
    if not np.array_equal(keys[at], codes):
        raise DataError(f"Mask {path} has pixels outside its own palette; save it as grey indices.")
    return first[at][inverse].astype(np.uint8).reshape(image.shape[:2])


@dataclass(frozen=True)
class Placement:
    """Where an image lies inside the network input: offsets and size in pixels."""

    top: int
    left: int
    height: int
    width: int


def placement(size: tuple[int, int], spec: ModelSpec) -> Placement:
    """Where an image of ``size`` (height, width) lands in the input of ``spec``."""
    if spec.resize == "stretch":
        return Placement(0, 0, spec.height, spec.width)
    scale = min(spec.height / size[0], spec.width / size[1])
    height = max(1, min(spec.height, round(size[0] * scale)))
    width = max(1, min(spec.width, round(size[1] * scale)))
    return Placement((spec.height - height) // 2, (spec.width - width) // 2, height, width)


def fit(image: UInt8, spec: ModelSpec, out: UInt8 | None = None) -> UInt8:
    """Resize a BGR image to the network input.

    Args:
        image: HWC uint8 BGR, any size.
        spec: gives size, resize policy and whether the input is grey.
        out: a preallocated (height, width, channels) uint8 array to write into.

    Returns:
        ``out``, or a new array: (height, width, 3) BGR, or (height, width, 1) for grey input.
        The colour order of the network is applied later, in :func:`normalise` or in the graph.

    Raises:
        DataError: ``image`` is not HWC uint8 with three channels, or ``out`` has another shape.
    """
    _check_bgr(image)
    shape = (spec.height, spec.width, spec.channels)
    if out is None:
        out = np.empty(shape, np.uint8)
    elif out.shape != shape or out.dtype != np.uint8:
        raise DataError(f"out must be uint8 {shape}; found {out.dtype} {out.shape}.")
    if spec.channels == 1:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None], np.uint8)
    at = placement(image.shape[:2], spec)
    if (at.height, at.width) == (spec.height, spec.width):
        _resize_into(image, out)
        return out
    out[...] = LETTERBOX_VALUE
    inner = out[at.top : at.top + at.height, at.left : at.left + at.width]
    _resize_into(image, inner)
    return out


def _resize_into(image: UInt8, out: UInt8) -> None:
    height, width = out.shape[:2]
    if image.shape[:2] == (height, width):
        out[...] = image
        return
    target = out[..., 0] if out.shape[2] == 1 else out
    if target.flags.c_contiguous:
        cv2.resize(image, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
    else:
        target[...] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _check_bgr(image: UInt8) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise DataError(f"An image is a uint8 array; found {getattr(image, 'dtype', type(image).__name__)}.")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise DataError(f"An image has shape (height, width, 3); found {image.shape}.")


def normalise(fitted: UInt8, spec: ModelSpec) -> Float32:
    """Network values of a fitted image: CHW float32 in the network's colour order.

    The exported graph does the same arithmetic inside the engine: ``x * scale + shift`` with the
    constants of :func:`normalisation`.
    """
    scale, shift = normalisation(spec)
    planes = fitted.transpose(2, 0, 1)
    if spec.color_order == "rgb":
        planes = planes[::-1]
    return np.ascontiguousarray(planes.astype(np.float32) * scale[:, None, None] + shift[:, None, None])


def normalisation(spec: ModelSpec) -> tuple[Float32, Float32]:
    """Per-channel (scale, shift), float32, so that ``x * scale + shift == (x / 255 - mean) / std``."""
    mean, std = np.asarray(spec.mean, np.float64), np.asarray(spec.std, np.float64)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


def resize_mask(mask: UInt8, height: int, width: int) -> UInt8:
    """Resize an HW uint8 mask with nearest neighbours taken at pixel centres."""
    if mask.shape == (height, width):
        return mask
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def fit_mask(mask: UInt8, spec: ModelSpec, fill: int) -> UInt8:
    """Bring a mask to the network input like :func:`fit` brings its image; padding becomes ``fill``."""
    at = placement((mask.shape[0], mask.shape[1]), spec)
    out = np.full((spec.height, spec.width), fill, np.uint8)
    out[at.top : at.top + at.height, at.left : at.left + at.width] = resize_mask(mask, at.height, at.width)
    return out


def unfit(labels: UInt8, spec: ModelSpec, size: tuple[int, int]) -> UInt8:
    """Bring an HW map from the network's size back onto an image of ``size`` (height, width)."""
    at = placement(size, spec)
    inner = labels[at.top : at.top + at.height, at.left : at.left + at.width]
    return resize_mask(np.ascontiguousarray(inner), *size)
