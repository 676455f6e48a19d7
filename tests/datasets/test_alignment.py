"""Masks that do not lie on their pictures are named by file, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_sets import write_picture

import edgeseg
from edgeseg.datasets.check import DatasetReport
from edgeseg.datasets.findings import Finding
from edgeseg.demo.cells import render_scene
from edgeseg.image import UInt8, read_mask

HEIGHT, WIDTH, COUNT = 144, 192, 8
SPOILED = {
    "mirrored left to right": lambda mask: mask[:, ::-1],
    "turned upside down": lambda mask: mask[::-1],
    "turned by 180 degrees": lambda mask: mask[::-1, ::-1],
    "moved 12 pixels left": lambda mask: np.roll(mask, 12, 1),
    "moved 9 pixels down": lambda mask: np.roll(mask, -9, 0),
}


@pytest.fixture(scope="module")
def scenes() -> list[tuple[UInt8, UInt8]]:
    return [render_scene(seed, 0, HEIGHT, WIDTH) for seed in range(COUNT)]


@pytest.fixture
def cells(tmp_path: Path, scenes: list[tuple[UInt8, UInt8]]) -> Path:
    for number, (image, mask) in enumerate(scenes):
        write_picture(tmp_path / f"images/train/{number}.png", image)
        write_picture(tmp_path / f"masks/train/{number}.png", mask)
    (tmp_path / "classes.txt").write_text("background\ncell\nborder\n", encoding="utf-8")
    return tmp_path


def told(report: DatasetReport, kind: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.kind == kind]


def names(finding: Finding) -> set[str]:
    return {Path(file).stem for file in finding.files}


def test_masks_that_lie_well_are_not_named(cells: Path) -> None:
    report = edgeseg.check_dataset(cells)
    assert not told(report, "place")
    assert not told(report, "exchanged")


@pytest.mark.parametrize("how", SPOILED)
def test_a_mask_that_lies_otherwise_is_named_with_its_way_back(cells: Path, how: str) -> None:
    spoil: Callable[[UInt8], UInt8] = SPOILED[how]
    place = cells / "masks/train/3.png"
    write_picture(place, np.ascontiguousarray(spoil(read_mask(place))))
    (finding,) = told(edgeseg.check_dataset(cells), "place")
    assert names(finding) == {"3"}
    assert f"train/3.png ({how})" in finding.sentence
    assert not finding.serious


def test_a_square_mask_may_be_turned_by_a_right_angle(tmp_path: Path) -> None:
    for seed in range(4):
        image, mask = render_scene(seed, 0, WIDTH, WIDTH)
        write_picture(tmp_path / f"images/train/{seed}.png", image)
        turned = np.ascontiguousarray(np.rot90(mask, -1)) if seed == 2 else mask
        write_picture(tmp_path / f"masks/train/{seed}.png", turned)
    (tmp_path / "classes.txt").write_text("background\ncell\nborder\n", encoding="utf-8")
    (finding,) = told(edgeseg.check_dataset(tmp_path), "place")
    assert "train/2.png (turned by 90 degrees)" in finding.sentence
    assert "EXIF" in finding.sentence


def test_exchanged_masks_are_named_with_their_pictures(cells: Path) -> None:
    one, two = (cells / f"masks/train/{number}.png" for number in (1, 5))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    report = edgeseg.check_dataset(cells)
    (finding,) = told(report, "exchanged")
    assert names(finding) == {"1", "5"}
    assert "train/1.png (that of train/5.png)" in finding.sentence
    assert not told(report, "place")


def test_masks_whose_names_are_off_by_one_are_named(cells: Path) -> None:
    masks = [(cells / f"masks/train/{number}.png").read_bytes() for number in range(COUNT)]
    for number in range(COUNT):
        (cells / f"masks/train/{number}.png").write_bytes(masks[(number + 1) % COUNT])
    (finding,) = told(edgeseg.check_dataset(cells), "exchanged")
    assert len(names(finding)) >= COUNT - 1


def test_a_mask_without_borders_says_nothing(cells: Path) -> None:
    for number in range(COUNT):
        dots = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.circle(dots, (20 + 10 * number, 40), 3, 1, -1)
        write_picture(cells / f"masks/train/{number}.png", dots)
    report = edgeseg.check_dataset(cells)
    assert not told(report, "place")
    assert not told(report, "exchanged")


@pytest.mark.long
@pytest.mark.parametrize("name", ["camvid", "person_voc", "chase_db1", "isbi_em"])
def test_nothing_is_found_in_labels_that_people_drew_well(data_dir: Path, name: str) -> None:
    values = "11=ignore" if name == "camvid" else None
    report = edgeseg.check_dataset(data_dir / name, mask_values=values)
    assert not told(report, "place")
    assert not told(report, "exchanged")
