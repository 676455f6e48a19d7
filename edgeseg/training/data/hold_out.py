"""A val split for a data folder that has only train, by links; nothing is copied."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeseg.dataset import Dataset, Pair
from edgeseg.datasets.split import Groups, find_groups, hold_out
from edgeseg.errors import DataError, UserError
from edgeseg.files.data_layout import USUAL_VOID

EVERY = 5
MOST_NAMED = 5


@dataclass(frozen=True)
class Held:
    """What of train is held out to score on.

    Attributes:
        pairs: the pictures.
        sentence: how they were chosen, and what of it must be known.
    """

    pairs: frozenset[Pair]
    sentence: str


def with_val_split(data: Dataset, out: Path, every: int = EVERY) -> tuple[Dataset, str]:
    """Return ``data`` where it has both splits, else the folder ``out`` with a part of train held out, and which.

    The split depends on the names alone, and on groups that the data itself tells; see :func:`choose_held`.

    Raises:
        DataError: no train split, or a single picture.
        UserError: ``out`` is another folder already.
    """
    if "train" not in data.folders:
        raise DataError(
            f"Training needs a split train; {data.root} has only {', '.join(data.folders)}. "
            "Put its pictures and masks into images/train and masks/train, or name the folder in a data.yaml."
        )
    if "val" in data.folders:
        return data, ""
    pairs = data.pairs("train")
    if len(pairs) < 2:
        raise DataError(f"{data.root} has one picture; training needs one to learn from and one to score on.")
    held = choose_held(pairs, every, data.groups)
    return link_splits(data, out, held.pairs), held.sentence


def with_named_held_out(data: Dataset, out: Path, beginnings: Sequence[str]) -> tuple[Dataset, str]:
    """Make the folder ``out`` whose val split is the pictures of some drives, and return it and how it was made.

    The pictures of train and val whose names begin so are scored on; those of train that are left are trained on. So
    nothing of a drive is on both sides, whatever the splits were.

    Args:
        data: with a split train.
        out: the folder of links to be.
        beginnings: of the names of pictures, such as ``0001TP``.

    Raises:
        UserError: a beginning that no name has, nothing left to train on, or ``out`` is another folder already.
    """
    train = data.pairs("train")
    pairs = (*train, *(data.pairs("val") if "val" in data.folders else ()))
    for beginning in beginnings:
        if not any(pair.image.name.startswith(beginning) for pair in pairs):
            known = sorted({re.split(r"[_\-.]", pair.image.name)[0] for pair in pairs})
            raise UserError(
                f"`hold_out`: no picture's name begins with {beginning!r}. First parts of names: {_list(known)}."
            )
    held = [pair for pair in pairs if pair.image.name.startswith(tuple(beginnings))]
    kept = [pair for pair in train if pair not in set(held)]
    named = _list([f"{one!r}" for one in beginnings])
    if len({pair.image.stem for pair in held}) < len(held):
        raise UserError(f"`hold_out`: train and val of {data.root} hold pictures of the same name; rename one of each.")
    if not kept:
        raise UserError(f"`hold_out`: every training picture begins with {named}; none is left to train on.")
    rest = len(pairs) - len(held) - len(kept)
    sentence = f"all whose names begin with {named}" + (f"; {rest} of the old val split are not used." if rest else ".")
    return _link(data, out, {"train": kept, "val": held}), sentence


def choose_held(pairs: Sequence[Pair], every: int = EVERY, told: Mapping[str, str] | None = None) -> Held:
    """Choose what is held out: by group or by time where there are groups or sequences, else every fifth picture.

    Whole groups where there are five or more, else the last frames of each, as
    :func:`~edgeseg.datasets.split.plan_split` does it. Names that only count (``001``, ``Image_07L``) tell no
    sequences: of them it is every fifth. Pictures whose names differ only behind their last digit (two eyes of a
    patient: ``07L``, ``07R``) stay together then.

    Args:
        pairs: sorted by name.
        every: one of so many.
        told: the group of a picture by its name without ending, as the data tells it.
    """
    groups = find_groups([pair.image.name for pair in pairs], [(told or {}).get(pair.image.stem) for pair in pairs])
    if not groups.tell_apart:
        return Held(frozenset(_choose_every(pairs, every)), ABOUT_EVERY)
    ((_, at),) = hold_out(groups, [("val", 1 / every)], groups.way, random.Random(0))
    return Held(frozenset(pairs[number] for number in at), _word_held(groups, set(at), pairs))


ABOUT_EVERY = (
    "every fifth by name. Where they are frames of one clip, some of it stands on both sides and flatters the score: "
    "`edgeseg.split_dataset(DIR, out=DIR2, by='time')` makes another split."
)


def _word_held(groups: Groups, held: set[int], pairs: Sequence[Pair]) -> str:
    what = "groups" if groups.told else "sequences"
    torn = [
        (name, [at for at in group if at in held]) for name, group in zip(groups.names, groups.members, strict=True)
    ]
    names = [f"{name!r}" for name, own in torn if own]
    if groups.way == "group":
        return f"all of {_list(names)}, of {len(groups.names)} {what}{'' if groups.told else ' that names tell'}."
    firsts = [f"{name!r} from {pairs[own[0]].image.name} on" for name, own in torn if own]
    return f"the last frames of {len(names)} {what}: {_list(firsts)}."


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _choose_every(pairs: Sequence[Pair], every: int) -> set[Pair]:
    """Choose every fifth picture, or group of pictures that belong together by their names; at least one."""
    stems = [pair.image.stem for pair in pairs]
    groups = _group(pairs, _without_tail) if len(set(map(_without_tail, stems))) > 1 else [[pair] for pair in pairs]
    chosen = groups[every - 1 :: every] or groups[-1:]
    return {pair for group in chosen for pair in group}


def link_splits(data: Dataset, out: Path, held: Set[Pair]) -> Dataset:
    """Make the data folder ``out`` of links to the pictures of train, those of ``held`` in its val split.

    A folder that holds these links already is taken as it is, so that a run can be repeated or resumed.

    Raises:
        UserError: nothing or everything is held out, or ``out`` exists and is something else.
    """
    pairs = data.pairs("train")
    if len(held) in (0, len(pairs)):
        raise UserError(f"That would hold out {len(held)} of {len(pairs)} images; keep some on either side.")
    kept = [pair for pair in pairs if pair not in held]
    return _link(data, out, {"train": kept, "val": [pair for pair in pairs if pair in held]})


def _link(data: Dataset, out: Path, splits: Mapping[str, Sequence[Pair]]) -> Dataset:
    files = {
        Path(kind, split, name): file.resolve()
        for split, pairs in splits.items()
        for pair in pairs
        for kind, name, file in (("images", pair.image.name, pair.image), *_mask_links(pair))
    }
    if not _holds(out, files):
        _build(data, out, files)
    folders = {split: (out / "images" / split, out / "masks" / split) for split in ("train", "val")}
    return replace(data, root=out, folders=folders)


def _class_folders(data: Dataset) -> tuple[str, ...]:
    """Folders that masks of one file a class lie in; none where masks are single files."""
    return data.classes if data.pairs("train")[0].parts else ()


def _mask_links(pair: Pair) -> list[tuple[str, str, Path]]:
    if not pair.parts:
        return [("masks", pair.mask.name, pair.mask)]
    return [("masks", f"{name}/{path.name}", path) for name, path in pair.parts]


def _without_tail(stem: str) -> str:
    """The stem up to its last digit, or all of it."""
    found = re.match(r".*\d", stem)
    return found.group(0) if found else stem


def _group(pairs: Sequence[Pair], key: Callable[[str], str]) -> list[list[Pair]]:
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(key(pair.image.stem), []).append(pair)
    return list(groups.values())


def _holds(out: Path, files: dict[Path, Path]) -> bool:
    """Whether ``out`` is the folder that these links make."""
    if not out.exists():
        return False
    inside = (path for kind in ("images", "masks") for path in out.glob(f"{kind}/*/**/*"))
    found = {path.relative_to(out) for path in inside if path.is_symlink() or not path.is_dir()}
    if found != set(files) or any((out / name).resolve() != file for name, file in files.items()):
        raise UserError(f"{out} exists and holds other pictures; choose another folder or remove it.")
    return True


def _build(data: Dataset, out: Path, files: dict[Path, Path]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        for name, file in files.items():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).symlink_to(file)
        for split, one in itertools.product(("train", "val"), _class_folders(data)):
            (staged / "masks" / split / one).mkdir(parents=True, exist_ok=True)
        _describe(data, staged)
        staged.chmod(0o755)
        os.replace(staged, out)
    except OSError:
        # Another process of the same launch was first.
        if not _holds(out, files):
            raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _describe(data: Dataset, folder: Path) -> None:
    """Name the classes, and what mask values mean where that is not the usual."""
    (folder / "classes.txt").write_text("\n".join(data.classes) + "\n", encoding="utf-8")
    further: dict[str, Any] = {}
    if data.ignore_index != USUAL_VOID or data.void_said:
        further["ignore_index"] = data.ignore_index
    if meanings := data.mask_values.to_dict(data.classes):
        further["mask_values"] = meanings
    if data.task:
        further["task"] = data.task
    if further:
        values = {"train": "images/train", "val": "images/val", "names": list(data.classes)}
        text = json.dumps({**values, **further}, ensure_ascii=False, indent=1)
        (folder / "data.yaml").write_text(text + "\n", encoding="utf-8")
