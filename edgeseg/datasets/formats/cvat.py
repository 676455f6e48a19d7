"""CVAT: the XML of "CVAT for images 1.1" and "CVAT for video 1.1", with the pictures in ``images/`` or anywhere below.

Polygons, boxes (turned ones too), ellipses and masks have an area; polylines, points and skeletons have none and are
left out. Objects lie above each other by their ``z_order``, then in the order of the file, as in CVAT. A shape of
a track whose ``outside`` is 1 is not in the picture. The classes are those of the task, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from edgeseg.datasets.formats.draft import ClassTable, Draft, about_missing, list_unlabelled, sum_up
from edgeseg.datasets.formats.labelled_set import LabelledPicture, LabelledSet, Reader, ReadOptions
from edgeseg.datasets.shapes.annotation_file import peek, read_number, read_size, read_xml
from edgeseg.datasets.shapes.objects import Bitmap, Ellipse, check_points
from edgeseg.datasets.shapes.picture_files import PictureFiles, name_inside, split_inside, split_name
from edgeseg.datasets.shapes.run_length import decode_runs
from edgeseg.errors import DataError

_BEGINS = r"^\s*(<\?xml[^>]*>\s*)?<annotations>.{0,2000}?<(version|meta|image|track)\b"
_NO_AREA = {"polyline", "points", "cuboid", "skeleton"}
_FRAME = "frame_{:06d}"
Entry = tuple[str, Draft, str | None]
"""A picture's name, its labels, and its split."""


def find_files(path: Path) -> list[Path]:
    """Find the XML files of a folder and of those directly below it; or the file itself that is named."""
    found = [path] if path.is_file() else sorted([*path.glob("*.xml"), *path.glob("*/*.xml")])[:200]
    return [file for file in found if file.suffix.lower() == ".xml" and peek(file, _BEGINS)]


def recognise(path: Path) -> bool:
    """Tell whether a folder, or a file, holds annotations of CVAT."""
    return bool(find_files(path))


def read(path: Path, options: ReadOptions) -> LabelledSet:
    """Read the pictures and shapes of all XML files.

    Raises:
        DataError: a file that is no XML, no class, or no picture.
    """
    root = path if path.is_dir() else path.parent
    trees = {file: read_xml(file) for file in find_files(path)}
    pictures = PictureFiles(root)
    classes = ClassTable.build((name for tree in trees.values() for name in _find_names(tree)), options, path)
    notes, missing, said = list(classes.notes), list[str](), list[str]()
    made: dict[Path, LabelledPicture] = {}
    for file, tree in trees.items():
        for name, draft, split in (*_read_images(file, tree, classes, said), *_read_frames(file, tree, classes, said)):
            image = _find_image(name, file, split, pictures)
            if image is None:
                missing.append(f"{name} of {file}")
            elif image in made:
                notes.append(f"{file}: {name} is listed twice; the first entry counts.")
            else:
                made[image] = draft.finish(
                    image, split or split_inside(image, root), (file,), name=name_inside(image, root)
                )
    if not made:
        raise DataError(
            f"None of the pictures of {next(iter(trees))} is in {root}. Export with images, or put them into images/."
        )
    notes += about_missing(missing, root)
    others = list_unlabelled(made.values(), pictures)
    return LabelledSet(root, READER.title, classes.names, (*made.values(), *others), notes=(*notes, *sum_up(said)))


def _find_names(tree: ElementTree.Element) -> Iterator[str]:
    """Names of the task's labels, then of those that are used."""
    for label in tree.iterfind("meta//labels/label"):
        kind = label.findtext("type", "any")
        if label.find("parent") is None and kind not in ("tag", *_NO_AREA):
            yield label.findtext("name", "").strip()
    if tree.find("meta//labels/label") is None:
        yield from sorted({shape.get("label", "").strip() for shape in tree.iter() if shape.get("label")})


def _find_image(name: str, file: Path, split: str | None, pictures: PictureFiles) -> Path | None:
    images = pictures.root / "images"
    found = pictures.find(name, (images / (split or ""), images, file.parent / "images", file.parent, pictures.root))
    if found is None and "." not in name:
        same = pictures.by_stem.get(name, [])
        return same[0] if len(same) == 1 else None
    return found


def _read_images(
    file: Path, tree: ElementTree.Element, classes: ClassTable, said: list[str]
) -> Iterator[tuple[str, Draft, str | None]]:
    for image in tree.iterfind("image"):
        name = image.get("name", "")
        draft = Draft(f"{file}, {name}", read_size(image.get("height"), image.get("width")), classes, said)
        for number, shape in enumerate(image, 1):
            _read_shape(f"{shape.tag} {number}", shape, shape.get("label", ""), draft)
        yield name, draft, split_name(image.get("subset", ""))


def _read_frames(
    file: Path, tree: ElementTree.Element, classes: ClassTable, said: list[str]
) -> Iterator[tuple[str, Draft, str | None]]:
    """The frames of a video that tracks name."""
    whole = tree.find("meta//original_size")
    size = None if whole is None else read_size(whole.findtext("height"), whole.findtext("width"))
    drafts: dict[int, Draft] = {}
    for track in tree.iterfind("track"):
        for shape in track:
            frame = read_number(shape.get("frame"))
            if frame is None or not 0 <= frame < 10_000_000:
                raise DataError(f"{file}: track {track.get('id')} has the frame {shape.get('frame')!r}.")
            where = f"{file}, frame {int(frame)}"
            draft = drafts.setdefault(int(frame), Draft(where, size, classes, said))
            if shape.get("outside") != "1":
                _read_shape(f"track {track.get('id')}", shape, track.get("label", ""), draft)
    for frame, draft in sorted(drafts.items()):
        yield _FRAME.format(frame), draft, None


def _read_shape(what: str, shape: ElementTree.Element, name: str, draft: Draft) -> None:
    if shape.tag == "tag":
        return
    what = f"{what} ({name.strip()})"
    if shape.tag in _NO_AREA:
        draft.say(what, "has no area; left out")
        return
    label = draft.label_of(what, name.strip())
    if label is None:
        return
    read = _SHAPES.get(shape.tag)
    if read is None:
        draft.refuse(what, f"is a {shape.tag}, which is not known")
        return
    try:
        read(what, shape, label, draft)
    except DataError as fault:
        draft.refuse(what, str(fault))


def _read_polygon(what: str, shape: ElementTree.Element, label: int, draft: Draft) -> None:
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";") if pair.strip()]
    draft.add_outline(what, label, [[number for pair in pairs for number in pair]], layer=_layer(shape))


def _read_box(what: str, shape: ElementTree.Element, label: int, draft: Draft) -> None:
    left, top, right, bottom = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
    centre = np.array([left + right, top + bottom]) / 2
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    angle = np.deg2rad(read_number(shape.get("rotation")) or 0.0)
    if angle:
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        corners = (corners - centre) @ turn + centre
    draft.add_outline(what, label, [corners], layer=_layer(shape))


def _read_ellipse(what: str, shape: ElementTree.Element, label: int, draft: Draft) -> None:
    x, y, across, down = _numbers(shape, "cx", "cy", "rx", "ry")
    check_points(np.array([[x - across, y - down], [x + across, y + down]]), draft.size)
    if across > 0 and down > 0:
        turned = read_number(shape.get("rotation")) or 0.0
        draft.add(label, Ellipse((x, y), (across, down), turned), _layer(shape))


def _read_mask(what: str, shape: ElementTree.Element, label: int, draft: Draft) -> None:
    left, top, width, height = (int(value) for value in _numbers(shape, "left", "top", "width", "height"))
    words = shape.get("rle", "").split(",")
    if min(width, height) < 1 or not all(word.strip().isdecimal() and len(word) < 10 for word in words):
        raise DataError("has run lengths that are no list of whole numbers")
    counts = np.array([int(word) for word in words], np.int64)
    draft.add(label, Bitmap(top, left, decode_runs(counts, height, width)), _layer(shape))


_SHAPES: dict[str, Callable[[str, ElementTree.Element, int, Draft], None]] = {
    "polygon": _read_polygon,
    "box": _read_box,
    "ellipse": _read_ellipse,
    "mask": _read_mask,
}


def _layer(shape: ElementTree.Element) -> int:
    return int(read_number(shape.get("z_order")) or 0)


def _numbers(shape: ElementTree.Element, *names: str) -> list[float]:
    found = {name: read_number(shape.get(name)) for name in names}
    if missing := [name for name, value in found.items() if value is None]:
        raise DataError(f"has no number for {missing[0]}: {shape.get(missing[0])!r}")
    return [value for value in found.values() if value is not None]


READER = Reader("cvat", "CVAT", recognise, read)
