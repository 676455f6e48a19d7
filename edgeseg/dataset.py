"""Where the images and masks of a data folder are.

Two layouts are read::

    DIR/images/{train,val,test}/NAME.jpg     DIR/data.yaml with
    DIR/masks/{train,val,test}/NAME.png        path, train, val, test: folders of images
    DIR/classes.txt  one class name a line     names: list or {index: name}
                                               ignore_index: mask value (optional)
                                               mask_values: {255: road} (optional)
                                               masks: folder name beside images (optional)
                                               task: multilabel (optional)

Any other folder below ``images`` that has one of its name below ``masks`` is a split as well. With a ``data.yaml`` the
masks of ``.../images/train`` are looked for in ``.../masks/train``.

A pixel may show several classes where the masks of each lie in a folder of its name, ``masks/train/sky/NAME.png``, or
where ``task: multilabel`` says that bit k of a mask's values stands for class k.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeseg.datasets.formats.mask_file import check_same_size, read_labels, void_as
from edgeseg.datasets.formats.origin import read_origin
from edgeseg.errors import DataError, DataWarning
from edgeseg.files.data_layout import DataLayout, read_layout
from edgeseg.files.image_files import about_unread, is_image, list_images, unread_pictures
from edgeseg.given import checked
from edgeseg.image import UInt8, read_image, read_mask
from edgeseg.masks.census import MaskCensus, value_counts
from edgeseg.masks.class_folders import Part, find_parts, join_parts, stem_of
from edgeseg.masks.class_sets import HOW, describe_strange_sets
from edgeseg.masks.judge import check_masks, check_proof
from edgeseg.masks.mask_values import IGNORED, GivenValues, Labels, MaskValues
from edgeseg.masks.strange_values import describe_strange
from edgeseg.spec import MAX_MULTILABEL, TASKS, ModelSpec

if TYPE_CHECKING:
    from edgeseg.datasets.formats.labelled_set import Reader

MULTILABEL = "multilabel"
OURS = "edgeseg"
"""The name of the reader of our own layouts."""


@checked
def is_dataset(path: Path) -> bool:
    """Tell whether ``path`` is a data folder, in our layout or a format that is read, or a file of one."""
    if path.suffix in (".yaml", ".yml") or (path / "images").is_dir() or (path / "data.yaml").is_file():
        return True
    from edgeseg.datasets.table import find_reader

    return find_reader(path) is not None


@dataclass(frozen=True)
class Pair:
    """An image file and the mask file that belongs to it.

    Attributes:
        image: the image.
        mask: its mask, the first of them where each class has its own.
        parts: class (or ``void``) and file of each of them then.
    """

    image: Path
    mask: Path
    parts: tuple[Part, ...] = ()

    @property
    def masks(self) -> tuple[Path, ...]:
        """All files of the mask."""
        return tuple(path for _, path in self.parts) or (self.mask,)


@dataclass(frozen=True)
class Dataset:
    """A labelled data folder.

    Attributes:
        root: the folder.
        classes: names in label order.
        ignore_index: mask value that means void, or None.
        folders: for each split, its folder of images and its folder of masks.
        mask_values: what the values of the mask files mean, where they are not class indices.
        void_said: somebody chose ``ignore_index``; it is no guess.
        task: what the data is for, where it says so: ``multilabel`` where masks hold sets of classes.
        converted_as: what ``mask_values`` was while another format was converted; the masks hold class indices since.
        groups: which pictures belong together (a city, a patient), by name without ending, where the data tells it.
    """

    root: Path
    classes: tuple[str, ...]
    ignore_index: int | None
    folders: Mapping[str, tuple[Path, Path]]
    mask_values: MaskValues = field(default_factory=MaskValues)
    void_said: bool = False
    task: str | None = None
    converted_as: MaskValues | None = None
    groups: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        path: Path | str,
        ignore_index: int | None = None,
        mask_values: GivenValues | None = None,
        spec: ModelSpec | None = None,
    ) -> Dataset:
        """Open a data folder or a ``data.yaml``.

        Another format of labels is converted into the cache first, once.

        Args:
            path: the folder, or the yaml file.
            ignore_index: mask value that means void; None: the one of ``spec``, else the file's, else 255.
            mask_values: what mask values mean, ``{255: "road"}`` or ``255=road``; None: as the file says it. See
                :meth:`~edgeseg.masks.mask_values.MaskValues.read`.
            spec: of the network that the data is for.

        Warns:
            DataWarning: what was guessed, drawn all the same or left out when it was converted; each time.

        Raises:
            DataError: no such folder, an unknown layout, no class names, meanings that make no sense, or masks of
                several classes a pixel where ``spec`` has one, or the other way round.
        """
        from edgeseg.datasets.table import find_reader

        reader = find_reader(path)
        if reader is not None and reader.name != OURS:
            return cls._open_converted(Path(path), reader, ignore_index, mask_values, spec)
        found = read_layout(Path(path))
        task = found.task or _task_of_folders(found)
        if task not in (None, *TASKS):
            raise DataError(f"{path}: task must be one of {', '.join(TASKS)}; found {task!r}.")
        if spec is not None:
            expect_task(found, task, spec.task)
        void = found.ignore_index if spec is None else spec.ignore_index
        void = void if ignore_index is None else ignore_index
        if task == MULTILABEL:
            void = _void_of_sets(found, void, ignore_index)
        said = ignore_index is not None or (found.void_said and void == found.ignore_index)
        values = MaskValues.read(found.mask_values if mask_values is None else mask_values, found.classes)
        if void is None and IGNORED in (*values.numbers.values(), *values.colors.values()):
            raise DataError(
                f"`mask_values` ignores a value in {path}, where `ignore_index` says that none is. Leave it out."
            )
        if task == MULTILABEL and (values.colors or any(label != IGNORED for label in values.numbers.values())):
            raise DataError(
                f"`mask_values` gives a value one class, and masks in {path} show several. "
                f"{HOW.format(first=found.classes[0])}."
            )
        groups = read_origin(found.root).groups
        return cls(found.root, found.classes, void, found.folders, values, said, task, groups=groups)

    @classmethod
    def _open_converted(
        cls,
        path: Path,
        reader: Reader,
        ignore_index: int | None,
        mask_values: GivenValues | None,
        spec: ModelSpec | None,
    ) -> Dataset:
        """Convert another format, unless that was done before, and open what it became."""
        from edgeseg.console.progress import bar_on_tty
        from edgeseg.datasets.cached import convert_into_cache, join_void
        from edgeseg.datasets.formats.labelled_set import ReadOptions

        given = join_void(mask_values, ignore_index)
        names = spec.classes if spec is not None and reader.may_lack_names else None
        options = ReadOptions(network_classes=names, mask_values=given)
        place = convert_into_cache(path, reader, options, bar_on_tty)
        origin = read_origin(place)
        for note in origin.notes:
            warnings.warn(f"{path}, read as {origin.format}: {note}", DataWarning, stacklevel=3)
        opened = cls.open(place)
        if spec is not None:
            expect_task(opened, opened.task, spec.task)
        root = path if path.is_dir() else path.parent
        return replace(opened, root=root, converted_as=MaskValues.read(given, opened.classes) if given else None)

    @property
    def recorded_values(self) -> dict[str, str]:
        """What ``mask_values`` opens this data so again: plain values, empty where nothing has to be said."""
        return (self.converted_as or self.mask_values).to_dict(self.classes)

    @property
    def several(self) -> bool:
        """Whether masks hold sets of classes, bit k for class k (:mod:`edgeseg.multilabel`)."""
        return self.task == MULTILABEL

    def expect_task(self, task: str) -> None:
        """Raise DataError where masks show several classes a pixel and ``task`` has one, or the other way round."""
        expect_task(self, self.task, task)

    def pairs(self, split: str) -> tuple[Pair, ...]:
        """List image and mask files of a split, sorted by name.

        Raises:
            DataError: the split is missing or empty, or an image has no mask.
        """
        if split not in self.folders:
            raise DataError(f"{self.root} has no split {split!r}; found {sorted(self.folders)}.")
        images, masks = self.folders[split]
        parts = find_parts(masks, self.classes, is_image) if self.several else None
        by_stem = _by_stem(masks) if parts is None else {stem: found[0][1] for stem, found in parts.items()}
        found = list_images(images)
        missing = [image for image in found if _name(image) not in by_stem]
        if missing:
            others = about_unread(unread_pictures(masks))
            raise DataError(
                f"{len(missing)} of {len(found)} images in {images} have no mask in {masks}, first {missing[0].name}. "
                f"A mask has its image's name.{_about_likely(missing[0], masks)}{others and ' ' + others}"
            )
        return tuple(Pair(image, by_stem[_name(image)], (parts or {}).get(_name(image), ())) for image in found)

    def left_out(self, split: str) -> str:
        """Say in a sentence which pictures in a split's folder are of a kind that is not read; empty for none."""
        return about_unread(unread_pictures(self.folders[split][0]))

    def read(self, pair: Pair) -> tuple[UInt8, UInt8]:
        """Read the image (HWC uint8 BGR) and the mask (HW uint8) of a pair, checked against each other.

        Raises:
            DataError: unreadable, sizes differ, or a mask value outside the classes.
        """
        image = read_image(pair.image)
        return image, self.read_mask(pair, image)

    @checked
    def read_mask(self, pair: Pair, image: UInt8) -> UInt8:
        """Read the mask (HW uint8) of a pair whose image has been read, checked against it.

        Raises:
            DataError: unreadable, of another size, or a value outside the classes.
        """
        labels = self._read_pair(pair)
        check_same_size(pair.mask, labels.shape, pair.image, image.shape)
        census = self._count([pair.mask], lambda number: labels, "it")
        if census.strange:
            raise DataError((describe_strange_sets if self.several else describe_strange)(census))
        return void_as(labels, self.ignore_index or 0)

    def count_values(self, split: str, pairs: Sequence[Pair] | None = None) -> MaskCensus:
        """Read every mask of a split, or of some of its pairs, and count its values, each file for itself.

        Raises:
            DataError: see :meth:`pairs`; or a mask that cannot be read.
        """
        chosen = self.pairs(split) if pairs is None else pairs
        files = [pair.mask for pair in chosen]
        return self._count(files, lambda number: self._read_pair(chosen[number]), f"split {split!r} in {self.root}")

    def check_masks(self, split: str, pairs: Sequence[Pair] | None = None, *, proof: bool = False) -> MaskCensus:
        """Refuse masks that cannot judge a network: the one gate, wherever masks are read.

        Args:
            split: all of its masks are read.
            pairs: of it, to be looked at alone.
            proof: the masks are to tell one network from another; see :func:`~edgeseg.masks.judge.check_proof`.

        Raises:
            DataError: see :meth:`count_values` and :func:`~edgeseg.masks.judge.check_masks`.
        """
        census = self.count_values(split, pairs)
        (check_proof if proof else check_masks)(census)
        return census

    def _count(self, files: Sequence[Path], read: Callable[[int], Labels], where: str) -> MaskCensus:
        counts = np.zeros((len(files), 256), np.int64)
        for number in range(len(files)):
            labels = read(number)
            counts[number] = value_counts(labels if labels.dtype == np.uint8 else labels[labels != IGNORED])
        said = self.void_said
        return MaskCensus(where, files, counts, self.classes, self.ignore_index, said, read, self.several)

    def _read_pair(self, pair: Pair) -> Labels:
        """The labels of a mask, of one file or of one a class."""
        if not pair.parts:
            return self._read_labels(pair.mask)
        return join_parts(pair.parts, self.classes, self.ignore_index, read_mask)

    def _read_labels(self, path: Path) -> Labels:
        return read_labels(path, self.classes, self.mask_values)


def expect_task(where: Dataset | DataLayout, found: str | None, wanted: str) -> None:
    """Raise DataError where one of both is multilabel.

    Args:
        where: names folder and classes, for the message.
        found: the data's task.
        wanted: the network's.
    """
    if wanted == MULTILABEL != found:
        raise DataError(
            f"The network is multilabel, and {where.root} does not say how its masks show several classes a pixel. "
            f"{HOW.format(first=where.classes[0])}."
        )
    if found == MULTILABEL != wanted:
        raise DataError(f"Masks in {where.root} show several classes a pixel, and the network is {wanted}.")


def _task_of_folders(found: DataLayout) -> str | None:
    """Multilabel where every split has a folder of masks for each class."""
    folders = [masks for _, masks in found.folders.values()]
    several = all((folder / name).is_dir() for folder in folders for name in found.classes)
    return MULTILABEL if several else None


def _void_of_sets(found: DataLayout, void: int | None, asked: int | None) -> int | None:
    """The value of void where values are sets of classes; 255 is a set of eight."""
    count = len(found.classes)
    if count > MAX_MULTILABEL:
        raise DataError(
            f"Masks hold sets of at most {MAX_MULTILABEL} classes, as a pixel is one byte with a bit a class; "
            f"{found.root} names {count}. Make a data folder of each {MAX_MULTILABEL} of them."
        )
    if asked is None and not found.void_said and count == MAX_MULTILABEL:
        return None
    if void is not None and void < 1 << count:
        raise DataError(f"`ignore_index={void}` is a set of the {count} classes of {found.root}; use another value.")
    return void


_name = stem_of


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"There is no mask folder {folder}.")
    return {_name(p): p for p in sorted(folder.iterdir()) if is_image(p)}


def _about_likely(image: Path, masks: Path) -> str:
    """Which file the mask of an image may be, by the beginning of its name."""
    likely = [p.name for p in sorted(masks.rglob("*")) if p.is_file() and _name(p).startswith(_name(image))]
    return f" {likely[0]} may be one: call it {image.stem}.png." if likely else ""
