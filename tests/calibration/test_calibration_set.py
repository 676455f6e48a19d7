"""Which images calibrate."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from edgeseg.calibration.calibration_set import calibration_set
from edgeseg.errors import DataError, UserError
from edgeseg.image import fit, normalise, read_image
from edgeseg.runtime.frame import Prediction
from edgeseg.runtime.predict import Predictor
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b"), 32, 48)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    plain = tmp_path / "plain"
    plain.mkdir()
    for i in range(12):
        cv2.imwrite(str(plain / f"{i:02}.png"), rng.integers(0, 256, (40, 70, 3), np.uint8))
    return plain


def test_the_same_folder_and_seed_give_the_same_set(folder, tmp_path):
    first = calibration_set(folder, SPEC, 5, seed=3)
    shutil.copytree(folder, tmp_path / "elsewhere")
    again = calibration_set(tmp_path / "elsewhere", SPEC, 5, seed=3)
    assert first.digest == again.digest
    assert [p.name for p in first.images] == [p.name for p in again.images]
    assert calibration_set(folder, SPEC, 5, seed=4).digest != first.digest


def test_content_and_size_policy_change_the_digest(folder):
    first = calibration_set(folder, SPEC, 12)
    assert calibration_set(folder, SPEC.replace(resize="letterbox"), 12).digest != first.digest
    assert calibration_set(folder, SPEC.replace(height=40), 12).digest != first.digest
    cv2.imwrite(str(folder / "03.png"), np.zeros((40, 70, 3), np.uint8))
    assert calibration_set(folder, SPEC, 12).digest != first.digest


def test_unreadable_images_are_passed_over_with_a_sentence(folder):
    for name in ("00.png", "07.png"):
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    found = calibration_set(folder, SPEC, 100)
    assert (len(found), len(found.skipped)) == (10, 2)
    assert "00.png" in found.warnings[0]
    assert found.describe()["skipped"] == 2


def test_nothing_readable_is_an_error(folder):
    for path in folder.iterdir():
        path.write_bytes(b"x")
    with pytest.raises(DataError, match=r"None of the 12 images .* can be read\. First: .*\.png"):
        calibration_set(folder, SPEC, 5)


@pytest.mark.parametrize("count", [0, -3])
def test_at_least_one_image_is_asked_for(folder, count):
    with pytest.raises(UserError, match="-n must be at least 1"):
        calibration_set(folder, SPEC, count)


def test_few_images_are_warned_about_with_the_reason(folder):
    assert "INT8 ranges come from what they show" in calibration_set(folder, SPEC, 7).warnings[0]
    assert calibration_set(folder, SPEC, 8).warnings == ()


def test_copies_of_one_image_count_once(folder):
    for i in range(5):
        shutil.copy(folder / "00.png", folder / f"copy{i}.png")
    assert len(calibration_set(folder, SPEC, 100)) == 12


def test_a_dataset_calibrates_on_its_train_split_without_masks(tmp_path, folder):
    for split in ("train", "val"):
        shutil.copytree(folder, tmp_path / "d" / "images" / split)
    cv2.imwrite(str(tmp_path / "d" / "images" / "train" / "only_here.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "d" / "classes.txt").write_text("a\nb\n")
    found = calibration_set(tmp_path / "d", SPEC, 100)
    assert found.split == "train"
    assert len(found) == 13


class RecordingEngine:
    """An engine that keeps what it was given."""

    def __init__(self, spec):
        self.spec = spec
        self.input = np.zeros((spec.height, spec.width, spec.channels), np.uint8)

    def open_slot(self):
        return self

    def run(self):
        return Prediction(self.input[..., 0])

    def close(self):
        pass


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize("color_order", ["rgb", "gray"])
def test_calibration_sees_what_the_runtime_and_training_see(folder, resize, color_order):
    one = (0.5,) if color_order == "gray" else (0.5,) * 3
    spec = SPEC.replace(resize=resize, color_order=color_order, mean=one, std=one)
    engine = RecordingEngine(spec)
    with Predictor(engine) as predict:
        for path in calibration_set(folder, spec, 3).images:
            shown = calibration_set(folder, spec, 3).tensor(path)
            predict(read_image(path))
            np.testing.assert_array_equal(shown[0], engine.input)
            np.testing.assert_array_equal(normalise(shown[0], spec), normalise(fit(read_image(path), spec), spec))
