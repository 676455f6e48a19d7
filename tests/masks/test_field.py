"""Masks as people have them: read as index PNGs of the same pictures are, or refused with the cause and a way on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.dataset import Dataset
from edgeseg.errors import DataError
from edgeseg.image import UInt8, read_image, read_mask
from edgeseg.runtime.measure.evaluate import evaluate

RGB = "#000000=other,#4682b4=sky,#804080=road"
READ = (
    ("palette", None),
    ("onebit", None),
    ("uint16", None),
    ("gray_alpha", None),
    ("names", None),
    ("../18-bom", None),
    ("voc", None),
    ("carvana_gif", None),
    ("cityscapes", None),
    ("binary255", "255=road"),
    ("mixed255", "255=road"),
    ("gray_in_rgb", "255=road"),
    ("flat", {255: 1}),
    ("gray3", "127=sky,254=road"),
    ("rgb", RGB),
)
REFUSED = (
    ("binary255", r"None of the 4 masks .* 0016E5_07959\.png.*`mask_values='255=road'`"),
    ("mixed255", r"6 of the 8 masks .* first 0016E5_07967\.png, 0016E5_07975\.png.*`mask_values='255=road'`"),
    ("gray_in_rgb", r"`mask_values='255=road'`"),
    ("flat", r"None of the 12 masks .*`mask_values='255=road'`"),
    ("gray3", r"4 of the 4 masks .* the values 127, 254.*`mask_values='127=sky,254=road'`"),
    ("rgb", r"0016E5_07959\.png is a colour picture: #000000 .*#804080 .*`mask_values='#000000=CLASS'`"),
    ("jpegmask", r"first 0016E5_07959\.jpg.*A JPEG changes the values.*as PNG"),
    ("exif", r"0016E5_07959\.png is 240x320 .*EXIF.*turn the mask"),
)
"""Folder, and what its validation masks are refused with."""


@pytest.fixture(scope="module")
def field(data_dir: Path) -> Path:
    if not (data_dir / "field" / "13-masks").is_dir():
        pytest.skip(f"no field/13-masks in {data_dir}")
    return data_dir / "field"


def by_brightness(classes: int) -> Callable[[UInt8], UInt8]:
    """A segmenter that numpy can repeat: bright is sky, the dark lower half is road."""

    def predict(image: UInt8) -> UInt8:
        grey = image.mean(-1)
        labels = np.where(grey > 180, 1, 0) if classes == 3 else np.zeros(grey.shape, int)
        half = len(grey) // 2
        labels[half:][grey[half:] < 110] = classes - 1
        return labels.astype(np.uint8)

    return predict


@cache
def _by_content(root: Path) -> dict[bytes, Path]:
    return {read_image(path).tobytes(): path for path in sorted(root.glob("images/*/*"))}


def expected_iou(field: Path, images: list[Path], classes: int) -> float:
    """Score the same pictures by plain numpy, against the index masks that ``three`` has of them."""
    truths = _by_content(field / "three")
    hits, union = np.zeros(classes), np.zeros(classes)
    for path in images:
        image = read_image(path)
        source = truths[image.tobytes()]
        truth = read_mask(field / "three" / "masks" / source.parent.name / f"{source.stem}.png")
        truth = truth if classes == 3 else (truth == 2).astype(np.uint8)
        labels = by_brightness(classes)(image)
        for label in range(classes):
            hits[label] += np.count_nonzero((labels == label) & (truth == label))
            union[label] += np.count_nonzero((labels == label) | (truth == label))
    return float((hits / union).mean())


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(("name", "values"), READ, ids=[name for name, _ in READ])
@pytest.mark.filterwarnings("ignore:.*255 is 'road':edgeseg.errors.DataWarning")
def test_read_as_index_masks_of_the_same_pictures(field: Path, name: str, values: object, split: str) -> None:
    data = Dataset.open(field / "13-masks" / name, mask_values=values)  # type: ignore[arg-type]
    classes = len(data.classes)
    found = evaluate(by_brightness(classes), data, split)
    images = [pair.image for pair in data.pairs(split)]
    assert found.images == len(images)
    assert found.confusion.mean_iou == pytest.approx(expected_iou(field, images, classes), abs=1e-12)


@pytest.mark.parametrize(("name", "cause"), REFUSED, ids=[name for name, _ in REFUSED])
def test_refused_by_file_with_the_cause_and_a_way_on(field: Path, name: str, cause: str) -> None:
    with pytest.raises(DataError) as caught:
        evaluate(by_brightness(2), Dataset.open(field / "13-masks" / name), "val")
    assert re.search(cause, str(caught.value)), caught.value


def test_colours_may_stand_in_the_yaml(field: Path, tmp_path: Path) -> None:
    root = shutil.copytree(field / "13-masks" / "rgb", tmp_path / "rgb")
    meanings = '{"#000000": other, "#4682b4": sky, [128, 64, 128]: road}'
    (root / "data.yaml").write_text(
        f"train: images/train\nval: images/val\nnames: [other, sky, road]\nmask_values: {meanings}\n", encoding="utf-8"
    )
    data = Dataset.open(root)
    again = Dataset.open(field / "13-masks" / "palette")
    for one, other in zip(data.pairs("val"), again.pairs("val"), strict=True):
        assert np.array_equal(data.read(one)[1], again.read(other)[1])


def test_spec_and_classes_with_a_byte_order_mark(field: Path) -> None:
    from edgeseg.export.specs.foreign_spec import SpecFlags, class_names
    from edgeseg.export.specs.spec_file import merge_flags

    flags = merge_flags(SpecFlags(), field / "18-bom" / "spec.json")
    assert (flags.classes, flags.color_order) == (("background", "road"), "rgb")
    assert class_names(str(field / "18-bom" / "classes.txt")) == ("background", "road")


DRAWN: dict[str, tuple[tuple[int, int, int], str]] = {
    "inverted": ((255, 255, 0), "255=0,0=1"),
    "counted from one": ((1, 2, 3), "1=0,2=1,3=2"),
    "grey steps": ((0, 128, 255), "128=sky,255=road"),
    "road is ignored": ((0, 1, 255), "255=road"),
    "sixteen bits": ((0, 32768, 65535), "32768=sky,65535=road"),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_drawn_in_other_ways(field: Path, tmp_path: Path, kind: str) -> None:
    """Made of ``three``: refused as they are, and read when it is said what they mean."""
    values, meaning = DRAWN[kind]
    names = ("other", "road") if kind == "inverted" else ("other", "sky", "road")
    root = tmp_path / "set"
    for folder in ("images/val", "masks/val"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    images = sorted((field / "three/images/val").iterdir())[:6]
    for image in images:
        shutil.copy(image, root / "images/val")
        truth = read_mask(field / f"three/masks/val/{image.stem}.png")
        table = np.array(values, np.uint16 if max(values) > 255 else np.uint8)
        cv2.imwrite(str(root / f"masks/val/{image.stem}.png"), table[truth])
    with pytest.raises(DataError, match="mask_values"):
        evaluate(by_brightness(len(names)), Dataset.open(root), "val")
    found = evaluate(by_brightness(len(names)), Dataset.open(root, mask_values=meaning), "val")
    assert found.confusion.mean_iou == pytest.approx(expected_iou(field, images, len(names)), abs=1e-12)
