"""Where the splits of a data folder are, and what its ``data.yaml`` or ``classes.txt`` says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseg.console.extras import require
from edgeseg.errors import DataError
from edgeseg.files.input_file import read_text

SPLITS = ("train", "val")
"""What training needs."""
USUAL = (*SPLITS, "test")
USUAL_VOID = 255
_EXPECTED = "expected images/train, masks/train and classes.txt"
_OTHER_SETS = {
    "COCO annotations": ("_annotations.coco.json", "annotations/instances_*.json", "*/_annotations.coco.json"),
    "Pascal VOC": ("SegmentationClass", "JPEGImages"),
    "Cityscapes": ("gtFine", "leftImg8bit"),
    "YOLO labels": ("labels/*/*.txt", "*/labels/*.txt"),
}


@dataclass(frozen=True)
class DataLayout:
    """What is known of a data folder before a picture is opened.

    Attributes:
        root: the folder.
        classes: names in label order.
        ignore_index: mask value that means void, or None.
        folders: for each split, its folder of images and its folder of masks; train, val and test come first.
        mask_values: what mask values mean, as the file says it.
        void_said: the file chose ``ignore_index``.
        task: of the networks that the data is for, as the file says it, or None.
    """

    root: Path
    classes: tuple[str, ...]
    ignore_index: int | None
    folders: Mapping[str, tuple[Path, Path]]
    mask_values: Mapping[Any, Any] = field(default_factory=dict)
    void_said: bool = False
    task: str | None = None


def read_layout(path: Path) -> DataLayout:
    """Read the layout of a data folder, or of a ``data.yaml``.

    Raises:
        DataError: no such folder, an unknown layout, or no class names.
    """
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        return _from_yaml(path)
    if not path.is_dir():
        raise DataError(f"There is no data folder {path}.")
    return _from_yaml(path / "data.yaml") if (path / "data.yaml").is_file() else _from_folders(path)


def read_classes(path: Path) -> tuple[str, ...]:
    """Read the class names of a ``classes.txt``, one a line; blank lines at the end do not count."""
    return _check_names((line.strip() for line in read_text(path).split("\n") if line.strip()), path)


def _check_names(names: Iterable[str], path: Path) -> tuple[str, ...]:
    names = tuple(names)
    if len(names) < 2:
        raise DataError(f"{path} names {len(names)} classes; at least two are needed, background included.")
    if len(set(names)) != len(names):
        raise DataError(f"{path} names a class twice: {list(names)}.")
    return names


def _from_folders(root: Path) -> DataLayout:
    images, masks = root / "images", root / "masks"
    if not images.is_dir():
        raise DataError(f"{root} has no images/ folder; {_EXPECTED}.{_about_other_sets(root)}")
    found = {entry.name for entry in images.iterdir() if entry.is_dir()}
    own = sorted(name for name in found - set(USUAL) if (masks / name).is_dir())
    folders = {name: (images / name, masks / name) for name in (*USUAL, *own) if name in found}
    if not folders:
        raise DataError(f"{images} has neither train/ nor val/.{_about_other_sets(root)}")
    return DataLayout(root, read_classes(root / "classes.txt"), USUAL_VOID, folders)


def read_described(path: Path) -> DataLayout:
    """Read what a ``data.yaml`` says of classes and mask values; folders and names need not be there.

    Raises:
        DataError: it cannot be read, or something in it makes no sense.
    """
    values = read_yaml(path)
    root = Path(path.parent, str(values.get("path") or "."))
    names = _check_names(_yaml_names(values.get("names"), path), path) if values.get("names") else ()
    void = values.get("ignore_index", USUAL_VOID)
    if void is not None and not (type(void) is int and 0 <= void <= 255):
        raise DataError(f"{path}: ignore_index must be a mask value of 0..255 or null; found {void!r}.")
    meanings = values.get("mask_values") or {}
    if not isinstance(meanings, Mapping):
        raise DataError(f"{path}: mask_values must be a mapping, such as {{255: road}}; found {meanings!r}.")
    folders = _yaml_folders(values, root, path)
    return DataLayout(root, names, void, folders, meanings, "ignore_index" in values, values.get("task"))


def _from_yaml(path: Path) -> DataLayout:
    found = read_described(path)
    if not found.folders:
        raise DataError(f"{path} names neither train nor val; give folders of images, e.g. train: images/train.")
    if not found.classes:
        raise DataError(f"{path} has no list of class names under names.")
    return found


def _yaml_folders(values: Mapping[str, Any], root: Path, path: Path) -> dict[str, tuple[Path, Path]]:
    """Folders of the usual splits, and of every other key whose folder has masks beside it."""
    masks = str(values.get("masks", "masks"))
    folders = {}
    for split in USUAL:
        if values.get(split):
            if not isinstance(values[split], str):
                raise DataError(f"{path}: {split} must name one folder of images; found {values[split]!r}.")
            folders[split] = (root / values[split], _masks_beside(root, values[split], masks))
    for split, name in values.items():
        if split in (*USUAL, "path", "masks", "task") or not isinstance(name, str) or not name:
            continue
        images, beside = root / name, _masks_beside(root, name, masks)
        if images.is_dir() and beside.is_dir() and beside != images:
            folders[str(split)] = images, beside
    return folders


def _yaml_names(names: object, path: Path) -> list[str]:
    if isinstance(names, Mapping):
        if set(names) != set(range(len(names))):
            raise DataError(f"{path}: names must count 0, 1, 2, ... without a gap; found {list(names)}.")
        names = [names[key] for key in range(len(names))]
    if not isinstance(names, list | tuple):
        raise DataError(f"{path} has no list of class names under names.")
    return [str(name) for name in names]


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Read a YAML file that holds a mapping; lists in it are tuples.

    Raises:
        DataError: no such file, no YAML, or no mapping.
    """
    yaml = require("yaml", "train")
    text = read_text(path)

    class Loader(yaml.SafeLoader):  # type: ignore[misc, name-defined]
        """Lists are tuples, so that ``[255, 0, 0]: road`` is a key."""

    Loader.add_constructor(
        "tag:yaml.org,2002:seq", lambda loader, node: tuple(loader.construct_sequence(node, deep=True))
    )
    try:
        values = yaml.load(text, Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(f"Cannot read {path}: {error}") from None
    if not isinstance(values, Mapping):
        raise DataError(f"{path} must be a mapping with path, train, val and names.")
    return values


def _masks_beside(root: Path, images: str, masks: str) -> Path:
    """The folder of masks: ``masks`` in the place of ``images``, else beside the folder, else of the same name."""
    folder = root / images
    parts = list(folder.parts)
    if "images" in parts:
        at = len(parts) - 1 - parts[::-1].index("images")
        parts[at] = masks
        return Path(*parts)
    rest = Path(images).parts[1:]
    if rest and not (folder.parent / masks).is_dir() and Path(root, masks, *rest).is_dir():
        return Path(root, masks, *rest)
    return folder.parent / masks


def _about_other_sets(root: Path) -> str:
    for name, patterns in _OTHER_SETS.items():
        if found := [path for pattern in patterns for path in sorted(root.glob(pattern))[:1]]:
            return (
                f" It looks like {name} ({found[0].relative_to(root).as_posix()}): make a mask of class indices (PNG) "
                "of each picture."
            )
    return ""
