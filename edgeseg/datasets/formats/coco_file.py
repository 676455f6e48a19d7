"""Annotation files of COCO: where they and their pictures are, what they list, and which kinds are declined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.datasets.shapes.annotation_file import list_of, peek, read_json_object, read_size
from edgeseg.datasets.shapes.picture_files import split_name
from edgeseg.errors import DataError

ROBOFLOW = "_annotations.coco.json"
_BEGINS = r'^\s*\{\s*"(info|images|licenses|categories|annotations|type)"\s*:'
_OTHERS = ("captions_", "person_keypoints_", "panoptic_", "image_info_", "stuff_")
"""Beside ``instances_*.json`` these say nothing more about where objects are."""


@dataclass(frozen=True)
class Place:
    """Where an annotation file is.

    Attributes:
        path: the file.
        root: the data folder.
        split: of its pictures, where a name says it.
        word: the file's name without what tells its kind, such as ``train2017``.
    """

    path: Path
    root: Path
    split: str | None
    word: str


@dataclass(frozen=True)
class Entry:
    """A picture of an annotation file: height and width as listed, and what is strange about its entry."""

    size: tuple[int, int] | None
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class CocoFile:
    """What an annotation file lists.

    Attributes:
        path: the file.
        split: of its pictures.
        starts: folders that names of pictures may count from.
        images: its pictures, as listed.
        annotations: its objects, as listed.
        categories: the names of its classes, by their numbers.
        notes: what was left out.
    """

    path: Path
    split: str | None
    starts: tuple[Path, ...]
    images: Sequence[Mapping[str, Any]]
    annotations: Sequence[Mapping[str, Any]]
    categories: Mapping[int, str]
    notes: tuple[str, ...] = ()

    def read_entries(self) -> tuple[dict[str, Entry], dict[Any, str]]:
        """Read the pictures by their names, and the name of each number.

        Raises:
            DataError: a picture without a name or a number.
        """
        entries: dict[str, Entry] = {}
        names: dict[Any, str] = {}
        for image in self.images:
            number, name = image.get("id"), image.get("file_name")
            if not isinstance(name, str) or not name or not isinstance(number, int | str):
                raise DataError(f"{self.path}: the picture {dict(image)!r:.80} has no file_name or no id.")
            size = read_size(image.get("height"), image.get("width"))
            entry = Entry(size)
            if name in entries:
                entry = Entry(size, (f"{self.path}: {name} is listed twice; all its objects are drawn.",))
            elif number in names:
                entry = Entry(size, (f"{self.path}: {name} has the id {number} of {names[number]}.",))
            entries[name] = entry
            names[number] = name
        return entries, names


def find_files(path: Path) -> list[Place]:
    """Find the annotation files of a data folder; or the file itself that is named."""
    if path.is_file():
        folder = path.parent
        root = folder.parent if folder.name == "annotations" else folder
        return [_place(path, root)] if path.suffix == ".json" and peek(path, _BEGINS) else []
    if not path.is_dir():
        return []
    exported = sorted([*path.glob(ROBOFLOW), *path.glob(f"*/{ROBOFLOW}")])
    found = exported or [
        file for file in (sorted(path.glob("annotations/*.json")) or _alone(path)) if peek(file, _BEGINS)
    ]
    kept = [file for file in found if not file.name.startswith(_OTHERS)] or found
    return [_place(file, path) for file in kept]


def _alone(root: Path) -> list[Path]:
    """JSON files of a folder, where there are so few that they can be of splits."""
    found = sorted(root.glob("*.json"))
    return found if len(found) <= 4 else []


def _place(path: Path, root: Path) -> Place:
    if path.name == ROBOFLOW:
        return Place(path, root, split_name(path.parent.name) if path.parent != root else None, path.parent.name)
    word = path.stem.removeprefix("instances_").removeprefix("stuff_")
    return Place(path, root, split_name(word), word)


def open_file(place: Place) -> CocoFile:
    """Read an annotation file.

    Raises:
        DataError: no JSON, a panoptic file, boxes instead of outlines, or a class without a name.
    """
    path, root = place.path, place.root
    values = read_json_object(path)
    images, annotations = list_of(values, "images", path), list_of(values, "annotations", path)
    if any("segments_info" in each for each in annotations[:10]):
        raise DataError(
            f"{path} is a panoptic file of COCO, whose masks are PNG files of segment numbers. Give the file of "
            "instances, or the masks of COCO-Stuff as pictures of class indices."
        )
    if annotations and not any(each.get("segmentation") for each in annotations):
        raise DataError(
            f"{path} holds {len(annotations)} boxes and no outlines. A box is not enough to learn which pixels are "
            "something: export polygons or masks (Roboflow: a project for segmentation)."
        )
    if not images:
        raise DataError(f"{path} lists no pictures under images. Export it again.")
    categories, notes = _read_categories(values, annotations, path)
    starts: tuple[Path, ...] = (
        path.parent,
        root / place.word,
        root / "images" / place.word,
        root / "images",
        root,
        root / "data",
    )
    if place.split:
        starts = (*starts, root / place.split, root / "images" / place.split)
    return CocoFile(path, place.split, tuple(dict.fromkeys(starts)), images, annotations, categories, notes)


def _read_categories(
    values: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]], path: Path
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Names by number, in the order of the numbers, without the group that Roboflow lists as a class."""
    listed = list_of(values, "categories", path)
    categories: dict[int, str] = {}
    for each in listed:
        number, name = each.get("id"), each.get("name")
        if not isinstance(number, int) or not isinstance(name, str) or not name.strip():
            raise DataError(f"{path}: the category {dict(each)!r:.80} has no name or no id. Give it one.")
        if number in categories and categories[number] != name.strip():
            raise DataError(f"{path}: the category {number} is both {categories[number]!r} and {name!r}.")
        categories[number] = name.strip()
    used = {str(each.get("category_id")) for each in annotations}
    groups = {str(each.get("supercategory")) for each in listed}
    dropped = [
        number for number, name in categories.items() if number == 0 and str(number) not in used and name in groups
    ]
    notes = tuple(f"{path}: {categories[number]!r} is a group of classes and no class." for number in dropped)
    return {number: categories[number] for number in sorted(categories) if number not in dropped}, notes
