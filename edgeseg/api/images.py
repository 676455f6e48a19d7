"""What can be handed to a model, as a picture."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgeseg.errors import DataError
from edgeseg.files.image_files import list_images, match_images
from edgeseg.image import UInt8, check_image, read_image

Image: TypeAlias = "str | Path | UInt8"
"""A picture: its file, or HWC uint8."""
Images: TypeAlias = "Iterable[Image] | str | Path"
"""Several pictures: one by one, or a folder or a glob of files."""


def load_image(image: Image) -> tuple[UInt8, Path | None]:
    """Read a picture where it is a file; give it as it is where it is an array.

    Raises:
        DataError: a file that is no readable image, an array that is no HWC uint8 picture, or something else.
    """
    if isinstance(image, str | Path):
        path = _expect_file(image)
        return read_image(path), path
    if not isinstance(image, np.ndarray):
        raise DataError(
            f"An image is a path or an HWC uint8 array; found {_describe(image)}. "
            "Convert a PIL image with numpy.asarray(image.convert('RGB')) and give rgb=True."
        )
    check_image(image)
    return image, None


def list_inputs(images: Images) -> Iterator[Image]:
    """Give the pictures of a folder, of a glob, or of any iterable, one by one.

    Raises:
        DataError: no such folder, no image in it, nothing that matches; or what is no collection of images.
    """
    if isinstance(images, str | Path):
        return iter(_list_files(Path(images)))
    if isinstance(images, np.ndarray) and images.ndim != 4:
        raise DataError(f"An array of shape {images.shape} is one image at most: call model(image) instead.")
    if isinstance(images, bytes | dict) or not isinstance(images, Iterable):
        raise DataError(f"`images` is a folder, a glob or an iterable of images; found {_describe(images)}.")
    return iter(images)


def _list_files(path: Path) -> list[Path]:
    if path.is_dir():
        return list_images(path)
    if path.is_file():
        return [_expect_file(path)]
    if not glob.has_magic(str(path)):
        raise DataError(f"There is no file or folder {path}.")
    return match_images(str(path))


def _expect_file(text: str | Path) -> Path:
    path = Path(text)
    if path.is_dir():
        raise DataError(f"{path} is a folder; model.predict({str(path)!r}) takes every image in it.")
    if "://" in str(text) or path.suffix.lower() in (".mp4", ".mkv", ".mov", ".avi", ".webm"):
        raise DataError(f"{text} is not an image; model.stream(...) takes videos and cameras.")
    return path


def _describe(value: Any) -> str:
    return f"{type(value).__name__} ({str(value)[:40]})"
