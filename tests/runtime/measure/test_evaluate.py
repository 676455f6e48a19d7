"""Evaluation counts right, skips bad images by name, and stops at bad masks by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker, reference

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.errors import DataError
from edgeseg.image import UInt8, fit, read_mask
from edgeseg.metrics.confusion import Confusion
from edgeseg.runtime.engines.predictor import open_predictor
from edgeseg.runtime.measure.confusion_picture import confusion_picture
from edgeseg.runtime.measure.evaluate import evaluate, open_dataset
from edgeseg.spec import ModelSpec

NAMES = "sky\nroad\ntree\n"


@pytest.fixture
def artifact(tiny_artifact: ArtifactMaker) -> Artifact:
    return tiny_artifact("onnx")


@pytest.fixture
def data(tmp_path: Path, tiny_spec: ModelSpec) -> Path:
    """Four images of the network's size; the masks are its own labels with the first row void."""
    root = tmp_path / "data"
    for folder in ("images/val", "masks/val"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text(NAMES, encoding="utf-8")
    for seed in range(4):
        shape = (tiny_spec.height, tiny_spec.width, 3)
        image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        mask = reference(fit(image, tiny_spec), tiny_spec)[0]
        mask[0] = 255
        cv2.imwrite(str(root / f"images/val/{seed}.png"), image)
        cv2.imwrite(str(root / f"masks/val/{seed}.png"), mask)
    return root


def predicted_as_zero(image: UInt8) -> UInt8:
    return np.zeros(image.shape[:2], np.uint8)


class TestEvaluate:
    def test_a_network_scores_one_on_its_own_labels(self, artifact: Artifact, data: Path) -> None:
        with open_predictor(artifact) as predict:
            evaluation = evaluate(predict, open_dataset(data, artifact), "val")
        assert evaluation.images == 4
        assert evaluation.confusion.mean_iou == 1.0
        assert evaluation.confusion.counts.sum() == 4 * 23 * 32

    def test_scores_are_those_of_the_masks(self, data: Path) -> None:
        evaluation = evaluate(predicted_as_zero, Dataset.open(data), "val")
        masks = np.stack([read_mask(data / f"masks/val/{seed}.png") for seed in range(4)])
        share = np.count_nonzero(masks == 0) / np.count_nonzero(masks != 255)
        assert evaluation.confusion.iou.tolist() == [pytest.approx(share), 0.0, 0.0]
        assert evaluation.confusion.pixel_accuracy == pytest.approx(share)

    def test_outlines_are_scored_beside_areas(self, data: Path) -> None:
        def one_block_moved(image: UInt8) -> UInt8:
            labels = np.zeros(image.shape[:2], np.uint8)
            labels[4:18, 6:26] = 1
            return labels

        for path in (data / "masks/val").iterdir():
            mask = np.zeros((24, 32), np.uint8)
            mask[4:18, 5:25] = 1
            cv2.imwrite(str(path), mask)
        told = evaluate(one_block_moved, Dataset.open(data), "val").to_dict()
        assert told["iou"]["road"] == pytest.approx(14 * 19 / (14 * 21))
        ring = 2 * 20 + 2 * 12  # one pixel wide; moved by one, only the upper and lower sides still overlap
        assert told["boundary_iou"]["road"] == pytest.approx(2 * 19 / (2 * ring - 2 * 19))
        assert told["boundary_iou"]["tree"] is None

    def test_objects_are_scored_by_their_size_where_that_is_asked_for(self, data: Path) -> None:
        """One road of 8x8 found, one of 18x18 missed, in each of four images; the rest is sky."""

        def sees_the_small_one(image: UInt8) -> UInt8:
            labels = np.zeros(image.shape[:2], np.uint8)
            labels[2:10, 2:10] = 1
            return labels

        for path in (data / "masks/val").iterdir():
            mask = sees_the_small_one(np.zeros((24, 32, 3), np.uint8))
            mask[4:22, 12:30] = 1
            cv2.imwrite(str(path), mask)
        told = evaluate(sees_the_small_one, Dataset.open(data), "val", by_size=True).to_dict()["by_size"]
        road = told["classes"]["road"]
        assert told["edges_px"][:2] == [256, 1024]
        assert (road["objects"], road["iou"][:3]) == ([4, 4, 0, 0, 0], [1.0, 0.0, None])
        assert told["classes"]["sky"]["iou"][1] == pytest.approx((24 * 32 - 64 - 324) / (24 * 32 - 64))
        assert evaluate(sees_the_small_one, Dataset.open(data), "val").to_dict()["by_size"] is None

    def test_pictures_of_kinds_that_are_not_read_are_listed(self, data: Path) -> None:
        dataset = Dataset.open(data)
        (dataset.folders["val"][0] / "phone.heic").write_bytes(b"x")
        (said,) = evaluate(predicted_as_zero, dataset, "val").skipped
        assert "1 pictures of a kind that is not read: phone.heic" in said

    def test_a_bad_image_is_skipped_and_listed(self, data: Path) -> None:
        (data / "images/val/2.png").write_bytes(b"no image")
        ticks: list[int] = []
        evaluation = evaluate(predicted_as_zero, Dataset.open(data), "val", progress=lambda: ticks.append(1))
        assert (evaluation.images, len(ticks)) == (3, 4)
        assert len(evaluation.skipped) == 1
        assert "2.png" in evaluation.skipped[0]

    def test_without_any_readable_image_there_is_no_score(self, data: Path) -> None:
        for path in (data / "images/val").iterdir():
            path.write_bytes(b"no image")
        with pytest.raises(DataError, match=r"None of the 4 images.*0\.png"):
            evaluate(predicted_as_zero, Dataset.open(data), "val")

    def test_a_bad_mask_value_names_file_and_value(self, data: Path) -> None:
        cv2.imwrite(str(data / "masks/val/1.png"), np.full((24, 32), 7, np.uint8))
        with pytest.raises(DataError, match=r"1\.png holds the value 7"):
            evaluate(predicted_as_zero, Dataset.open(data), "val")

    def test_an_unreadable_mask_is_an_error_not_a_skip(self, data: Path) -> None:
        (data / "masks/val/1.png").write_bytes(b"no image")
        with pytest.raises(DataError, match=r"masks/val/1\.png"):
            evaluate(predicted_as_zero, Dataset.open(data), "val")

    def test_black_and_white_masks_are_noticed(self, data: Path) -> None:
        (data / "classes.txt").write_text("background\ncell\n", encoding="utf-8")
        for path in (data / "masks/val").iterdir():
            cv2.imwrite(str(path), np.repeat(np.array([[0], [255]], np.uint8), 12, 0).repeat(32, 1))
        with pytest.raises(DataError, match="`mask_values='255=cell'`"):
            evaluate(predicted_as_zero, Dataset.open(data), "val")


class TestPicture:
    @pytest.mark.parametrize("classes", [2, 11, 120])
    def test_dark_cells_lie_on_the_diagonal_of_a_perfect_score(self, classes: int) -> None:
        confusion = Confusion(classes)
        truth = np.arange(classes, dtype=np.uint8)[None]
        confusion.update(truth, truth)
        dark = confusion_picture(confusion, [f"c{i}" for i in range(classes)], "title")[..., 2] < 60
        cell = 58 if classes <= 40 else 10
        assert np.count_nonzero(dark) >= classes * (cell - 2) ** 2 * 0.7

    def test_unknown_pixels_get_a_column(self) -> None:
        known, unknown = Confusion(2), Confusion(2)
        truth = np.array([[0, 1]], np.uint8)
        known.update(truth, truth)
        unknown.update(np.array([[0, 255]], np.uint8), truth)
        names = ["a", "b"]
        assert confusion_picture(unknown, names, "t").shape[1] - confusion_picture(known, names, "t").shape[1] == 58


def _assert_line_at_the_top(picture: UInt8) -> None:
    """A point of the thick line of all classes, which is almost black, stands at IoU 1."""
    top_of_the_axis, middle_of_the_first_bin = 60, 60 + 130 // 2
    assert picture[top_of_the_axis, middle_of_the_first_bin].max() < 80


class TestVerb:
    def test_results_and_picture_are_written(
        self, artifact: Artifact, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "out"
        assert main(["evaluate", str(artifact.path), "--data", str(data), "--out", str(out)]) == 0
        printed = capsys.readouterr().out
        assert re.search(r"^mean +1\.0000 +1\.0000 +1\.0000$", printed, re.MULTILINE)
        assert re.search(r"^all classes +1\.000 \(\d+\)", printed, re.MULTILINE)
        result = json.loads((out / "results.json").read_text())
        assert (result["mean_iou"], result["images"], result["split"]) == (1.0, 4, "val")
        assert result["by_size"]["overall"][0] == 1.0
        for name in ("results.json", "confusion.png", "sizes.png"):
            assert str(out / name) in printed
        assert cv2.imread(str(out / "confusion.png")) is not None
        _assert_line_at_the_top(cv2.imread(str(out / "sizes.png")))

    def test_json_is_the_same_and_alone(
        self, artifact: Artifact, data: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["evaluate", str(artifact.path), "--data", str(data), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["iou"] == {"sky": 1.0, "road": 1.0, "tree": 1.0}

    def test_other_classes_are_an_error_that_says_both(
        self, artifact: Artifact, data: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (data / "classes.txt").write_text("sky\ntree\nroad\n", encoding="utf-8")
        assert main(["evaluate", str(artifact.path), "--data", str(data)]) == 2
        told = capsys.readouterr().err
        assert "sky, tree, road" in told
        assert "sky, road, tree" in told

    def test_a_threshold_of_one_is_refused(
        self, artifact: Artifact, data: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["evaluate", str(artifact.path), "--data", str(data), "--conf", "1"]) == 2
        assert "--conf must lie between 0 and 1" in capsys.readouterr().err
