"""Anyone's labels: written in our layout, checked, split and packed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.progress import OnProgress, report_to
from edgeseg.errors import UserError

if TYPE_CHECKING:
    from edgeseg.datasets.check import DatasetReport
    from edgeseg.datasets.convert import Conversion, Missing
    from edgeseg.datasets.formats.labelled_set import LabelledSet
    from edgeseg.datasets.shards import Shards
    from edgeseg.datasets.split import By
    from edgeseg.masks.mask_values import GivenValues


def convert_dataset(
    data: str | Path,
    *,
    out: str | Path,
    classes: Sequence[str] | None = None,
    mask_values: GivenValues | None = None,
    colors: Mapping[str, str | Sequence[int]] | None = None,
    accept_colors: bool = False,
    missing: Missing = "refuse",
    skip_wrong: bool = False,
    multilabel: bool = False,
    progress: OnProgress | None = None,
) -> Conversion:
    """Write labelled pictures of any format that is read as a data folder of our layout.

    Args:
        data: their folder, or a file that describes them.
        out: the folder to write: ``images/``, ``masks/`` of class indices as PNG, 255 for void, and ``classes.txt``.
        classes: names in label order, where the data has none, or instead of as many that it has.
        mask_values: what mask values mean, ``{255: "road"}`` or ``255=road``; None: as the data says it.
        colors: RGB of each class, 0..255 each, ``{"road": (128, 64, 128)}`` or ``{"road": "#804080"}``; ``void`` is a
            class that is not scored.
        accept_colors: a meaning of colours or grey steps that can only be guessed is meant.
        missing: pictures without labels: ``refuse`` the set, take them for ``background``, or ``skip`` them.
        skip_wrong: leave out pictures whose labels are wrong, instead of refusing the set.
        multilabel: a pixel may show several classes: drawn objects that cover one another all stay, as a folder of
            masks a class, ``masks/train/CLASS/NAME.png``.
        progress: called with a description, a count and its end.

    Returns:
        The folder, its classes, how many pictures of each split, pixels of each class, and what was left out.

    Raises:
        DataError: no format that is read, a meaning that has to be confirmed, or labels that are wrong or missing.
        OutputError: ``out`` holds something, or cannot be written.

    Example:
        >>> done = edgeseg.convert_dataset("data", out="converted")
        >>> done.classes, done.pictures
        (('background', 'box', 'disc'), {'train': 8, 'val': 8})
    """
    from edgeseg.datasets.convert import write_dataset
    from edgeseg.datasets.several import write_several

    found = _read(data, classes, mask_values, colors, accept_colors)
    if multilabel:
        return write_several(found, Path(out), missing=missing, skip_wrong=skip_wrong, progress=report_to(progress))
    return write_dataset(found, Path(out), missing=missing, skip_wrong=skip_wrong, progress=report_to(progress))


def check_dataset(
    data: str | Path,
    *,
    sheet: str | Path | None = None,
    classes: Sequence[str] | None = None,
    mask_values: GivenValues | None = None,
    colors: Mapping[str, str | Sequence[int]] | None = None,
    accept_colors: bool = False,
    missing: Missing = "refuse",
    progress: OnProgress | None = None,
) -> DatasetReport:
    """Look at every picture and mask of a data folder of any format that is read.

    Args:
        data: the folder, or a file that describes one.
        sheet: where a contact sheet of pictures with their masks is drawn, a PNG or JPEG file; None: nowhere.
        classes: see :func:`convert_dataset`; so are ``mask_values``, ``colors`` and ``accept_colors``.
        mask_values: what mask values mean.
        colors: RGB of each class.
        accept_colors: a guess is meant.
        missing: pictures without labels are a fault (``refuse``), all ``background``, or left out (``skip``).
        progress: called with a description, a count and its end.

    Returns:
        Pictures, shares of the classes and sizes by split, and what was found: labels that are wrong, by file, the same
        or nearly the same pictures in two splits, and masks that cannot judge a network. ``passed`` is False where
        something of it is serious.

    Raises:
        DataError: no format that is read, or a meaning that has to be confirmed.
        OutputError: the sheet cannot be written.

    Example:
        >>> report = edgeseg.check_dataset("data")
        >>> report.pictures, report.classes
        ({'train': 8, 'val': 8}, ('background', 'box', 'disc'))
    """
    from edgeseg.datasets.check import check_set

    found = _read(data, classes, mask_values, colors, accept_colors)
    place = None if sheet is None else Path(sheet)
    return check_set(found, place, missing=missing, progress=report_to(progress))


def split_dataset(
    data: str | Path,
    *,
    out: str | Path,
    val: float = 0.2,
    test: float = 0.0,
    by: By = "auto",
    seed: int = 0,
    mask_values: GivenValues | None = None,
    missing: Missing = "refuse",
    progress: OnProgress | None = None,
) -> Conversion:
    """Write a data folder whose pictures are divided anew, so that what belongs together stays together.

    Args:
        data: the folder, in any format that is read; splits that it has are given up.
        out: the folder to write, in our layout.
        val: share of the pictures for ``val``.
        test: share for ``test``; 0 for no such split.
        by: ``group``: whole groups (a city, a patient, a sequence as names tell it) on one side; ``time``: the last
            frames of each sequence are held out; ``random``: picture by picture; ``auto``: by group where there are
            five or more, else by time where names show sequences, else at random.
        seed: of the draw.
        mask_values: what mask values mean.
        missing: pictures without labels, see :func:`convert_dataset`.
        progress: called with a description, a count and its end.

    Raises:
        DataError: see :func:`convert_dataset`.
        UserError: shares that leave nothing, or a single group.
        OutputError: ``out`` holds something, or cannot be written.

    Example:
        >>> done = edgeseg.split_dataset("data", out="divided", val=0.25)
        >>> sum(done.pictures.values())
        16
    """
    from edgeseg.datasets.convert import write_dataset
    from edgeseg.datasets.split import plan_split, split_set

    found = _read(data, None, mask_values, None, False)
    divided = split_set(found, plan_split(found.pictures, val, test, by, seed))
    return write_dataset(divided, Path(out), missing=missing, progress=report_to(progress))


def shard_dataset(
    data: str | Path,
    *,
    out: str | Path,
    shard_mb: float = 256,
    mask_values: GivenValues | None = None,
    missing: Missing = "refuse",
    progress: OnProgress | None = None,
) -> Shards:
    """Write a data folder as tar files in the WebDataset format: pictures, masks and names, one after the other.

    Args:
        data: the folder, in any format that is read.
        out: the folder to write: ``SPLIT-000000.tar`` and so on, and ``shards.json`` with the classes.
        shard_mb: about how large a shard is, in MB.
        mask_values: what mask values mean.
        missing: pictures without labels, see :func:`convert_dataset`.
        progress: called with a description, a count and its end.

    Raises:
        DataError: see :func:`convert_dataset`.
        UserError: ``shard_mb`` is no size.
        OutputError: ``out`` holds shards, or cannot be written.

    Example:
        >>> edgeseg.shard_dataset("data", out="shards").files
        {'train': ('train-000000.tar',), 'val': ('val-000000.tar',)}
    """
    from edgeseg.datasets.shards import write_shards

    if not shard_mb > 0:
        raise UserError(f"`shard_mb` is a size over 0; found {shard_mb}.")
    found, size = _read(data, None, mask_values, None, False), int(shard_mb * 1e6)
    return write_shards(found, Path(out), shard_bytes=size, missing=missing, progress=report_to(progress))


def _read(
    data: str | Path,
    classes: Sequence[str] | None,
    mask_values: GivenValues | None,
    colors: Mapping[str, str | Sequence[int]] | None,
    accept_colors: bool,
) -> LabelledSet:
    from edgeseg.datasets.formats.labelled_set import ReadOptions
    from edgeseg.datasets.table import read_set
    from edgeseg.masks.named_colors import join_colors

    names = None if classes is None else tuple(classes)
    given = join_colors(mask_values, colors)
    return read_set(Path(data), ReadOptions(classes=names, mask_values=given, accept_colors=accept_colors))
