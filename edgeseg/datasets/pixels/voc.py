"""Pascal VOC (M. Everingham et al., 2010), and what CVAT and LabelMe export as it: SegmentationClass, ImageSets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgeseg.datasets.formats.labelled_set import LabelledSet, Reader, ReadOptions
from edgeseg.datasets.formats.picture_file import list_pictures
from edgeseg.datasets.pixels.class_map import ClassMap, read_class_map
from edgeseg.datasets.pixels.color_tables import VOC_BORDER, VOC_CLASSES
from edgeseg.datasets.pixels.pixel_set import FilePair, build_set
from edgeseg.datasets.pixels.split_lists import read_default_list, read_split_lists
from edgeseg.errors import DataError
from edgeseg.masks.class_folders import stem_of

TITLE = "Pascal VOC"
MASKS = ("SegmentationClass", "SegmentationClassPNG", "SegmentationClassAug", "SegmentationClassRaw")
IMAGES = ("JPEGImages", "images", "Images")
LISTS = ("ImageSets/Segmentation", "ImageSets")
BORDER = 255


def recognise(path: Path) -> bool:
    """Tell whether a folder, or one of ``VOCdevkit`` in it, has masks as VOC has them."""
    try:
        return _find_root(path) is not None
    except OSError:
        return False


def _find_root(path: Path) -> Path | None:
    folder = path.parent if path.suffix in (".yaml", ".yml") and path.is_file() else path
    if not folder.is_dir():
        return None
    inside = [*sorted(folder.glob("VOC[0-9]*"), reverse=True), *sorted(folder.glob("VOCdevkit/VOC*"), reverse=True)]
    return next((root for root in (folder, *inside) if _mask_folder(root) is not None), None)


def _mask_folder(root: Path) -> Path | None:
    return next((root / name for name in MASKS if list_pictures(root / name)), None)


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read a folder of VOC: the pictures of its lists, or all that have a mask where there is no list.

    Raises:
        DataError: no pictures, or see :func:`~edgeseg.datasets.pixels.pixel_set.build_set`.
    """
    root = _find_root(path) or path
    masks = {stem_of(mask): mask for mask in list_pictures(_mask_folder(root) or root)}
    pictures = {stem_of(image): image for name in IMAGES for image in list_pictures(root / name)} or {
        stem_of(image): image for image in list_pictures(root)
    }
    if not pictures:
        raise DataError(
            f"{root} is Pascal VOC with masks and without pictures: none in {' or '.join(IMAGES)}. Where it is an "
            "export, make it again with the pictures (CVAT: Save images)."
        )
    lists = read_split_lists(root, LISTS)
    pairs = _listed(lists, pictures, masks, root) if lists else _all(read_default_list(root), pictures, masks)
    return build_set(root, TITLE, pairs, _classes(root), options, _about_rest(lists, pictures, pairs))


def _listed(
    lists: Mapping[str, tuple[str, ...]], pictures: Mapping[str, Path], masks: Mapping[str, Path], root: Path
) -> list[FilePair]:
    names = [(split, name) for split, listed in lists.items() for name in listed]
    if gone := [name for _, name in names if name not in pictures]:
        raise DataError(
            f"The lists of {root}/ImageSets name {len(gone)} pictures that are not there, first {gone[0]}. Copy them, "
            "or take them out of the lists."
        )
    return [FilePair(name, pictures[name], masks.get(name), split) for split, name in names]


def _all(listed: Sequence[str], pictures: Mapping[str, Path], masks: Mapping[str, Path]) -> list[FilePair]:
    wanted = set(listed) or set(masks)
    return [FilePair(name, image, masks.get(name)) for name, image in pictures.items() if name in wanted]


def _classes(root: Path) -> ClassMap:
    """What files say, else the classes of VOC 2012; what is drawn around objects is void."""
    said = read_class_map([root])
    if said.colors:
        said = replace(said, colors={**said.colors, **({} if VOC_BORDER in said.colors else {VOC_BORDER: "void"})})
    void = BORDER if said.void is None else said.void
    return replace(said, classes=said.classes or VOC_CLASSES, void=void)


def _about_rest(
    lists: Mapping[str, tuple[str, ...]], pictures: Mapping[str, Path], pairs: Sequence[FilePair]
) -> list[str]:
    rest = len(pictures) - len({pair.name for pair in pairs})
    if not rest:
        return []
    return [f"{rest} pictures are {'in no list' if lists else 'without a mask'} and were left out, as VOC means it."]


READER = Reader("voc", TITLE, recognise, read)
