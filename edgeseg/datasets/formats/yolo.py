"""YOLO for segmentation: a text file a picture, a polygon a line, and a ``data.yaml`` that names classes and splits.

::

    DIR/data.yaml                 path: .  train: images/train  val: images/val  names: {0: person, 1: car}
    DIR/images/train/NAME.jpg     a split may be a folder, a list of them, or a text file of pictures
    DIR/labels/train/NAME.txt     CLASS X1 Y1 X2 Y2 X3 Y3 ...  as shares of width and height

The last ``images`` in a picture's path is ``labels`` in that of its text file, as in Ultralytics. A picture without
one, or with an empty one, shows background alone. Of objects that overlap, the smaller lies above. A file of boxes is
refused: a box does not say which pixels are something. Among polygons a box is void.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.datasets.formats.draft import ClassTable, Draft, find_size, sum_up
from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet, Reader, ReadOptions
from edgeseg.datasets.shapes.outline import Points
from edgeseg.datasets.shapes.picture_files import PictureFiles, find_inside, name_inside, split_name
from edgeseg.errors import DataError, EdgesegError
from edgeseg.files.data_layout import read_classes, read_yaml
from edgeseg.files.image_files import is_image
from edgeseg.files.input_file import read_text

_YAMLS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_SPLITS = ("train", "val", "valid", "test")
_BOX_COLUMNS = 5


def recognise(path: Path) -> bool:
    """Tell whether a folder, or a yaml file, leads to text files beside pictures."""
    yaml = _find_yaml(path)
    root = path if path.is_dir() else path.parent
    if yaml is None:
        return path.is_dir() and (path / "classes.txt").is_file() and _has_labels(path)
    try:
        values = read_yaml(yaml)
        return "names" in values and (_has_labels(root) or _has_labels(_root_of(values, yaml)))
    except (EdgesegError, OSError):
        return False


def _find_yaml(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix in (".yaml", ".yml") else None
    named = [path / name for name in _YAMLS if (path / name).is_file()]
    others = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() and not named else []
    return named[0] if named else others[0] if len(others) == 1 else None


def _has_labels(root: Path) -> bool:
    patterns = ("labels/*.txt", "labels/*/*.txt", "*/labels/*.txt")
    return any(next(root.glob(pattern), None) is not None for pattern in patterns)


def _root_of(values: Mapping[str, Any], yaml: Path) -> Path:
    """The folder that splits count from: ``path``, where there is one, else that of the yaml file."""
    said = values.get("path")
    root = Path(yaml.parent, str(said)) if isinstance(said, str) and said.strip() else yaml.parent
    return root if root.is_dir() else yaml.parent


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read the pictures of all splits and their polygons.

    Raises:
        DataError: no class names, a split that is not there, or no picture.
    """
    yaml = _find_yaml(path)
    values = read_yaml(yaml) if yaml else {}
    root = _root_of(values, yaml) if yaml else path
    names = _read_names(values, yaml) if yaml else list(read_classes(root / "classes.txt"))
    classes = ClassTable.build((name for name in names if name is not None), options, yaml or root)
    splits = _find_splits(values, root, yaml or root)
    listed = [(image, split) for split, images in splits.items() for image in images]
    found = dict(listed)
    if not found:
        raise DataError(f"{yaml or root} names no picture: neither train nor val has one. Are the folders right?")
    texts = {image: text for image in found if (text := _label_file(image)).is_file()}
    said: list[str] = []
    pictures = tuple(
        _read_picture(image, split, texts.get(image), root, names, classes, said) for image, split in listed
    )
    notes = list(classes.notes)
    if not texts:
        raise DataError(
            f"None of the {len(found)} pictures of {root} has a text file, {_label_file(next(iter(found)))}."
        )
    if bare := [image for image in found if image not in texts]:
        notes.append(
            f"{len(bare)} of {len(found)} pictures have no text file and show background alone, first {bare[0].name}."
        )
    return LabelledSet(root, READER.title, classes.names, pictures, notes=(*notes, *sum_up(said)))


def _read_names(values: Mapping[str, Any], yaml: Path) -> list[str | None]:
    """Class names by index; None where the file leaves a gap."""
    names = values.get("names")
    if isinstance(names, Mapping):
        if not names or not all(type(key) is int and 0 <= key < 10_000 for key in names):
            raise DataError(f"{yaml}: names must have class indices as keys; found {list(names)[:5]}.")
        return [str(names[key]) if key in names else None for key in range(max(names) + 1)]
    if not isinstance(names, list | tuple) or not names:
        raise DataError(f"{yaml} has no list of class names under names.")
    return [str(name) for name in names]


def _find_splits(values: Mapping[str, Any], root: Path, where: Path) -> dict[str | None, list[Path]]:
    """The pictures of each split, sorted; of folders that carry its name where nothing is said."""
    said = {split: values[split] for split in _SPLITS if values.get(split)}
    if not said:
        folders = {
            split: folder
            for folder in (*root.glob("images/*"), *root.glob("*/images"))
            if folder.is_dir()
            if (split := split_name(folder.name) or split_name(folder.parent.name))
        }
        said = {split: folder.relative_to(root).as_posix() for split, folder in folders.items()} or {"": "images"}
    found: dict[str | None, list[Path]] = {}
    for split, value in said.items():
        names = value if isinstance(value, list | tuple) else (value,)
        if not all(isinstance(name, str) for name in names):
            raise DataError(f"{where}: {split} must be a folder, a text file of pictures, or a list; found {value!r}.")
        images = [image for name in names for image in _find_images(root, name, f"{where}: {split}")]
        found[split_name(split)] = sorted(dict.fromkeys(images))
    return found


def _find_images(root: Path, name: str, where: str) -> Iterator[Path]:
    """The pictures of a folder and those below it, or of a text file that lists them."""
    place = _inside(root, name)
    if place is None:
        raise DataError(f"{where} names {name!r}, which is not in {root}. Put it there, or say `path`.")
    if place.is_dir():
        files = PictureFiles(place).by_name.values()
        yield from (image for same in files for image in same if image.resolve().is_relative_to(root.resolve()))
        return
    for line in filter(None, map(str.strip, read_text(place).split("\n"))):
        image = find_inside(root, place.parent, line) or find_inside(root, root, line)
        if image is None and Path(line).is_absolute() and Path(line).is_relative_to(root.resolve()):
            image = find_inside(root, root, str(Path(line).relative_to(root.resolve())))
        if image is None:
            raise DataError(f"{place} lists {line!r}, which is not in {root}. Put it there, or take the line out.")
        if is_image(image):
            yield image


def _inside(root: Path, name: str) -> Path | None:
    """The folder or file of a split. Exports of Roboflow say ``../train/images`` and mean ``train/images``."""
    clean = name.replace("\\", "/")
    for tried in (clean, clean.removeprefix("../")):
        place = Path(os.path.normpath(root / tried))
        if place.exists() and place.resolve().is_relative_to(root.resolve()):
            return place
    return None


def _label_file(image: Path) -> Path:
    parts = list(image.parts)
    if "images" in parts[:-1]:
        at = len(parts) - 2 - parts[:-1][::-1].index("images")
        parts[at] = "labels"
    return Path(*parts).with_suffix(".txt")


def _read_picture(
    image: Path,
    split: str | None,
    text: Path | None,
    root: Path,
    names: Sequence[str | None],
    classes: ClassTable,
    said: list[str],
) -> LabelledPicture:
    name = name_inside(image, root)
    draft = Draft(str(text or image), None, classes, said)
    try:
        draft.size = find_size(image, name)
        lines = read_text(text).split("\n") if text else []
    except DataError as fault:
        draft.wrong.append(str(fault))
        lines = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            _read_line(f"line {number}", line.split(), names, draft)
    return draft.finish(image, split, (text,) if text else (), name=name, smaller_above=True)


def _read_line(what: str, words: Sequence[str], names: Sequence[str | None], draft: Draft) -> None:
    try:
        numbers = np.array([float(word) for word in words], np.float64)
    except ValueError:
        draft.refuse(what, f"holds {' '.join(words)[:40]!r} where numbers are expected")
        return
    index = int(numbers[0]) if np.isfinite(numbers[0]) and numbers[0] == int(numbers[0]) else -1
    name = names[index] if 0 <= index < len(names) else None
    if name is None:
        draft.refuse(what, f"has the class {words[0]}; known are 0 to {len(names) - 1}")
        return
    label = draft.label_of(what, name)
    if label is None or draft.size is None:
        return
    if len(numbers) == _BOX_COLUMNS:
        _read_box(what, numbers[1:], draft)
        return
    if len(numbers) % 2 == 0:
        draft.refuse(what, f"has {len(numbers) - 1} coordinates; two a point are needed")
        return
    points = numbers[1:].reshape(-1, 2) * np.array(draft.size[::-1], np.float64)
    if len(points) and np.isfinite(points).all() and np.median(numbers[1:]) > 2:
        draft.refuse(what, f"has coordinates up to {numbers[1:].max():g}; shares of width and height are at most 1")
        return
    draft.add_outline(what, label, [points])


def _read_box(what: str, numbers: Points, draft: Draft) -> None:
    """A line with the centre and the size of a box, as shares."""
    height, width = draft.size or (0, 0)
    centre, half = numbers[:2] * (width, height), numbers[2:] / 2 * (width, height)
    draft.add_box(what, *(centre - half).tolist(), *(centre + half).tolist())


def find_root(path: Path) -> Path:
    """Find the folder with the pictures and the text files, which a yaml file elsewhere may name."""
    yaml = _find_yaml(path)
    return path if yaml is None else _root_of(read_yaml(yaml), yaml)


READER = Reader("yolo", "YOLO for segmentation", recognise, read, find_root=find_root)
