"""Anyone's labels: written in our layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.console.progress import OnProgress, report_to

if TYPE_CHECKING:
    from edgeseg.datasets.convert import Conversion, Missing
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
    from edgeseg.datasets.formats.labelled_set import ReadOptions
    from edgeseg.datasets.table import read_set
    from edgeseg.masks.named_colors import join_colors

    names = None if classes is None else tuple(classes)
    given = join_colors(mask_values, colors)
    found = read_set(Path(data), ReadOptions(classes=names, mask_values=given, accept_colors=accept_colors))
    return write_dataset(found, Path(out), missing=missing, skip_wrong=skip_wrong, progress=report_to(progress))
