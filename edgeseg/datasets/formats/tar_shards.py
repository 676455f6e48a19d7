"""Shards in the WebDataset format: tar files whose members of one name are a sample, a picture and its mask.

Of a member's name the part before the first dot of its last part is the sample's, the rest says what it is
(https://github.com/webdataset/webdataset)::

    000017.jpg   000017.mask.png (seg.png, label.png, ...; or .png beside a .jpg)   000017.json

Classes are named by ``shards.json`` as :mod:`edgeseg.datasets.shards` writes it, by ``classes.txt`` or by
``id2label.json``. Pictures stay in memory while a set is read.
"""

from __future__ import annotations

import itertools
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet, Reader, ReadOptions, check_classes
from edgeseg.datasets.formats.stored_picture import StoredMask, check_bytes, find_names
from edgeseg.datasets.shapes.annotation_file import read_json_object
from edgeseg.datasets.shapes.picture_files import split_name
from edgeseg.errors import DataError
from edgeseg.files.image_bytes import MAX_IMAGE_BYTES
from edgeseg.masks.mask_values import MaskValues

INDEX = "shards.json"
LOOKED_AT = 12
"""Members of the first shard that tell whether it is one."""
_PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff")
_LOSSY = ("jpg", "jpeg", "webp")
_MASKS = ("mask", "seg", "label", "labels", "segmentation", "annotation", "gt", "target", "segmask", "semseg")
_IMAGES = ("image", "img", "input", "rgb", "photo")


@dataclass(frozen=True)
class _Member:
    key: str
    ending: str
    entry: tarfile.TarInfo


def find_shards(path: Path) -> list[Path]:
    """Find the tar files of a folder and of those below it, or the one that is named."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".tar" else []
    return sorted({*path.glob("*.tar"), *path.glob("*/*.tar")})


def recognise(path: Path) -> bool:
    """Tell whether the first tar file holds a picture and something else of its name."""
    try:
        shard = next(iter(find_shards(path)), None)
        if shard is None:
            return False
        with tarfile.open(shard, "r:") as tar:
            endings: dict[str, set[str]] = {}
            for member in itertools.islice(_members(tar), LOOKED_AT):
                endings.setdefault(member.key, set()).add(member.ending)
    except (OSError, tarfile.TarError):
        return False
    return any(len(own) > 1 and any(_kind_of(ending) == "image" for ending in own) for own in endings.values())


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read the samples of all shards.

    Raises:
        DataError: no masks, no class names, a damaged shard, fewer samples than ``shards.json`` counts, or more than
            8 GB.
    """
    shards = find_shards(path)
    root = path if path.is_dir() else path.parent
    check_bytes(path, shards)
    index = read_json_object(root / INDEX) if (root / INDEX).is_file() else {}
    listed = index.get("classes")
    named = tuple(map(str, listed)) if isinstance(listed, list) else None
    classes = check_classes(options.classes or named or find_names(root), root)
    values = MaskValues.read(options.mask_values or {}, classes)
    pictures = tuple(picture for shard in shards for picture in _read_shard(shard, bool(index), values))
    if path.is_dir():
        _check_count(root, index, pictures)
    if pictures and not any(picture.render for picture in pictures):
        raise DataError(
            f"{path} holds shards of pictures without masks. A mask is a PNG of its picture's name, such as "
            "000017.mask.png or 000017.seg.png beside 000017.jpg; a class a picture (.cls) trains no segmentation."
        )
    return LabelledSet(root, READER.title, classes, pictures)


def _check_count(root: Path, index: Mapping[str, Any], pictures: tuple[LabelledPicture, ...]) -> None:
    counted = index.get("pictures")
    found = Counter(picture.split for picture in pictures)
    for split, count in counted.items() if isinstance(counted, Mapping) else ():
        if found[split] != count:
            raise DataError(
                f"{root / INDEX} counts {count} pictures in {split}, and its shards hold {found[split]}. Copy "
                "them again."
            )


def _read_shard(shard: Path, ours: bool, values: MaskValues) -> Iterator[LabelledPicture]:
    split = split_name(shard.stem.partition("-")[0]) or split_name(shard.parent.name)
    samples: dict[str, dict[str, bytes]] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in _members(tar):
                if member.entry.size > MAX_IMAGE_BYTES:
                    raise DataError(f"{shard}: {member.entry.name} is larger than {MAX_IMAGE_BYTES >> 30} GB.")
                content = tar.extractfile(member.entry)
                if content is not None:
                    samples.setdefault(member.key, {})[member.ending] = content.read()
    except (OSError, tarfile.TarError) as fault:
        raise DataError(f"{shard} cannot be read as a tar file: {fault}. Copy it again from its source.") from None
    for key, parts in samples.items():
        picture = _picture_of(shard, key, parts, split, values, ours)
        if picture is not None:
            yield picture


def _members(tar: tarfile.TarFile) -> Iterator[_Member]:
    for entry in tar:
        place = PurePosixPath(entry.name)
        stem, dot, ending = place.name.partition(".")
        if entry.isfile() and dot and stem:
            yield _Member(str(place.with_name(stem)).removeprefix("./"), ending.lower(), entry)


def _kind_of(ending: str) -> str:
    """What a member is: image, mask, or another thing.

    >>> _kind_of("jpg"), _kind_of("seg.png"), _kind_of("image.png"), _kind_of("cls")
    ('image', 'mask', 'image', '')
    """
    words = ending.split(".")
    if words[-1] not in _PICTURES:
        return ""
    if any(word in _MASKS for word in words[:-1]):
        return "mask"
    return "image" if len(words) == 1 or words[0] in _IMAGES else ""


def _picture_of(
    shard: Path, key: str, parts: Mapping[str, bytes], split: str | None, values: MaskValues, ours: bool
) -> LabelledPicture | None:
    """One sample; None where it has no picture."""
    where = f"{shard}, {key}"
    images = [ending for ending in parts if _kind_of(ending) == "image"]
    masks = [ending for ending in parts if _kind_of(ending) == "mask"]
    lossy = [ending for ending in images if ending.split(".")[-1] in _LOSSY]
    if not masks and len(images) == 2 and len(lossy) == 1:
        masks = [ending for ending in images if ending not in lossy]
        images = lossy
    if not images:
        return None
    told = _told(parts.get("json", b"")) if ours else {}
    wrong: tuple[str, ...] = ()
    if len(images) > 1 or len(masks) > 1:
        wrong = (f"{where} has {len(images)} pictures and {len(masks)} masks: {', '.join(parts)}.",)
    render = StoredMask(parts[masks[0]], f"{where}.{masks[0]}", values) if masks else None
    group = told.get("group")
    return LabelledPicture(
        str(told.get("name") or key),
        parts[images[0]],
        str(told.get("split") or split) if told.get("split") or split else None,
        render,
        (Path(f"{where}.{masks[0]}"),) if masks else (),
        str(group) if group is not None else None,
        wrong,
    )


def _told(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data) if data else {}
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


READER = Reader("shards", "WebDataset shards", recognise, read)
