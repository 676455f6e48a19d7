"""Pictures and masks in folders that say what they hold, or side by side: Carvana, CamVid, DRIVE, and who knows who.

====================================================  ==================================================
``images/*.jpg``, ``masks/*.png``                     one folder each, with or without splits
``train/``, ``train_masks/`` (or ``trainannot/``)     a folder a split and kind, splits also as train.txt, val.txt
``NAME.jpg``, ``NAME_mask.png`` (``_gt``, ``_L``)     side by side
====================================================  ==================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgeseg.datasets.formats.labelled_set import LabelledSet, Reader, ReadOptions
from edgeseg.datasets.pixels.class_map import MAP_FILES, NAME_FILES, read_class_map
from edgeseg.datasets.pixels.file_pairs import Found, find_pairs
from edgeseg.datasets.pixels.pixel_set import FilePair, build_set
from edgeseg.datasets.pixels.split_lists import read_split_lists
from edgeseg.errors import DataError
from edgeseg.files.data_layout import USUAL, read_layout
from edgeseg.masks.class_folders import stem_of

TITLE = "pictures and masks of their names"


def recognise(path: Path) -> bool:
    """Tell whether pictures have masks that their names or folders say are theirs."""
    root = _root(path)
    try:
        if root is None or _is_unfinished(root):
            return False
        return any(pair.mask is not None for pair in find_pairs(root).pairs)
    except OSError:
        return False


def _is_unfinished(root: Path) -> bool:
    """Whether it is our own layout, and what is missing is better said than guessed."""
    described = (root / "data.yaml").is_file()
    splits = [entry.name for entry in (root / "images").iterdir()] if (root / "images").is_dir() else []
    if not described and not any((root / "masks" / split).is_dir() and split in USUAL for split in splits):
        return False
    try:
        read_layout(root)
    except DataError:
        return described or not any((root / name).is_file() for name in (*NAME_FILES[1:], *MAP_FILES))
    return False


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read pictures and their masks.

    Raises:
        DataError: see :func:`~edgeseg.datasets.pixels.pixel_set.build_set`.
    """
    root = _root(path) or path
    found = find_pairs(root)
    pairs = _by_lists(found.pairs, read_split_lists(root))
    folders = [root, *dict.fromkeys(pair.mask.parent for pair in pairs if pair.mask is not None)]
    above = [folder.parent for folder in folders[1:] if folder.parent != root and root in folder.parents]
    said = read_class_map([*folders, *dict.fromkeys(above)])
    return build_set(root, TITLE, pairs, said, options, _about_spare(found))


def _root(path: Path) -> Path | None:
    if path.is_dir():
        return path
    return path.parent if path.suffix in (".yaml", ".yml") and path.is_file() else None


def _by_lists(pairs: Sequence[FilePair], lists: Mapping[str, tuple[str, ...]]) -> tuple[FilePair, ...]:
    """Splits as text files say them, where folders do not."""
    if not lists or any(pair.split for pair in pairs):
        return tuple(pairs)
    splits = {name: split for split, names in lists.items() for name in names}
    return tuple(replace(pair, split=splits[stem_of(pair.image)]) for pair in pairs if stem_of(pair.image) in splits)


def _about_spare(found: Found) -> list[str]:
    if not found.spare:
        return []
    names = ", ".join(path.name for path in found.spare[:5])
    more = f" and {len(found.spare) - 5} more" if len(found.spare) > 5 else ""
    return [f"{len(found.spare)} masks have no picture: {names}{more}."]


READER = Reader("beside", TITLE, recognise, read, may_lack_names=True)
