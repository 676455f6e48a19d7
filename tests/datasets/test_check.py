"""What ``edgeseg dataset check`` counts, finds and draws."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_sets import CLASSES, HEIGHT, WIDTH, draw_image, draw_labels, write_pairs, write_picture

import edgeseg
from edgeseg.cli import main
from edgeseg.datasets.check import DatasetReport
from edgeseg.datasets.near_duplicates import find_near, hash_picture
from edgeseg.image import read_image


@pytest.fixture
def good(tmp_path: Path) -> Path:
    root = write_pairs(tmp_path / "set", "images/train/{}.png", "masks/train/{}.png")
    write_pairs(root, "images/val/{}.png", "masks/val/{}.png", count=3, first=6)
    (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    return root


def kinds(report: DatasetReport, serious: bool = True) -> set[str]:
    return {finding.kind for finding in report.findings if finding.serious is serious}


def test_counts_and_shares_are_those_of_the_masks(good: Path) -> None:
    report = edgeseg.check_dataset(good)
    assert report.passed
    assert (report.pictures, report.sizes) == ({"train": 6, "val": 3}, {(HEIGHT, WIDTH): 9})
    for split, numbers in (("train", range(6)), ("val", range(6, 9))):
        labels = np.stack([draw_labels(number) for number in numbers])
        expected = [float((labels == label).mean()) for label in range(3)]
        assert report.shares[split] == pytest.approx(expected)
        assert report.shown_in[split] == (len(numbers),) * 3


def test_the_same_picture_in_two_splits_is_a_leak(good: Path) -> None:
    """Whatever it is called and however it is packed: its pixels are."""
    write_picture(good / "images/val/other.bmp", draw_image(2))
    write_picture(good / "masks/val/other.png", draw_labels(2))
    report = edgeseg.check_dataset(good)
    assert not report.passed
    (leak,) = [finding for finding in report.findings if finding.kind == "leak"]
    assert {Path(name).name for name in leak.files} == {"2.png", "other.bmp"}


def test_so_is_one_that_shows_nearly_the_same(good: Path) -> None:
    near = cv2.convertScaleAbs(draw_image(2), alpha=0.9, beta=9)
    write_picture(good / "images/val/near.jpg", np.asarray(near, np.uint8))
    write_picture(good / "masks/val/near.png", draw_labels(2))
    report = edgeseg.check_dataset(good)
    assert kinds(report) == {"near_leak"}


def test_pictures_without_masks_and_wrong_masks_are_named(good: Path) -> None:
    write_picture(good / "images/train/bare.png", draw_image(70))
    write_picture(good / "masks/train/4.png", draw_labels(4)[:-2])
    report = edgeseg.check_dataset(good)
    assert kinds(report) == {"missing", "wrong"}
    assert [Path(f.files[0]).name for f in report.findings if f.serious] == ["4.png", "bare.png"]
    assert kinds(edgeseg.check_dataset(good, missing="background")) == {"wrong"}


def test_masks_that_judge_nothing_are_what_a_training_would_refuse(tmp_path: Path) -> None:
    def bad(labels: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.where(labels == 2, 255, 0).astype(np.uint8)

    root = write_pairs(tmp_path, "images/train/{}.png", "masks/train/{}.png", encode=bad)
    write_pairs(root, "images/train/{}.png", "masks/train/{}.png", count=1, first=9)
    (root / "classes.txt").write_text("background\nbox\n", encoding="utf-8")
    assert "wrong" in kinds(edgeseg.check_dataset(root)) or "judge" in kinds(edgeseg.check_dataset(root))


def test_what_looks_odd_is_told_and_is_no_fault(good: Path) -> None:
    write_picture(good / "masks/train/1.png", draw_labels(0))
    write_picture(good / "masks/train/3.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    noise = np.random.default_rng(0).integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint8)
    write_picture(good / "masks/train/4.png", noise)
    report = edgeseg.check_dataset(good)
    assert report.passed
    told = " ".join(finding.sentence for finding in report.findings)
    assert "have the same mask: train/0.png, train/1.png" in told
    assert "1 of 9 masks show nothing but 'background': train/3.png" in told
    assert "1 masks hold many specks" in told


def test_frames_of_one_drive_in_two_splits_are_told(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, "images/train/drive_{}.png", "masks/train/drive_{}.png")
    write_pairs(root, "images/val/drive_{}.png", "masks/val/drive_{}.png", count=3, first=6)
    write_pairs(root, "images/val/other_{}.png", "masks/val/other_{}.png", count=3, first=16)
    (root / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    assert "1 of 2 sequences are in several splits, as their names tell it: drive_" in " ".join(
        finding.sentence for finding in edgeseg.check_dataset(root).findings
    )


class TestByCommand:
    def test_exit_code_json_and_sheet(self, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        sheet = tmp_path / "sheet.png"
        assert main(["dataset", "check", str(good), "--sheet", str(sheet), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["passed"], told["splits"]["val"]["pictures"], told["sheet"]) == (True, 3, str(sheet))
        write_picture(good / "masks/train/4.png", draw_labels(4)[:-2])
        assert main(["dataset", "check", str(good), "--sheet", str(sheet)]) == 1
        out = capsys.readouterr().out
        assert "WRONG: Mask" in out
        assert "1 serious finding" in out

    def test_the_sheet_shows_pictures_under_their_masks(self, good: Path, tmp_path: Path) -> None:
        edgeseg.check_dataset(good, sheet=tmp_path / "sheet.png")
        sheet = read_image(tmp_path / "sheet.png")
        assert sheet.shape[1] == 4 * 320
        first = sheet[24:264, :320].astype(int)
        picture = cv2.resize(draw_image(0), (320, 240), interpolation=cv2.INTER_AREA).astype(int)
        labels = cv2.resize(draw_labels(0), (320, 240), interpolation=cv2.INTER_NEAREST_EXACT)
        changed = np.abs(first - picture).sum(-1)
        assert changed[labels > 0].mean() > 40
        edgeseg.check_dataset(good, sheet=tmp_path / "plain.jpg")
        assert read_image(tmp_path / "plain.jpg").shape == sheet.shape


def test_neighbouring_frames_of_camvid_are_near_and_strangers_are_not(data_dir: Path) -> None:
    frames = [hash_picture(read_image(data_dir / f"camvid/images/train/0001TP_{n:06}.jpg")) for n in (6690, 6720, 6750)]
    people = sorted((data_dir / "person_voc/images/train").iterdir())[:60]
    strangers = [hash_picture(read_image(path)) for path in people]
    assert list(find_near(frames))
    assert not list(find_near(strangers))
