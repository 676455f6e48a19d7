"""Masks kept as they should be, beside the tests: an artifact's own are compared with them, pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgeseg.artifact import Artifact
from edgeseg.dataset import Dataset, is_dataset
from edgeseg.draw import color_table, contact_sheet, overlay
from edgeseg.errors import DataError
from edgeseg.files.atomic import atomic_file
from edgeseg.files.image_files import list_images
from edgeseg.image import UInt8, read_image
from edgeseg.spec import ModelSpec

DIFFERENT = (60, 60, 220)
"""BGR of pixels that differ."""


@dataclass(frozen=True)
class Agreement:
    """How far one mask is as it should be.

    Attributes:
        image: the picture.
        share: of the pixels that have the same label, 0..1.
        wanted, found: labels, HW uint8.
    """

    image: Path
    share: float
    wanted: UInt8
    found: UInt8


def list_pictures(data: Path, split: str = "val") -> list[Path]:
    """List the pictures of a folder, or of a split of a data folder.

    Raises:
        DataError: there is none, or two of them would have the same mask.
    """
    found = [pair.image for pair in Dataset.open(data).pairs(split)] if is_dataset(data) else list_images(data)
    stems = [image.stem for image in found]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise DataError(f"Two pictures of {data} are called {twice[0]}, so their masks would be. Rename one.")
    return found


def mask_path(folder: Path, image: Path) -> Path:
    """Say where the mask of a picture is kept."""
    return folder / f"{image.stem}.png"


def predict_masks(artifact: Artifact, images: Sequence[Path], device: str = "CPU") -> Iterator[UInt8]:
    """Segment pictures as a run does, and give their labels, HW uint8."""
    from edgeseg.api.load import load

    with load(artifact, device=device) as model:
        for result in model.predict(images):
            yield result.labels


def save_masks(folder: Path, images: Sequence[Path], masks: Iterator[UInt8]) -> int:
    """Keep masks as they should be; returns how many.

    Raises:
        OutputError: one cannot be written.
    """
    count = 0
    folder.mkdir(parents=True, exist_ok=True)
    for image, labels in zip(images, masks, strict=True):
        _write(mask_path(folder, image), labels)
        count += 1
    return count


def compare_masks(folder: Path, images: Sequence[Path], masks: Iterator[UInt8]) -> Iterator[Agreement]:
    """Compare masks with those that are kept.

    Raises:
        DataError: one is not kept, cannot be read, or has another size; or one is kept of a picture that is not there.
    """
    _expect_same_pictures(folder, images)
    for image, found in zip(images, masks, strict=True):
        path = mask_path(folder, image)
        wanted = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if wanted is None or wanted.ndim != 2 or wanted.dtype != np.uint8:
            raise DataError(f"{path} is no mask of labels in one channel of 8 bits. Write it again.")
        if wanted.shape != found.shape:
            raise DataError(f"{path} has {wanted.shape[1]}x{wanted.shape[0]} pixels, {image.name} has another size.")
        kept = np.asarray(wanted, np.uint8)
        yield Agreement(image, float((kept == found).mean()), kept, found)


def _expect_same_pictures(folder: Path, images: Sequence[Path]) -> None:
    kept = {path.stem for path in folder.glob("*.png")}
    wanted = {image.stem for image in images}
    if missing := sorted(wanted - kept):
        raise DataError(f"{folder} keeps no mask of {missing[0]} ({len(missing)} of {len(wanted)} are missing).")
    if strange := sorted(kept - wanted):
        raise DataError(f"{folder} keeps a mask of {strange[0]}, which is not among the {len(wanted)} pictures.")


def draw_difference(found: Agreement, spec: ModelSpec, path: Path) -> None:
    """Draw the picture with the mask as it should be, with the mask as it is, and where they differ.

    Args:
        found: of one picture.
        spec: of the network, for colours.
        path: of the PNG file.

    Raises:
        DataError: the picture cannot be read.
        OutputError: the file cannot be written.
    """
    picture = read_image(found.image)
    picture = np.repeat(picture, 3, 2) if picture.shape[2] == 1 else picture
    table = color_table(spec)
    changed = (0.4 * picture).astype(np.uint8)
    changed[found.wanted != found.found] = DIFFERENT
    row = [overlay(picture, found.wanted, table), overlay(picture, found.found, table), changed]
    titles = ["as it should be", "as it is", f"{100 * (1 - found.share):.2f} % differ"]
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, contact_sheet([row], titles))


def _write(path: Path, picture: UInt8) -> None:
    with atomic_file(path) as staged:
        staged.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
