"""Which images find the INT8 ranges, chosen so that the same images give the same set again."""

from __future__ import annotations

import glob
import hashlib
import json
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from edgeseg.aspect import warn_of_stretch
from edgeseg.calibration.images.image_choice import ImageChoice, ImageFile, PassedOver
from edgeseg.calibration.images.video_frames import VideoFrame, video_frames
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.dataset import Dataset, list_images, unread_pictures
from edgeseg.errors import DataError, UserError
from edgeseg.files.image_bytes import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from edgeseg.image import UInt8, fit
from edgeseg.spec import ModelSpec

FEW_IMAGES = 8
LOOKS_AN_IMAGE = 10
STRETCH_ADVICE = (
    "That is right only where training and the camera do the same; else crop them, or train with --resize letterbox."
)
DIGEST_VERSION = "edgeseg calibration 1"

Item = ImageFile | VideoFrame


@dataclass(frozen=True)
class CalibrationSet:
    """The images of one calibration.

    Attributes:
        items: files or frames, in the order they are shown to the network; each has ``name``,
            ``path``, ``digest``, ``size`` and ``read()``.
        spec: gives the network input they are brought to.
        source: the folder, glob, data folder or video they come from.
        split: the dataset split, or None for anything else.
        seed: what chose them.
        passed_over: what was looked at and not simply taken.
    """

    items: tuple[Item, ...]
    spec: ModelSpec
    source: str
    split: str | None
    seed: int
    passed_over: PassedOver = field(default_factory=PassedOver)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def images(self) -> tuple[Path, ...]:
        """A path for each item, for :meth:`tensor`; that of a video frame names it and is no file."""
        return tuple(item.path for item in self.items)

    @property
    def hashes(self) -> tuple[str, ...]:
        """SHA-256 of each item."""
        return tuple(item.digest for item in self.items)

    @property
    def skipped(self) -> tuple[str, ...]:
        """A sentence for each image that could not be used."""
        return (*self.passed_over.unreadable, *self.passed_over.constant)

    @property
    def policy(self) -> str:
        """How an image is brought to the network input."""
        spec = self.spec
        return f"{spec.height}x{spec.width}x{spec.channels} {spec.resize}"

    @property
    def digest(self) -> str:
        """SHA-256 over the contents, their order and the size policy; file names do not count."""
        return hashlib.sha256("\n".join((self.policy, *self.hashes)).encode()).hexdigest()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before trusting the ranges."""
        notes = list(self.passed_over.warnings)
        sizes = [(_file(item).name, item.size) for item in self.items]
        if stretched := warn_of_stretch(sizes, self.spec, "calibration", STRETCH_ADVICE):
            notes.append(stretched)
        if len(self) < FEW_IMAGES:
            notes.append(
                f"Only {len(self)} calibration images: INT8 ranges come from what they show, and anything "
                f"brighter or busier is clipped. Give at least {FEW_IMAGES}, better 100."
            )
        return tuple(notes)

    def tensor(self, path: Path) -> UInt8:
        """One of :attr:`images` as the (1, H, W, C) uint8 network input that the runtime makes of it."""
        return fit(self._by_path[path].read(), self.spec)[np.newaxis]

    @cached_property
    def _by_path(self) -> dict[Path, Item]:
        return {item.path: item for item in self.items}

    def describe(self) -> dict[str, object]:
        """What an artifact records about its calibration."""
        return {
            "digest": self.digest,
            "images": len(self),
            "skipped": len(self.skipped),
            "passed_over": self.passed_over.counts,
            "seed": self.seed,
            "policy": self.policy,
            "source": Path(self.source).name,
            "split": self.split,
        }


def calibration_set(
    path: Path | str,
    spec: ModelSpec,
    count: int = 100,
    seed: int = 0,
    on_image: Callable[[], object] = lambda: None,
    split: str | None = None,
    weights: Collection[str] = (),
) -> CalibrationSet:
    """Choose up to ``count`` usable, different images; or read a set that was chosen before.

    Nothing but ``path`` is ever read: where it gives no images there is an error, never another
    data set. Unreadable images and images of one colour are skipped and counted, copies count
    once, and near copies are taken only where there are not enough others.

    Args:
        path: a folder of images, a data folder or its ``data.yaml`` (see ``split``), a glob of
            images, one video file (frames are picked by change), or a ``set.json``, whose images
            are all taken, whatever ``count`` and ``seed`` say.
        spec: the network they are for.
        count: how many; fewer are taken when there are fewer.
        seed: chooses which.
        on_image: called once for every image or frame looked at, for progress.
        split: of a data folder; None for ``train``, or the only one there is.
        weights: SHA-256 digests that stand for the model's weights; a ``set.json`` that was
            written for others is refused. None given: not checked.

    Raises:
        UserError: ``count`` is under 1.
        DataError: nothing there, nothing usable in it, or a ``set.json`` that no longer holds.
        SourceError: a file that is no video.
    """
    if count < 1:
        raise UserError(f"-n must be at least 1; found {count}.")
    path = Path(path)
    if path.suffix == ".json":
        from edgeseg.calibration.images.set_file import read_set

        return read_set(path, spec, weights, on_image)
    if _is_video(path):
        frames, passed_over = video_frames(path, spec, count, seed, on_image)
        return CalibrationSet(frames, spec, str(path), None, seed, passed_over)
    candidates, split = _candidates(path, split)
    files, passed_over = _chosen(candidates, path, count, seed, on_image)
    passed_over = passed_over.with_left_out(_left_out(candidates, path))
    return CalibrationSet(files, spec, str(path), split, seed, passed_over)


def calibration_digest(images: CalibrationSet, parent_digest: str, recipe: Recipe, model_format: str = "") -> str:
    """One SHA-256 that stands for a whole calibration: images, weights and settings.

    It changes with the bytes of any image, their order, the network's size and resize policy, the
    weights, the method, a layer kept in float and the engine; not with file names, folders or the
    seed that led to the same images. Whatever was computed from a calibration (ranges, a search's
    journal, an artifact) holds only as long as its digest is the same.

    Args:
        images: what finds the ranges.
        parent_digest: SHA-256 that stands for the fp32 weights.
        recipe: the settings.
        model_format: the engine it is made for.
    """
    parts = [DIGEST_VERSION, images.digest, parent_digest, recipe.describe(), model_format]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_dataset(path: Path) -> bool:
    """Whether ``path`` has the layout of a data folder, or is a ``data.yaml``."""
    return path.suffix in (".yaml", ".yml") or (path / "images").is_dir() or (path / "data.yaml").is_file()


def _is_video(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in IMAGE_SUFFIXES and not is_dataset(path)


def _candidates(path: Path, split: str | None) -> tuple[list[Path], str | None]:
    """Image files that ``path`` names, sorted, and the split they are."""
    if is_dataset(path):
        folders = Dataset.open(path).folders
        split = split or ("train" if "train" in folders else next(iter(folders)))
        if split not in folders:
            raise DataError(f"{path} has no split {split!r}; found {', '.join(folders)}.")
        return list_images(folders[split][0]), split
    if path.is_file():
        return [path], None
    if glob.has_magic(str(path)) and not path.exists():
        return _matching(str(path)), None
    return list_images(path), None


def _matching(pattern: str) -> list[Path]:
    found = sorted(Path(name) for name in glob.glob(pattern, recursive=True))
    images = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise DataError(
            f"{pattern!r} matches {len(found)} files and no image; known endings are "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}. Quote a pattern, or the shell replaces it."
        )
    return images


def _left_out(candidates: list[Path], path: Path) -> list[Path]:
    """Pictures of kinds that are not read, where the candidates come from."""
    if path.is_file() and not is_dataset(path):
        return []
    if glob.has_magic(str(path)) and not path.exists():
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
        return [path for path in found if path.suffix.lower() in UNREAD_SUFFIXES]
    return unread_pictures(candidates[0].parent)


def _chosen(
    candidates: list[Path], path: Path, count: int, seed: int, on_image: Callable[[], object]
) -> tuple[tuple[ImageFile, ...], PassedOver]:
    random.Random(seed).shuffle(candidates)
    choice = ImageChoice(count)
    for looked, candidate in enumerate(candidates):
        # A folder of one still scene would be decoded whole for the few images that differ.
        if choice.full or (choice.enough and looked >= LOOKS_AN_IMAGE * count):
            break
        on_image()
        choice.look(candidate)
    files, passed_over = choice.result()
    if not files:
        raise DataError(_about_nothing(len(candidates), path, passed_over))
    return files, passed_over


def _about_nothing(count: int, path: Path, passed_over: PassedOver) -> str:
    counts = f"{len(passed_over.unreadable)} cannot be read, {len(passed_over.constant)} are one flat colour"
    first = (*passed_over.unreadable, *passed_over.constant)[0]
    return f"None of the {count} images in {path} can calibrate: {counts}. First: {first}"


def _file(item: Item) -> Path:
    return item.video if isinstance(item, VideoFrame) else item.path
