"""Writing a labelled set in our layout: pictures, index masks, class names, and where all of it came from."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from edgeseg.console.progress import Progress, no_progress
from edgeseg.datasets.formats.labelled_set import VOID, LabelledPicture, LabelledSet
from edgeseg.datasets.formats.origin import ORIGIN
from edgeseg.datasets.formats.picture_file import is_gif, read_picture, suffix_of
from edgeseg.datasets.names import name_pictures
from edgeseg.datasets.picture import read_pair
from edgeseg.errors import DataError, OutputError
from edgeseg.files.atomic import writing
from edgeseg.files.unfinished import unfinished_directory
from edgeseg.image import UInt8
from edgeseg.mask_png import mask_png
from edgeseg.masks.census import MaskCensus, value_counts
from edgeseg.masks.judge import check_masks
from edgeseg.palette import default_palette
from edgeseg.version import __version__

Missing = Literal["refuse", "background", "skip"]
MISSING: tuple[Missing, ...] = ("refuse", "background", "skip")
DEFAULT_SPLIT = "train"
MOST_NAMED = 5


class WrongLabelsError(DataError):
    """Labels that cannot be what was meant.

    Attributes:
        wrong: a sentence for each picture, with the name of the file.
    """

    def __init__(self, message: str, wrong: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.wrong = tuple(wrong)


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Attributes:
        folder: the data folder.
        format: what it was read from, in words.
        classes: names in label order.
        pictures: how many of each split.
        pixels: of each class, and of void under 255.
        left_out: a sentence for each picture that was left out.
        notes: what was guessed.
    """

    folder: Path
    format: str
    classes: tuple[str, ...]
    pictures: dict[str, int]
    pixels: dict[int, int]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        named = {**dict(enumerate(self.classes)), VOID: "void"}
        return {
            "folder": str(self.folder),
            "format": self.format,
            "classes": list(self.classes),
            "pictures": self.pictures,
            "pixels": {named[label]: count for label, count in sorted(self.pixels.items())},
            "left_out": list(self.left_out),
            "notes": list(self.notes),
        }


def write_dataset(
    found: LabelledSet,
    out: Path,
    *,
    missing: Missing = "refuse",
    skip_wrong: bool = False,
    link: bool = False,
    progress: Progress = no_progress,
) -> Conversion:
    """Write a labelled set as a data folder of our layout.

    Args:
        found: what a reader made of another folder.
        out: the folder to make; it must not hold anything.
        missing: what is done with pictures without labels: refuse the set, take them for background, or leave them out.
        skip_wrong: leave out pictures whose labels are wrong, instead of refusing the set.
        link: pictures are links to their files where that can be had, no copies.
        progress: shows how far it is.

    Raises:
        WrongLabelsError: labels that are wrong or missing, by file.
        DataError: the masks cannot judge a network; see :func:`~edgeseg.masks.judge.check_masks`.
        OutputError: ``out`` holds something, or cannot be written.
    """
    if missing not in MISSING:
        raise DataError(f"`missing` is one of {', '.join(MISSING)}; found {missing!r}.")
    check_free(out)
    pictures, left_out = choose_labelled(found, missing)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with unfinished_directory(out, 0o777) as staged, writing(out):
            writer = _Writer(found, staged, link, missing == "background")
            left_out += writer.write(pictures, skip_wrong, progress)
            done = Conversion(
                out, found.format, found.classes, writer.splits(), writer.pixels(), tuple(left_out), found.notes
            )
            writer.check()
            writer.describe(done)
            if out.exists():
                out.rmdir()
            staged.rename(out)
    return done


def check_free(out: Path) -> None:
    """Raise OutputError where a folder to write holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} exists and holds something. Choose another folder, or remove it.")


def choose_labelled(found: LabelledSet, missing: Missing) -> tuple[list[LabelledPicture], list[str]]:
    """Choose the pictures that are written, and say of each other one why it is not.

    Raises:
        WrongLabelsError: some have no labels, and that is refused.
        DataError: no pictures, or none with labels.
    """
    bare = [picture for picture in found.pictures if picture.render is None and not picture.wrong]
    if not found.pictures:
        raise DataError(f"{found.root}, read as {found.format}, holds no pictures.")
    if len(bare) == len(found.pictures):
        raise DataError(f"None of the {len(bare)} pictures of {found.root}, read as {found.format}, has labels.")
    if bare and missing == "refuse":
        names = ", ".join(picture.image_name for picture in bare[:MOST_NAMED])
        more = f" and {len(bare) - MOST_NAMED} more" if len(bare) > MOST_NAMED else ""
        raise WrongLabelsError(
            f"{len(bare)} of {len(found.pictures)} pictures of {found.root}, read as {found.format}, have no labels: "
            f"{names}{more}. Where such a picture shows nothing but {found.classes[0]!r}, write the set with "
            f"`edgeseg.convert_dataset({str(found.root)!r}, out=OUT, missing='background')`; `missing='skip'` leaves "
            "them out.",
            [f"{picture.image_name} has no labels." for picture in bare],
        )
    if missing == "background":
        return list(found.pictures), []
    left_out = [f"{picture.image_name} has no labels." for picture in bare]
    return [picture for picture in found.pictures if picture.render is not None or picture.wrong], left_out


def load_pair(picture: LabelledPicture, classes: int, fill: bool) -> tuple[UInt8, UInt8]:
    """Read image and mask as :func:`~edgeseg.datasets.picture.read_pair` does; without labels it is all background.

    Args:
        picture: with its labels or without.
        classes: how many there are.
        fill: pictures without labels are background.
    """
    if picture.render is None and fill and not picture.wrong:
        image = read_picture(picture.image, picture.name)
        return image, np.zeros(image.shape[:2], np.uint8)
    return read_pair(picture, classes)


class _Writer:
    """One folder while it is written."""

    def __init__(self, found: LabelledSet, folder: Path, link: bool, fill: bool) -> None:
        self.found, self.folder, self.link, self.fill = found, folder, link, fill
        usual = enumerate(default_palette(len(found.classes)))
        self.palette = [_split_color(found.colors.get(label), color) for label, color in usual]
        self.counts: list[tuple[str, Path, np.ndarray[Any, Any]]] = []
        self.groups: dict[str, str] = {}

    def write(self, pictures: Sequence[LabelledPicture], skip_wrong: bool, progress: Progress) -> list[str]:
        """Write pictures and masks; the sentences about those that are wrong and were left out."""
        wrong: list[str] = []
        with progress("convert", len(pictures)) as tick:
            for name, picture in zip(name_pictures(pictures, DEFAULT_SPLIT), pictures, strict=True):
                try:
                    self._write_one(name, picture)
                except DataError as error:
                    wrong.append(str(error))
                tick()
        if wrong and (not skip_wrong or len(wrong) == len(pictures)):
            raise WrongLabelsError(about_wrong(self.found, wrong, len(pictures)), wrong)
        return wrong

    def _write_one(self, name: str, picture: LabelledPicture) -> None:
        split = picture.split or DEFAULT_SPLIT
        image, mask = load_pair(picture, len(self.found.classes), self.fill)
        place = self.folder / "masks" / split / f"{name}.png"
        for folder in (place.parent, self.folder / "images" / split):
            folder.mkdir(parents=True, exist_ok=True)
        place.write_bytes(mask_png(mask, self.palette))
        write_image(picture.image, image, self.folder / "images" / split / name, self.link)
        if picture.group is not None:
            self.groups[name] = picture.group
        self.counts.append((split, picture.labels[0] if picture.labels else Path(f"{name}.png"), value_counts(mask)))

    def splits(self) -> dict[str, int]:
        """Count the pictures of each split."""
        return dict(Counter(split for split, _, _ in self.counts))

    def pixels(self) -> dict[int, int]:
        """Count the pixels of each value that is a class or void."""
        total = sum((counts for _, _, counts in self.counts), np.zeros(256, np.int64))
        return {label: int(total[label]) for label in (*range(len(self.found.classes)), VOID)}

    def check(self) -> None:
        """Refuse masks that cannot judge, as every reader of masks does."""
        files = [file for _, file, _ in self.counts]
        counts = np.stack([counts for _, _, counts in self.counts])
        where, said = f"{self.found.root}, read as {self.found.format}", self.found.void_said
        check_masks(MaskCensus(where, files, counts, self.found.classes, VOID, said, self._read_back(files)))

    def _read_back(self, files: Sequence[Path]) -> Callable[[int], UInt8]:
        rendered = [picture for picture in self.found.pictures if picture.labels and picture.render]
        by_file = {picture.labels[0]: picture.render for picture in rendered}

        def read(number: int) -> UInt8:
            render = by_file.get(files[number])
            return np.zeros((1, 1), np.uint8) if render is None else render()

        return read

    def describe(self, done: Conversion) -> None:
        """Write the names of the classes and the origin."""
        (self.folder / "classes.txt").write_text("\n".join(self.found.classes) + "\n", encoding="utf-8")
        if self.found.void_said and done.pixels[VOID] and len(self.found.classes) > 2:
            folders = {split: f"images/{split}" for split in done.pictures}
            values = {**folders, "names": list(self.found.classes), "ignore_index": VOID}
            self._write_json("data.yaml", values)
        origin = {"edgeseg": __version__, "source": str(self.found.root.resolve()), **done.to_dict()}
        if len(set(self.groups.values())) > 1:
            origin["groups"] = self.groups
        self._write_json(ORIGIN, {key: value for key, value in origin.items() if key != "folder"})

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        text = json.dumps(values, ensure_ascii=False, indent=1)
        (self.folder / name).write_text(text + "\n", encoding="utf-8")


def write_image(source: Path | bytes, image: UInt8, target: Path, link: bool) -> None:
    """Write a picture as it is where its kind is read, else as PNG; ``target`` gets its ending."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, bytes):
        suffix = suffix_of(source)
        data = source if suffix else cv2.imencode(".png", image)[1].tobytes()
        target.with_name(f"{target.name}{suffix or '.png'}").write_bytes(data)
    elif is_gif(source):
        target.with_name(f"{target.name}.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    else:
        place = target.with_name(f"{target.name}{source.suffix.lower()}")
        if not link or not _link(source, place):
            shutil.copyfile(source, place)


def _link(source: Path, place: Path) -> bool:
    """Link to a file, so that no copy is needed; False where this system or file system has no links."""
    try:
        os.symlink(source.resolve(), place)
    except (OSError, NotImplementedError):
        return False
    return True


def about_wrong(found: LabelledSet, wrong: Sequence[str], count: int) -> str:
    """Say which pictures cannot be used, by file, and the way on."""
    lines = [f"{len(wrong)} of {count} pictures of {found.root}, read as {found.format}, cannot be used:"]
    lines += wrong[:MOST_NAMED]
    if len(wrong) > MOST_NAMED:
        lines.append(f"And {len(wrong) - MOST_NAMED} more.")
    if len(wrong) < count:
        root = str(found.root)
        lines.append(f"`edgeseg.convert_dataset({root!r}, out=OUT, skip_wrong=True)` leaves them out.")
    return "\n".join(lines)


def _split_color(code: int | None, usual: tuple[int, int, int]) -> tuple[int, int, int]:
    return usual if code is None else (code >> 16, code >> 8 & 255, code & 255)
