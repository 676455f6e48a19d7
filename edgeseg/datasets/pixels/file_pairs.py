"""Which picture file has which mask file: by folders that say what they hold, and by what names have in common."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeseg.datasets.formats.picture_file import is_picture
from edgeseg.datasets.pixels.pixel_set import FilePair
from edgeseg.datasets.pixels.split_lists import SPLIT_OF
from edgeseg.masks.class_folders import stem_of

MOST_DEPTH = 6
LEAST_SHARE = 0.5
"""Share of the masks of a folder that must have a picture, for the two to belong together."""

_MASK_WORDS = (
    "masks", "mask", "labels", "label", "lbl", "annotations", "annotation", "annots", "annot", "anno", "ann", "gt",
    "groundtruth", "groundtruths", "truth", "segmentation", "segmentations", "segmentationclass", "segmaps", "segmap",
    "segs", "seg", "targets", "target", "matte", "mattes", "manual", "y", "l", "p", "m",
)  # fmt: skip
_IMAGE_WORDS = (
    "images", "image", "imgs", "img", "im", "pictures", "photos", "photo", "frames", "jpegimages", "jpgs", "pngs",
    "rgb", "rgbs", "inputs", "input", "original", "originals", "raw", "data", "sat", "x",
)  # fmt: skip
_FILE_MASK = (
    r"(?:masks?|labels?|lbl|annot(?:ation)?s?|anno|gt|ground_?truth|seg(?:mentation|m|map)?|manual\d?|matte"
    r"|\dst_?ho|\dnd_?ho)"
)
_FILE_IMAGE = r"(?:images?|img|im|sat|rgb|photo|training|test)"
_MASK_END = re.compile(rf"(?:[_\-. ]{_FILE_MASK})+$", re.IGNORECASE)
_MASK_START = re.compile(rf"^{_FILE_MASK}[_\-. ]+", re.IGNORECASE)
_IMAGE_END = re.compile(rf"[_\-. ]{_FILE_IMAGE}$", re.IGNORECASE)
_IMAGE_START = re.compile(rf"^{_FILE_IMAGE}[_\-. ]+", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
        pairs: pictures and their masks; pictures without one, where others of their folder have one.
        spare: masks without a picture.
    """

    pairs: tuple[FilePair, ...]
    spare: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Folder:
    """A folder of pictures: its split, what it holds by its name, and what is left of its name."""

    path: Path
    split: str | None
    holds_masks: bool
    rest: tuple[str, ...]
    files: tuple[Path, ...]


def find_pairs(root: Path) -> Found:
    """Pair the pictures below a folder with their masks; no pairs where there are none."""
    folders = [_describe(root, path, files) for path, files in _walk(root)]
    masks = [folder for folder in folders if folder.holds_masks]
    pictures = [folder for folder in folders if not folder.holds_masks]
    pairs: list[FilePair] = []
    spare: list[Path] = []
    for folder in pictures:
        drawn = [file for other in _mask_folders(folder, masks) for file in other.files]
        found = _pair(root, folder, drawn, spare) if drawn else _pair_in_one(root, folder, spare)
        pairs += found
    return Found(tuple(pairs), tuple(spare))


def _walk(root: Path) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    for folder, folders, files in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < MOST_DEPTH else []
        pictures = tuple(Path(folder, name) for name in sorted(files) if is_picture(Path(name)))
        if pictures:
            yield Path(folder), pictures


def _describe(root: Path, path: Path, files: tuple[Path, ...]) -> _Folder:
    split, holds_masks, rest = None, False, []
    for part in path.relative_to(root).parts:
        words = [word for word in re.split(r"[_\-. ]+", _cut(part.lower())) if word]
        kinds = [_kind_of(word) for word in words]
        if "mask" in kinds and None not in kinds:
            holds_masks = True
        split = next((SPLIT_OF[word] for word in words if word in SPLIT_OF), split)
        if None in kinds:
            rest.append(part.lower())
    return _Folder(path, split, holds_masks, tuple(rest), files)


def _cut(name: str) -> str:
    """``trainannot`` as SegNet's CamVid has it, and ``1st_manual`` as DRIVE has it."""
    name = re.sub(r"^(train|val|test)(annot|masks?|labels?|images?)$", r"\1_\2", name)
    return re.sub(r"^\d(?:st|nd)_manual$", "manual", name)


def _kind_of(word: str) -> str | None:
    if word in SPLIT_OF:
        return "split"
    if word in _MASK_WORDS:
        return "mask"
    return "image" if word in _IMAGE_WORDS or word in ("png", "jpg", "all", "hq") else None


def _mask_folders(folder: _Folder, masks: Sequence[_Folder]) -> list[_Folder]:
    """The folders of masks for a folder of pictures: of its split and rest, else of its rest alone."""
    own = [mask for mask in masks if mask.rest == folder.rest and mask.split == folder.split]
    common = [mask for mask in masks if mask.rest == folder.rest and mask.split is None]
    return own[:1] or common[:1]


def _pair(root: Path, folder: _Folder, masks: Sequence[Path], spare: list[Path]) -> list[FilePair]:
    """Pair by the rule that fits most of the masks."""
    rules = list(_rules(folder.files, masks))
    best = max(rules, key=lambda rule: _matches(folder.files, masks, rule))
    if _matches(folder.files, masks, best) < LEAST_SHARE * min(len(masks), len(folder.files)):
        return []
    of_image, of_mask = best
    by_key: dict[str, Path] = {}
    for mask in masks:
        by_key.setdefault(of_mask(stem_of(mask)), mask)
    keys = {of_image(stem_of(image)) for image in folder.files}
    spare += [mask for key, mask in by_key.items() if key not in keys and mask not in spare]
    return [_make_pair(root, folder, image, by_key.get(of_image(stem_of(image)))) for image in folder.files]


Rule = tuple[Callable[[str], str], Callable[[str], str]]


def _rules(images: Sequence[Path], masks: Sequence[Path]) -> Iterator[Rule]:
    """Ways in which names may belong together: the same, one end more, one beginning more, known words."""
    yield str, str
    stems = {stem_of(image) for image in images}
    yield str, _without(_most_common(_leftover(stem_of(mask), stems, at_end=True) for mask in masks), at_end=True)
    yield str, _without(_most_common(_leftover(stem_of(mask), stems, at_end=False) for mask in masks), at_end=False)
    yield bare_image, bare_mask


def _matches(images: Sequence[Path], masks: Sequence[Path], rule: Rule) -> int:
    of_image, of_mask = rule
    return len({of_image(stem_of(image)) for image in images} & {of_mask(stem_of(mask)) for mask in masks})


def _leftover(stem: str, stems: set[str], at_end: bool) -> str:
    cuts = range(len(stem) - 1, 0, -1) if at_end else range(1, len(stem))
    for cut in cuts:
        if (stem[:cut] if at_end else stem[cut:]) in stems:
            return stem[cut:] if at_end else stem[:cut]
    return ""


def _most_common(words: Iterable[str]) -> str:
    counts = Counter(word for word in words if word)
    return counts.most_common(1)[0][0] if counts else ""


def _without(word: str, at_end: bool) -> Callable[[str], str]:
    return lambda stem: stem.removesuffix(word) if at_end else stem.removeprefix(word)


def bare_mask(stem: str) -> str:
    """Return the name of a mask without the words that say it is one.

    >>> bare_mask("road_0001_mask"), bare_mask("gt_0001"), bare_mask("Image_01L_1stHO")
    ('road_0001', '0001', 'Image_01L')
    """
    return _MASK_START.sub("", _MASK_END.sub("", stem)) or stem


def bare_image(stem: str) -> str:
    """Return the name of a picture without the words that say it is one.

    >>> bare_image("104_sat"), bare_image("img-7")
    ('104', '7')
    """
    return _IMAGE_START.sub("", _IMAGE_END.sub("", stem)) or stem


def _pair_in_one(root: Path, folder: _Folder, spare: list[Path]) -> list[FilePair]:
    """Pictures and masks side by side: a mask's name says that it is one, and has a picture's in it."""
    masks = [file for file in folder.files if bare_mask(stem_of(file)) != stem_of(file)]
    images = [file for file in folder.files if file not in set(masks)]
    drawn: Mapping[str, Path] = {}
    for of_image in (str, bare_image):
        keys = {of_image(stem_of(image)) for image in images}
        drawn = {key: mask for mask in reversed(masks) if (key := bare_mask(stem_of(mask))) in keys}
        if drawn and len(drawn) >= LEAST_SHARE * min(len(masks), len(images)):
            spare += [mask for mask in masks if bare_mask(stem_of(mask)) not in keys]
            return [_make_pair(root, folder, image, drawn.get(of_image(stem_of(image)))) for image in images]
    return []


def _make_pair(root: Path, folder: _Folder, image: Path, mask: Path | None) -> FilePair:
    name = image.relative_to(root).with_suffix("").as_posix()
    return FilePair(name, image, mask, folder.split, "/".join(folder.rest) or None)
