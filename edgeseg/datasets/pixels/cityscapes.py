"""Cityscapes (M. Cordts et al., 2016): ``leftImg8bit`` and ``gtFine``, of which label ids and train ids are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgeseg.datasets.formats.labelled_set import LabelledSet, Reader, ReadOptions, check_classes
from edgeseg.datasets.formats.picture_file import list_pictures
from edgeseg.datasets.pixels.class_map import ClassMap, read_class_map
from edgeseg.datasets.pixels.color_tables import CITYSCAPES_COLORS
from edgeseg.datasets.pixels.pixel_set import FilePair, build_set
from edgeseg.datasets.pixels.split_lists import SPLIT_OF
from edgeseg.errors import DataError
from edgeseg.masks.mask_values import IGNORE
from edgeseg.masks.named_colors import is_void

TITLE = "Cityscapes"
IMAGES, MASKS = "leftImg8bit", ("gtFine", "gtCoarse")
TRAIN_IDS, LABEL_IDS = "labelTrainIds", "labelIds"
CLASSES = tuple(name for name in CITYSCAPES_COLORS.values() if not is_void(name))
"""The nineteen that are scored, in the order of their train ids."""
LABELS = (
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road", "sidewalk",
    "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole", "polegroup",
    "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus",
    "caravan", "trailer", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""Every label by its id."""
_VOID = 255


def recognise(path: Path) -> bool:
    """Tell whether a folder has pictures and masks in the folders of Cityscapes."""
    try:
        return _find_folders(path) is not None
    except OSError:
        return False


def _find_folders(path: Path) -> tuple[Path, Path] | None:
    """The folder of pictures and that of masks; the archives unpack into folders of their own."""
    root = path.parent if path.suffix in (".yaml", ".yml") and path.is_file() else path
    if not root.is_dir():
        return None
    images = [*root.glob(IMAGES), *sorted(root.glob(f"*/{IMAGES}"))]
    masks = [found for name in MASKS for found in (*root.glob(name), *sorted(root.glob(f"*/{name}")))]
    named = [folder for folder in masks if next(folder.rglob("*_gt*_*.png"), None) is not None]
    return (images[0], named[0]) if images and named else None


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read a folder of Cityscapes; a city is a group.

    Train ids are read where they were made, else label ids: the nineteen classes that are scored, the rest void.
    Names in a data.yaml are those of train ids that somebody made for other classes. Classes that are chosen with
    ``options`` are found by their names; a first class that is none of Cityscapes takes the rest, and without one the
    rest is void.

    Raises:
        DataError: neither kind of ids, or see :func:`~edgeseg.datasets.pixels.pixel_set.build_set`.
    """
    folders = _find_folders(path)
    if folders is None:
        raise DataError(f"{path} is no Cityscapes: {IMAGES} and {MASKS[0]} belong side by side.")
    images, masks = folders
    root = path if path.is_dir() else path.parent
    by_kind = {kind: _list_masks(masks, kind) for kind in (TRAIN_IDS, LABEL_IDS)}
    if not any(by_kind.values()):
        raise DataError(
            f"{masks} has no *_{LABEL_IDS}.png and no *_{TRAIN_IDS}.png. Its colour pictures and polygons are "
            "not read; its label ids come in gtFine_trainvaltest.zip."
        )
    said = read_class_map([root])
    kind = TRAIN_IDS if by_kind[TRAIN_IDS] else LABEL_IDS
    if options.classes and not set(options.classes[1:]) <= set(CLASSES) and by_kind[LABEL_IDS]:
        kind = LABEL_IDS
    own = kind == TRAIN_IDS and not options.classes and bool(said.classes)
    names = options.classes or said.classes or CLASSES
    pairs = list(_pairs(images, by_kind[kind]))
    return build_set(root, TITLE, pairs, _meaning(said, names, kind, own, root), options)


def _list_masks(folder: Path, kind: str) -> dict[str, Path]:
    """Masks by ``train/berlin/berlin_000000_000019``."""
    found = sorted(folder.rglob(f"*_{kind}.png"))
    stems = (path.with_name(path.name.removesuffix(f"_{kind}.png").rpartition("_")[0]) for path in found)
    return {stem.relative_to(folder).as_posix(): path for stem, path in zip(stems, found, strict=True)}


def _pairs(images: Path, masks: Mapping[str, Path]) -> Sequence[FilePair]:
    pairs = []
    for split in sorted(folder for folder in images.iterdir() if folder.is_dir()):
        for folder in (split, *sorted(one for one in split.rglob("*") if one.is_dir())):
            for image in list_pictures(folder):
                stem = image.with_name(image.stem.removesuffix(f"_{IMAGES}")).relative_to(images).as_posix()
                name = image.relative_to(images).with_suffix("").as_posix()
                city = folder.name if folder != split else None
                pairs.append(FilePair(name, image, masks.get(stem), SPLIT_OF.get(split.name, split.name), city))
    return pairs


def _meaning(said: ClassMap, names: tuple[str, ...], kind: str, own: bool, root: Path) -> ClassMap:
    """What ids mean: indices of the classes, or of those that are called so."""
    check_classes(names, root)
    said = replace(said, classes=names, void=_VOID)
    if kind == TRAIN_IDS and (own or names == CLASSES or said.values):
        return said
    ids = {name: number for number, name in enumerate(LABELS if kind == LABEL_IDS else CLASSES)}
    rest = IGNORE if names[0] in ids else names[0]
    numbers = {number: name if name in names else rest for name, number in ids.items()}
    return replace(said, values=dict(numbers) if said.values is None else said.values)


READER = Reader("cityscapes", TITLE, recognise, read)
