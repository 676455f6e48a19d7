"""What other programs write of index masks is read as these masks: supervision and Datumaro, in their own environments.

Both read and write such formats. edgeseg does not use them to read: they make instances and leave to others what covers
what, supervision drops what it cannot read, and Datumaro 1.13 asks for ``opencv-python-headless<5``, which takes the
place of the OpenCV of edgeseg.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from installed_fixtures import PIP, make_environment
from shared_folder import FillOnce

from edgeseg.datasets.table import read_set

pytestmark = pytest.mark.long
CLASSES = ("sky", "road")
SUPERVISION, DATUMARO = "supervision==0.31.2", "datumaro==1.13.12"

COMMON = """
import sys
from pathlib import Path
import cv2
import numpy as np

folder, out, *classes = sys.argv[1:]
out = Path(out)
pictures = sorted(Path(folder, "images").iterdir())


def parts(picture):
    mask = cv2.imread(str(Path(folder, "masks", f"{picture.stem}.png")), cv2.IMREAD_UNCHANGED)
    for label in range(1, len(classes) + 1):
        count, numbers = cv2.connectedComponents((mask == label).astype(np.uint8))
        yield from ((numbers == number, label - 1) for number in range(1, count))


"""
WITH_SUPERVISION = (
    COMMON
    + """
import supervision

found = {}
for picture in pictures:
    masks, labels = zip(*parts(picture))
    masks = np.array(masks)
    boxes = supervision.mask_to_xyxy(masks)
    found[str(picture)] = supervision.Detections(xyxy=boxes, mask=masks, class_id=np.array(labels))
made = supervision.DetectionDataset(classes=classes, images=list(map(str, pictures)), annotations=found)
made.as_coco(str(out / "coco" / "images"), str(out / "coco" / "annotations" / "instances_train.json"))
made.as_yolo(
    str(out / "yolo" / "images" / "train"), str(out / "yolo" / "labels" / "train"), str(out / "yolo" / "data.yaml")
)
made.as_labelme(str(out / "labelme"), str(out / "labelme"))
"""
)
WITH_DATUMARO = (
    COMMON
    + """
import datumaro

items = []
for picture in pictures:
    found = [
        datumaro.Mask(image=mask.astype(np.uint8), label=label, id=number, group=number)
        for number, (mask, label) in enumerate(parts(picture), 1)
    ]
    media = datumaro.Image.from_file(path=str(picture))
    items.append(datumaro.DatasetItem(id=picture.stem, subset="train", media=media, annotations=found))
made = datumaro.Dataset.from_iterable(items, categories=classes)
for name in ("coco_instances", "cvat"):
    made.export(str(out / name), name, save_media=True)
"""
)


def scene(seed: int, height: int = 120, width: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its labels: a sky with a ragged rim, a road, and stones in it."""
    random = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    rim = (30 + 12 * np.sin(np.arange(width) / random.uniform(6, 20)) + random.integers(0, 3, width)).astype(int)
    mask[np.arange(height)[:, None] < rim] = 1
    corners = np.array([[0, height - 1], [width * 0.4, 60], [width * 0.6, 60], [width - 1, height - 1]], np.int32)
    cv2.fillPoly(mask, [corners], 2)
    for x, y, radius in random.integers((20, 70, 3), (140, 115, 9), (4, 3)):
        cv2.circle(mask, (int(x), int(y)), int(radius), int(random.integers(0, 3)), -1)
    return np.dstack([mask * 80] * 3), mask


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures and their index masks."""
    folder = tmp_path_factory.mktemp("drawn")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for seed in range(6):
        image, mask = scene(seed)
        cv2.imwrite(str(folder / "images" / f"{seed}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"{seed}.png"), mask)
    return folder


@pytest.fixture(scope="module")
def write_with(
    drawn: Path, fill_once: FillOnce, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Path]:
    """Write the pictures with a program of an environment of its own."""

    def write(package: str, code: str) -> Path:
        def fill(folder: Path) -> None:
            python = make_environment(folder / "venv") / "bin" / "python"
            wanted = [package] if package == DATUMARO else [package, "opencv-python"]
            command = [*PIP, "--python", python, "install", "--quiet", *wanted]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            (folder / "said").write_text("" if done.returncode == 0 else (done.stderr.strip() or "pip failed"))

        folder = fill_once(package.partition("=")[0], fill)
        if said := (folder / "said").read_text():
            pytest.skip(f"pip cannot install {package} here: {said.splitlines()[-1]}")
        out = tmp_path_factory.mktemp("written")
        command = [str(folder / "venv" / "bin" / "python"), "-c", code, str(drawn), str(out), *CLASSES]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
        assert done.returncode == 0, done.stderr
        return out

    return write


def score(path: Path, drawn: Path) -> tuple[float, float]:
    """The IoU of the worst class against the index masks, and the share of pixels that are void."""
    found = read_set(path)
    order = np.zeros(256, np.uint8)
    for label, name in enumerate(found.classes[1:], 1):
        order[label] = CLASSES.index(name) + 1
    total, void, count = np.zeros((3, 3), np.int64), 0, 0
    assert len(found.pictures) == 6
    for picture in found.pictures:
        assert picture.render is not None
        mask = picture.render()
        truth = cv2.imread(str(drawn / "masks" / f"{picture.name}.png"), cv2.IMREAD_UNCHANGED)
        known = mask != 255
        np.add.at(total, (truth[known], order[mask[known]]), 1)
        void, count = void + int((~known).sum()), count + mask.size
    same = np.diag(total)
    return float(np.min(same / (total.sum(0) + total.sum(1) - same))), void / count


@pytest.mark.parametrize("name", ["coco", "yolo", "labelme"])
def test_what_supervision_traced_is_read_as_the_masks(
    name: str, drawn: Path, write_with: Callable[[str, str], Path]
) -> None:
    """It drops points within a twentieth of a percent of an outline, and holes."""
    iou, void = score(write_with(SUPERVISION, WITH_SUPERVISION) / name, drawn)
    assert iou > 0.999
    assert void < 0.002


@pytest.mark.parametrize("name", ["coco_instances", "cvat"])
def test_masks_that_datumaro_wrote_are_read_to_the_pixel(
    name: str, drawn: Path, write_with: Callable[[str, str], Path]
) -> None:
    assert score(write_with(DATUMARO, WITH_DATUMARO) / name, drawn) == (1.0, 0.0)
