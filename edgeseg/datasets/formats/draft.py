"""What readers of drawn labels share: classes with a background, and a picture whose objects are put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.datasets.formats.labelled_set import VOID, LabelledPicture, ReadOptions, UInt8, check_classes
from edgeseg.datasets.formats.picture_file import read_picture
from edgeseg.datasets.shapes.annotation_file import read_points
from edgeseg.datasets.shapes.objects import (
    LabelledObject,
    Outline,
    Shape,
    check_points,
    describe_outline,
    render_objects,
    render_planes,
)
from edgeseg.datasets.shapes.outline import Bools, Points, names_pixels
from edgeseg.datasets.shapes.picture_files import PictureFiles, name_inside
from edgeseg.errors import DataError
from edgeseg.files.image_size import peek_size

BACKGROUND = "background"
_BACKGROUND_NAMES = {BACKGROUND, "_background_", "__background__"}
_VOID_NAMES = {"__ignore__", "ignore", "void"}
BOX_LAYER = -1 << 20
MOST_NAMED = 12
"""Objects that notes name; of the others they say how many there are."""


@dataclass(frozen=True)
class ClassTable:
    """Which label a class of the labels has in masks.

    Attributes:
        names: in label order, background first.
        labels: by the name that the labels have for a class; 255 for what is ignored; None for what is left out.
        notes: what was chosen, in sentences.
    """

    names: tuple[str, ...]
    labels: dict[str, int | None]
    notes: tuple[str, ...] = ()

    @classmethod
    def build(cls, found: Iterable[str], options: ReadOptions, where: Path) -> ClassTable:
        """Give labels to the classes of a data set: background, then the others in their order.

        Args:
            found: the names in the labels.
            options: ``classes`` chooses some of them and their order; the others become background.
            where: the file or folder, for messages.

        Raises:
            DataError: too many classes, none, or a chosen one that is not there.
        """
        found = tuple(dict.fromkeys(found))
        if not found:
            raise DataError(f"{where} names no class. Draw something and name it first.")
        void = [name for name in found if options.classes is None and name.lower() in _VOID_NAMES]
        drawn = [name for name in found if name.lower() not in _BACKGROUND_NAMES and name not in void]
        if options.classes is not None:
            drawn = [name for name in options.classes if name.lower() not in _BACKGROUND_NAMES]
            if missing := [name for name in drawn if name not in found]:
                raise DataError(f"{where} has no class {missing[0]!r}; found {', '.join(found)}.")
        names = check_classes((BACKGROUND, *drawn), where)
        labels: dict[str, int | None] = dict.fromkeys(found)
        labels.update({name: 0 for name in found if name.lower() in _BACKGROUND_NAMES})
        labels.update(dict.fromkeys(void, VOID))
        labels.update({name: label for label, name in enumerate(names) if label})
        left = [name for name in found if labels[name] is None]
        notes = [f"Drawn as background, since they are not among the classes: {', '.join(left)}."] if left else []
        notes += [f"Void, by its name: {', '.join(void)}."] if void else []
        return cls(names, labels, tuple(notes))


@dataclass
class Draft:
    """The labels of a picture while they are read.

    Attributes:
        where: names them in messages, such as ``labels.json, street.jpg``.
        size: height and width of the picture as the labels say it, or None.
        classes: the labels of the classes.
        said: takes sentences about what is drawn all the same, or shows nothing; of all pictures.
        objects: in the order of the file.
        wrong: sentences about what cannot be drawn; the picture has no mask then.
        boxes: corners of objects that have a box and no outline, and what messages call them.
    """

    where: str
    size: tuple[int, int] | None
    classes: ClassTable
    said: list[str]
    objects: list[LabelledObject] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    boxes: list[tuple[str, Points]] = field(default_factory=list)

    def label_of(self, what: str, name: str) -> int | None:
        """Return the label of a class; None where it is left out, or unknown, for which the picture is refused."""
        if name not in self.classes.labels:
            self.refuse(what, f"has the unknown class {name!r}; known are {', '.join(self.classes.labels)}")
            return None
        return self.classes.labels[name]

    def refuse(self, what: str, fault: str) -> None:
        """Note that the picture cannot have a mask: an object that cannot be read must not become background."""
        self.wrong.append(f"{self.where}: {what} {fault}.")

    def say(self, what: str, fault: str) -> None:
        """Note what is wrong with an object that is drawn all the same, or that shows nothing."""
        self.said.append(f"{self.where}: {what} {fault}.")

    def add(self, label: int, shape: Shape, layer: int = 0) -> None:
        """Add an object of any shape."""
        self.objects.append(LabelledObject(label, shape, layer))

    def add_outline(
        self,
        what: str,
        label: int,
        rings: Sequence[Any],
        holes: Sequence[Any] = (),
        layer: int = 0,
        make: Callable[[tuple[Points, ...]], Shape] | None = None,
    ) -> None:
        """Add an object by its outlines, as the file has them.

        Args:
            what: names it in messages.
            label: of its class.
            rings: coordinates of each outline, pairs or one after the other.
            holes: outlines of what does not belong to it.
            layer: objects of a higher one lie above.
            make: makes a shape of the outlines; None: an :class:`~edgeseg.datasets.shapes.objects.Outline`.
        """
        try:
            drawn = self._read_rings(what, rings)
            cut = self._read_rings(what, holes)
        except DataError as fault:
            self.refuse(what, str(fault))
            return
        if drawn:
            self.add(label, Outline(drawn, cut) if make is None else make(drawn), layer)

    def add_box(self, what: str, left: float, top: float, right: float, bottom: float) -> None:
        """Add an object of which only a box is known: void among outlines, and not enough where there are none."""
        self.boxes.append((what, np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)))

    def _take_boxes(self) -> None:
        """Which pixels of a box are the object, nobody knows; so they are not learned from where nothing else is."""
        for what, corners in self.boxes:
            if not self.objects:
                self.refuse(what, "is a box and no outline, as all of its picture: it does not say which pixels it is")
                continue
            try:
                check_points(corners, self.size)
            except DataError as fault:
                self.refuse(what, str(fault))
                continue
            self.say(what, "is a box among outlines; void where nothing else is")
            self.add(VOID, Outline((corners,)), BOX_LAYER)

    def _read_rings(self, what: str, rings: Sequence[Any]) -> tuple[Points, ...]:
        kept = []
        for values in rings:
            points = read_points(values)
            check_points(points, self.size)
            for fault in describe_outline(points, self.size):
                self.say(what, fault)
            if len(points) >= 3:
                kept.append(points)
        return tuple(kept)

    def finish(
        self,
        image: Path | bytes,
        split: str | None,
        labels: tuple[Path, ...],
        *,
        name: str,
        smaller_above: bool = False,
    ) -> LabelledPicture:
        """Make the picture, whose mask is drawn when it is asked for.

        Args:
            image: its file, or its bytes.
            split: where the format says it.
            labels: files that the labels come from.
            name: of the picture.
            smaller_above: see :func:`~edgeseg.datasets.shapes.objects.render_objects`.
        """
        self._take_boxes()
        outlines = [each.shape for each in self.objects if isinstance(each.shape, Outline)]
        pixels = names_pixels([ring for shape in outlines for ring in (*shape.rings, *shape.holes)])
        objects = [
            dataclasses.replace(each, shape=dataclasses.replace(each.shape, pixels=pixels))
            if pixels and isinstance(each.shape, Outline)
            else each
            for each in self.objects
        ]
        wrong, size = _shorten(self.wrong), self.size

        def measure() -> tuple[int, int]:
            if wrong:
                raise DataError(" ".join(wrong))
            return size or find_size(image, name)

        def render() -> UInt8:
            return render_objects(objects, *measure(), smaller_above)

        def planes() -> dict[int, Bools]:
            return render_planes(objects, *measure())

        return LabelledPicture(name, image, split, render, labels, wrong=wrong, planes=planes)


def _shorten(wrong: Sequence[str]) -> tuple[str, ...]:
    return (wrong[0], f"{len(wrong) - 1} more objects of it cannot be read.") if wrong[1:] else tuple(wrong)


def sum_up(said: Sequence[str]) -> list[str]:
    """Return the first sentences about objects, and how many more there are."""
    more = len(said) - MOST_NAMED
    return [*said[:MOST_NAMED], *([f"So it is with {more} more objects."] if more > 0 else [])]


def list_unlabelled(made: Iterable[LabelledPicture], pictures: PictureFiles) -> list[LabelledPicture]:
    """List the pictures that lie beside labelled ones and have no labels; their split is that of their neighbours."""
    known = {picture.image: picture.split for picture in made if isinstance(picture.image, Path)}
    folders = {image.parent: split for image, split in known.items()}
    rest = (image for same in pictures.by_name.values() for image in same if image not in known)
    return [
        LabelledPicture(name_inside(image, pictures.root), image, folders[image.parent], None)
        for image in sorted(rest)
        if image.parent in folders
    ]


def about_missing(names: Sequence[str], where: Path) -> list[str]:
    """Say which pictures are labelled and not there; nothing where there are none."""
    return [f"{where}: {len(names)} pictures are not there, first {names[0]}; left out."] if names else []


def find_size(image: Path | bytes, name: str) -> tuple[int, int]:
    """Find a picture's height and width, upright by its EXIF orientation.

    Raises:
        DataError: the picture cannot be read.
    """
    known = peek_size(image) if isinstance(image, Path) else None
    if known is not None:
        return known
    height, width, _ = read_picture(image, name).shape
    return height, width
