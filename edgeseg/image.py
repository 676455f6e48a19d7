"""The one way an image becomes a network input, and a label map comes back.

Training, calibration, evaluation and the runtime all call :func:`read_image` and :func:`fit`;
nothing else in edgeseg decodes, resizes or normalises.

What is decided here, once:

* 8-bit colour, grey (repeated to three channels) and CMYK (converted) images are read as BGR.
* 16-bit images are scaled from their full range, ``round(value / 257)``; a 12-bit camera in a
  16-bit file therefore looks dark, in training and at run time alike.
* Alpha is dropped, not blended: what colour lies under it is what the network sees.
* Gamma and colour profiles are not applied: a pixel is its stored number.
* The EXIF orientation is applied to images and masks, in JPEG, PNG, WebP and TIFF.
* Float and signed images, truncated JPEG, PNG, TIFF and WebP files, files of several pictures
  (animations, pages; :func:`read_images` gives them), images over 128 megapixels and other containers are refused.
* Masks are single-channel uint8 class indices; palette PNG and TIFF files give their palette indices,
  and files of 1, 2 or 4 bits the stored numbers (a 1-bit mask holds 0 and 1, not 0 and 255).
* Resizing is done on uint8, bilinear for images and nearest (pixel centres) for masks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 27))

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError
from edgeseg.files.image_bytes import Picture, open_picture, picture_in
from edgeseg.files.tiff import SeveralPicturesError
from edgeseg.files.tiff_page import is_tiff
from edgeseg.given import checked
from edgeseg.spec import ModelSpec

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

LETTERBOX_VALUE = 114


@checked
def read_image(path: Path | str) -> UInt8:
    """Read an image file as HWC uint8 BGR, by the rules in this module's docstring.

    Raises:
        DataError: missing, truncated, not an image, float, or too large.
    """
    path = Path(path)
    return _image(open_picture(path), path)


@checked
def decode_image(data: bytes, name: str) -> UInt8:
    """Decode the content of an image file like :func:`read_image`.

    Args:
        data: all of it.
        name: what messages call it.

    Raises:
        DataError: see :func:`read_image`.

    >>> decode_image(cv2.imencode(".png", np.zeros((4, 6, 3), np.uint8))[1].tobytes(), "a picture").shape
    (4, 6, 3)
    """
    path = Path(name)
    return _image(picture_in(data, path), path)


@checked
def read_images(path: Path | str) -> Iterator[UInt8]:
    """Read every picture of an image file like :func:`read_image`: the pages of a TIFF, the frames of an animation.

    Raises:
        DataError: see :func:`read_image`; or an animation that this OpenCV cannot read.
    """
    yield from (image for image, _ in read_timed_images(path))


@checked
def read_timed_images(path: Path | str) -> Iterator[tuple[UInt8, float | None]]:
    """Read every picture of an image file like :func:`read_images`, and for how many seconds an animation shows it.

    Of what is no animation the time is None; one that is shown for less than 20 ms is shown for 100 ms, as in browsers.

    Raises:
        DataError: see :func:`read_images`.
    """
    path = Path(path)
    try:
        yield read_image(path), None
    except SeveralPicturesError as several:
        if is_tiff(several.data):
            pages = (picture_in(several.data, path, number=number) for number in range(several.count))
            yield from ((_image(page, path), None) for page in pages)
        else:
            yield from _frames(several, path)


def _frames(several: SeveralPicturesError, path: Path) -> Iterator[tuple[UInt8, float | None]]:
    if not hasattr(cv2, "imdecodeanimation"):
        raise several
    try:
        whole, animation = cv2.imdecodeanimation(np.frombuffer(several.data, np.uint8))
    except cv2.error as error:
        raise DataError(f"{path} cannot be decoded as an animation: {error.err or error}.") from None
    if not whole or len(animation.frames) != several.count:
        raise DataError(f"{path} is damaged: {len(animation.frames)} of its {several.count} pictures can be read.")
    for frame, shown_ms in zip(animation.frames, animation.durations, strict=True):
        shown_s = 0.1 if shown_ms < 20 else float(shown_ms) / 1e3
        yield np.ascontiguousarray(frame[..., :3]), shown_s


def _image(picture: Picture, path: Path) -> UInt8:
    flags = cv2.IMREAD_COLOR | (cv2.IMREAD_ANYDEPTH if picture.deep else 0)
    parts = [_decode(part, flags, path) for part in picture.parts]
    # Planes are decoded as grey pictures, of which every channel is the plane; they come in the order R, G, B.
    image = parts[0] if len(parts) == 1 else np.stack([part[..., 0] for part in reversed(parts)], -1)
    if picture.negative:
        image = np.invert(image)
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:
        raise DataError(f"{path} holds {image.dtype} pixels; 8 and 16 bit images are read. Convert it to 8 bit.")
    return np.ascontiguousarray(_turn(image, picture.orientation))


class ColorMaskError(DataError):
    """A mask is a colour picture where indices are expected."""


@checked
def read_mask(path: Path | str) -> UInt8:
    """Read a mask file as HW uint8 class indices.

    Single-channel files are taken as they are, palette PNGs give their palette indices, and
    three equal channels count as one.

    Raises:
        DataError: missing, truncated, a colour picture where indices are expected, or a value over 255.
    """
    mask = read_mask_numbers(path)
    if mask.dtype != np.uint8:
        raise DataError(f"Mask {path} holds {mask.dtype} values up to {mask.max()}; class indices are 0..255.")
    return np.asarray(mask, np.uint8)


@checked
def read_mask_numbers(path: Path | str) -> npt.NDArray[Any]:
    """Read the stored numbers of a mask file: HW uint8, or uint16 where one is over 255; see :func:`read_mask`.

    Raises:
        ColorMaskError: a colour picture.
        DataError: missing, truncated, or numbers of another type.
    """
    path = Path(path)
    return mask_numbers_of(open_picture(path, as_indices=True), path)


@checked
def mask_numbers_of(picture: Picture, path: Path) -> npt.NDArray[Any]:
    """Decode the stored numbers of an opened mask, see :func:`read_mask_numbers`; ``path`` names it in messages."""
    if len(picture.parts) > 1:
        raise ColorMaskError(f"Mask {path} is a colour picture; a mask holds one class index a pixel.")
    mask = _decode(picture.parts[0], cv2.IMREAD_UNCHANGED, path)
    if mask.dtype not in (np.uint8, np.uint16):
        raise DataError(f"Mask {path} holds {mask.dtype} values; class indices are 0..255.")
    if mask.ndim == 3:
        mask = _single_channel(mask, path)
    if mask.max() <= 255:
        mask = mask.astype(np.uint8)
    return np.ascontiguousarray(_turn(mask // picture.step, picture.orientation))


def _turn(image: UInt8, orientation: int) -> UInt8:
    """The picture upright, by its EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def _single_channel(mask: UInt8, path: Path) -> UInt8:
    first = mask[..., 0]
    if any(not np.array_equal(first, mask[..., c]) for c in range(1, min(mask.shape[2], 3))):
        raise ColorMaskError(
            f"Mask {path} is a colour picture ({mask.shape[2]} different channels); "
            "a mask holds one class index a pixel. Convert the colours to indices."
        )
    return first


def _decode(data: bytes, flags: int, path: Path) -> Any:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise DataError(f"{path} cannot be decoded as an image: {error.err or error}.") from None
    if image is None or image.size == 0:
        raise DataError(f"{path} is not a readable image ({len(data)} bytes); see if a viewer opens it.")
    return image


@dataclass(frozen=True)
class Placement:
    """Where an image lies inside the network input: offsets and size in pixels."""

    top: int
    left: int
    height: int
    width: int


@checked
def placement(size: tuple[int, int], spec: ModelSpec) -> Placement:
    """Compute where an image of ``size`` (height, width) lands in the input of ``spec``."""
    if spec.resize == "stretch":
        return Placement(0, 0, spec.height, spec.width)
    scale = min(spec.height / size[0], spec.width / size[1])
    height = max(1, min(spec.height, round(size[0] * scale)))
    width = max(1, min(spec.width, round(size[1] * scale)))
    return Placement((spec.height - height) // 2, (spec.width - width) // 2, height, width)


@checked
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
    check_image(image)
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


def check_image(image: UInt8) -> None:
    """Check that an image is HWC uint8 BGR and not empty; raises DataError."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise DataError(f"An image is a uint8 array; found {getattr(image, 'dtype', type(image).__name__)}.")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise DataError(f"An image has shape (height, width, 3); found {image.shape}.")


@checked
def normalise(fitted: UInt8, spec: ModelSpec) -> Float32:
    """Turn a fitted image into network values: CHW float32 in the network's colour order.

    The exported graph does the same arithmetic inside the engine: ``x * scale + shift`` with the
    constants of :func:`normalisation`.
    """
    scale, shift = normalisation(spec)
    planes = fitted.transpose(2, 0, 1)
    if spec.color_order == "rgb":
        planes = planes[::-1]
    return np.ascontiguousarray(planes.astype(np.float32) * scale[:, None, None] + shift[:, None, None])


@checked
def normalisation(spec: ModelSpec) -> tuple[Float32, Float32]:
    """Compute per-channel float32 (scale, shift) so that ``x * scale + shift == (x / 255 - mean) / std``."""
    mean, std = np.asarray(spec.mean, np.float64), np.asarray(spec.std, np.float64)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


@checked
def resize_mask(mask: UInt8, height: int, width: int) -> UInt8:
    """Resize an HW uint8 mask with nearest neighbours taken at pixel centres."""
    if mask.shape == (height, width):
        return mask
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


@checked
def fit_mask(mask: UInt8, spec: ModelSpec, fill: int) -> UInt8:
    """Bring a mask to the network input like :func:`fit` brings its image; padding becomes ``fill``."""
    at = placement((mask.shape[0], mask.shape[1]), spec)
    out = np.full((spec.height, spec.width), fill, np.uint8)
    out[at.top : at.top + at.height, at.left : at.left + at.width] = resize_mask(mask, at.height, at.width)
    return out


@checked
def unfit(labels: UInt8, spec: ModelSpec, size: tuple[int, int]) -> UInt8:
    """Bring an HW map from the network's size back onto an image of ``size`` (height, width)."""
    at = placement(size, spec)
    inner = labels[at.top : at.top + at.height, at.left : at.left + at.width]
    return resize_mask(np.ascontiguousarray(inner), *size)
