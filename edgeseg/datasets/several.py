"""Writing drawn labels whose objects may cover one another: a folder of masks a class, for multilabel networks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgeseg.console.progress import Progress, no_progress
from edgeseg.datasets.convert import (
    DEFAULT_SPLIT,
    Conversion,
    Missing,
    WrongLabelsError,
    about_wrong,
    check_free,
    choose_labelled,
    write_image,
)
from edgeseg.datasets.formats.labelled_set import VOID, LabelledPicture, LabelledSet
from edgeseg.datasets.formats.mask_file import check_same_size
from edgeseg.datasets.formats.origin import ORIGIN
from edgeseg.datasets.formats.picture_file import read_picture
from edgeseg.datasets.names import name_pictures
from edgeseg.errors import DataError
from edgeseg.files.atomic import writing
from edgeseg.files.unfinished import unfinished_directory
from edgeseg.masks.class_folders import VOID_FOLDER
from edgeseg.version import __version__

Planes = Mapping[int, npt.NDArray[np.bool_]]


def write_several(
    found: LabelledSet,
    out: Path,
    *,
    missing: Missing = "refuse",
    skip_wrong: bool = False,
    progress: Progress = no_progress,
) -> Conversion:
    """Write drawn labels as ``masks/SPLIT/CLASS/NAME.png``: not 0 where the class shows, whatever covers it.

    Label 0, the background, becomes no class: where nothing shows, no file says anything. What is void lies in
    ``masks/SPLIT/void``.

    Args:
        found: what a reader of drawn labels made of another folder.
        out: the folder to make; it must not hold anything.
        missing: see :func:`~edgeseg.datasets.convert.write_dataset`.
        skip_wrong: leave out pictures whose labels are wrong.
        progress: shows how far it is.

    Raises:
        DataError: masks of one class a pixel, a single class, or a name that cannot be that of a folder.
        WrongLabelsError: labels that are wrong or missing, by file.
        OutputError: ``out`` holds something, or cannot be written.
    """
    classes = _check(found)
    check_free(out)
    pictures, left_out = choose_labelled(found, missing)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with unfinished_directory(out, 0o777) as staged, writing(out):
            pixels, splits, wrong = _write(found, pictures, staged, progress)
            if wrong and (not skip_wrong or len(wrong) == len(pictures)):
                raise WrongLabelsError(about_wrong(found, wrong, len(pictures)), wrong)
            counts = {label: pixels[label + 1] for label in range(len(classes))} | {VOID: pixels[VOID]}
            done = Conversion(out, found.format, classes, dict(splits), counts, (*left_out, *wrong), found.notes)
            _describe(found, done, staged)
            if out.exists():
                out.rmdir()
            staged.rename(out)
    return done


def _check(found: LabelledSet) -> tuple[str, ...]:
    """The classes without the background."""
    if any(picture.render is not None and picture.planes is None for picture in found.pictures):
        raise DataError(
            f"{found.root}, read as {found.format}, has masks of one class a pixel, so that nothing covers anything. "
            "Several classes a pixel come from drawn labels (COCO, LabelMe, CVAT, ...), or from a folder of masks a "
            "class: masks/train/CLASS/NAME.png."
        )
    classes = found.classes[1:]
    if len(classes) < 2:
        raise DataError(f"{found.root} names one class beside the background; several classes a pixel need two.")
    if bad := [name for name in classes if name in (".", "..", VOID_FOLDER) or set(name) & set('/\\:*?"<>|\0')]:
        raise DataError(f"The class {bad[0]!r} of {found.root} cannot be the name of a folder. Rename it.")
    return classes


def _write(
    found: LabelledSet, pictures: Sequence[LabelledPicture], folder: Path, progress: Progress
) -> tuple[Counter[int], Counter[str], list[str]]:
    """Write pictures and masks; pixels of each label, pictures of each split, and sentences about those left out."""
    pixels, splits, wrong = Counter[int](), Counter[str](), list[str]()
    with progress("convert", len(pictures)) as tick:
        for name, picture in zip(name_pictures(pictures, DEFAULT_SPLIT), pictures, strict=True):
            split = picture.split or DEFAULT_SPLIT
            try:
                pixels += _write_one(found, picture, folder, split, name)
                splits[split] += 1
            except DataError as error:
                wrong.append(str(error))
            tick()
    for split in splits:
        for one in found.classes[1:]:
            (folder / "masks" / split / one).mkdir(parents=True, exist_ok=True)
    return pixels, splits, wrong


def _write_one(found: LabelledSet, picture: LabelledPicture, folder: Path, split: str, name: str) -> Counter[int]:
    if picture.wrong:
        raise DataError(" ".join(picture.wrong))
    image = read_picture(picture.image, picture.name)
    planes: Planes = picture.planes() if picture.planes is not None else {}
    shown = {label: plane for label, plane in planes.items() if label and label != VOID}
    for plane in planes.values():
        check_same_size(picture.labels[0], plane.shape, picture.image_name, image.shape)
    if not shown:
        shown = {1: np.zeros(image.shape[:2], bool)}
    files = {found.classes[label]: plane for label, plane in shown.items()}
    if VOID in planes:
        files[VOID_FOLDER] = planes[VOID] & ~np.logical_or.reduce(list(shown.values()))
    for one, plane in files.items():
        place = folder / "masks" / split / one / f"{name}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(cv2.imencode(".png", plane.astype(np.uint8) * 255)[1].tobytes())
    write_image(picture.image, image, folder / "images" / split / name, link=False)
    void = {VOID: int(files[VOID_FOLDER].sum())} if VOID_FOLDER in files else {}
    return Counter({**{label: int(plane.sum()) for label, plane in shown.items()}, **void})


def _describe(found: LabelledSet, done: Conversion, folder: Path) -> None:
    """Write the names of the classes and the origin."""
    (folder / "classes.txt").write_text("\n".join(done.classes) + "\n", encoding="utf-8")
    origin: dict[str, Any] = {"edgeseg": __version__, "source": str(found.root.resolve()), **done.to_dict()}
    origin.pop("folder")
    (folder / ORIGIN).write_text(json.dumps(origin, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
