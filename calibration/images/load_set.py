"""Choose the images that calibrate, or read a set that was chosen before."""

from __future__ import annotations

import glob
import random
from collections.abc import Callable, Collection
from pathlib import Path

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.image_choice import ImageChoice, ImageFile, PassedOver
from edgeseg.calibration.images.set_file import read_set
from edgeseg.calibration.images.video_frames import video_frames
from edgeseg.dataset import Dataset, is_dataset
from edgeseg.errors import DataError, UserError
from edgeseg.files.image_files import is_image, list_images, match_images, match_unread, unread_pictures
from edgeseg.given import checked
from edgeseg.spec import ModelSpec

LOOKS_AN_IMAGE = 10


@checked
def load_set(
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
        SourceError: a file that is not a video.
    """
    if count < 1:
        raise UserError(f"-n must be at least 1; found {count}.")
    path = Path(path)
    if path.suffix == ".json":
        return read_set(path, spec, weights, on_image)
    if _is_video(path):
        frames, passed_over = video_frames(path, spec, count, seed, on_image)
        return CalibrationSet(frames, spec, str(path), None, seed, passed_over)
    return _choose_set((path, *_candidates(path, split)), spec, count, seed, on_image)


@checked
def load_others(
    path: Path,
    spec: ModelSpec,
    count: int,
    seed: int,
    reserved: Collection[Path],
    on_image: Callable[[], object] = lambda: None,
) -> CalibrationSet:
    """Choose images as :func:`load_set` does of a folder, without those that are ``reserved`` for the proof.

    Raises:
        DataError: nothing usable is left.
    """
    candidates, split = _candidates(path, None)
    others = [one for one in candidates if one.resolve() not in reserved]
    return _choose_set((path, others, split), spec, count, seed, on_image)


@checked
def list_candidates(path: Path) -> list[Path]:
    """List the image files of which :func:`load_set` chooses; none for a video or a set file, which say their own.

    Raises:
        DataError: there is no image.
    """
    return [] if path.suffix == ".json" or _is_video(path) else _candidates(path, None)[0]


def _choose_set(
    among: tuple[Path, list[Path], str | None],
    spec: ModelSpec,
    count: int,
    seed: int,
    on_image: Callable[[], object],
) -> CalibrationSet:
    path, candidates, split = among
    files, passed_over = _choose(candidates, path, count, seed, on_image)
    passed_over = passed_over.with_left_out(_list_left_out(candidates, path))
    return CalibrationSet(files, spec, str(path), split, seed, passed_over)


def _is_video(path: Path) -> bool:
    return path.is_file() and not is_image(path) and not is_dataset(path)


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
        return match_images(str(path), "Quote a pattern, or the shell replaces it."), None
    return list_images(path), None


def _list_left_out(candidates: list[Path], path: Path) -> list[Path]:
    """Pictures of kinds that are not read, where the candidates come from."""
    if path.is_file() and not is_dataset(path):
        return []
    if glob.has_magic(str(path)) and not path.exists():
        return match_unread(str(path))
    return unread_pictures(candidates[0].parent)


def _choose(
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
