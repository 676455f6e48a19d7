"""What a reader makes of a data folder: its classes, and of each picture how its mask is rendered.

A reader of one more format is one file with a :class:`Reader` in it, and a line in
:mod:`edgeseg.datasets.table`. Nothing is decoded before a mask is rendered, where the format allows that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeseg.errors import DataError
from edgeseg.masks.mask_values import GivenValues

UInt8 = npt.NDArray[np.uint8]
VOID = 255
"""The value of a rendered mask that means void, whatever the format has for it."""
MOST_CLASSES = 255


@dataclass(frozen=True)
class ReadOptions:
    """What a person says about a data folder, where it does not say so itself.

    Attributes:
        classes: names in label order, instead of those that are found; None: as the format says it.
        network_classes: names that a network has for its labels, for data that names none.
        mask_values: what mask values and colours mean, ``{255: "road", "#804080": "road"}`` or its text.
        accept_colors: a meaning of colours or grey steps that was guessed is meant.
    """

    classes: tuple[str, ...] | None = None
    network_classes: tuple[str, ...] | None = None
    mask_values: GivenValues | None = None
    accept_colors: bool = False


@dataclass(frozen=True)
class LabelledPicture:
    """A picture and its labels.

    Attributes:
        name: of the picture without its ending, relative to its folder (``berlin/berlin_000_leftImg8bit``).
        image: its file, or the bytes of one where the format holds pictures inside another file.
        split: ``train``, ``val``, ``test`` or a name of the data's own; None where the format has no splits.
        render: gives the mask, HW uint8: labels in the order of the classes, 255 for void; it raises DataError that
            names the file. None where the picture has no labels at all.
        labels: files that the mask is made of.
        group: what belongs together and must not be torn apart by a split (a drive, a patient), where the format
            says it; None: as the names tell it.
        wrong: sentences that say what is wrong with the labels, each with the name of the file.
        planes: gives where each label shows, HW bool by label, whatever covers it; None where labels are masks of one
            class a pixel.
    """

    name: str
    image: Path | bytes
    split: str | None
    render: Callable[[], UInt8] | None
    labels: tuple[Path, ...] = ()
    group: str | None = None
    wrong: tuple[str, ...] = ()
    planes: Callable[[], Mapping[int, npt.NDArray[np.bool_]]] | None = None

    @property
    def image_name(self) -> str:
        """The picture's name for a message."""
        return str(self.image) if isinstance(self.image, Path) else self.name


@dataclass(frozen=True)
class LabelledSet:
    """A data folder as its reader understands it.

    Attributes:
        root: the folder.
        format: in words, such as ``Pascal VOC``.
        classes: names in label order; the first is the background where there is one.
        pictures: in a stable order.
        colors: what each class is drawn with where the data says so, 0xRRGGBB by label.
        void_said: the format or a person says that 255 of a rendered mask is void; it is no guess.
        notes: sentences about what was guessed or left out.
    """

    root: Path
    format: str
    classes: tuple[str, ...]
    pictures: tuple[LabelledPicture, ...]
    colors: Mapping[int, int] = field(default_factory=dict)
    void_said: bool = True
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str | None, ...]:
        """The splits in the order of their first pictures."""
        return tuple(dict.fromkeys(picture.split for picture in self.pictures))


@dataclass(frozen=True)
class Reader:
    """One format of labels.

    Attributes:
        name: a word for it, such as ``voc``.
        title: what it is called, such as ``Pascal VOC``.
        recognise: tells of a folder, or of a file that a person names, whether it is of this format. It is asked often
            and must be quick; it opens no picture and raises nothing.
        read: reads it.
        may_lack_names: data of this format may not name its classes.
        find_root: gives the folder that holds all files of a set, for what a person names.
    """

    name: str
    title: str
    recognise: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], LabelledSet]
    may_lack_names: bool = False
    find_root: Callable[[Path], Path] = lambda path: path if path.is_dir() else path.parent


def check_classes(names: tuple[str, ...], where: Path) -> tuple[str, ...]:
    """Return class names that can be label names.

    Raises:
        DataError: fewer than two, more than 255, or one of them twice.

    >>> check_classes(("background", "road"), Path("labels.json"))
    ('background', 'road')
    """
    if not 2 <= len(names) <= MOST_CLASSES:
        raise DataError(
            f"{where} names {len(names)} classes; 2 to {MOST_CLASSES} are read, background included. Give the names "
            "with `classes`."
        )
    if twice := [name for at, name in enumerate(names) if name in names[:at]]:
        raise DataError(f"{where} names the class {twice[0]!r} twice. Rename one of them.")
    return names
