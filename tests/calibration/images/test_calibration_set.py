"""Which images calibrate."""

from __future__ import annotations

import shutil

import clips
import cv2
import numpy as np
import pytest

from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.recipe import Recipe, calibration_digest
from edgeseg.errors import DataError, SourceError, UserError
from edgeseg.image import fit, normalise, read_image
from edgeseg.runtime.engines.predictor import Predictor
from edgeseg.runtime.frames.frame import Prediction
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


def names(images):
    return sorted(item.name for item in images.items)


def test_the_same_folder_and_seed_give_the_same_set(folder, tmp_path):
    first = load_set(folder, SPEC, 5, seed=3)
    shutil.copytree(folder, tmp_path / "elsewhere")
    again = load_set(tmp_path / "elsewhere", SPEC, 5, seed=3)
    assert first.digest == again.digest
    assert [p.name for p in first.images] == [p.name for p in again.images]
    assert load_set(folder, SPEC, 5, seed=4).digest != first.digest


def test_content_and_size_policy_change_the_digest(folder):
    first = load_set(folder, SPEC, 12)
    assert load_set(folder, SPEC.replace(resize="letterbox"), 12).digest != first.digest
    assert load_set(folder, SPEC.replace(height=40), 12).digest != first.digest
    image = read_image(folder / "03.png")
    image[0, 0, 0] ^= 1
    cv2.imwrite(str(folder / "03.png"), image)
    assert load_set(folder, SPEC, 12).digest != first.digest


def test_unreadable_images_are_passed_over_listed_and_counted(folder):
    for name in ("00.png", "07.png"):
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    found = load_set(folder, SPEC, 100)
    assert (len(found), len(found.skipped)) == (10, 2)
    assert "2 unreadable" in found.warnings[0]
    assert "00.png" in found.warnings[0]
    assert "07.png" in found.warnings[0]
    assert found.describe()["skipped"] == 2
    assert found.describe()["passed_over"] == {"unreadable": 2, "constant": 0, "copies": 0, "near_copies": 0}


def test_many_unreadable_images_are_counted_and_the_first_named(folder):
    for i in range(9):
        (folder / f"bad{i}.png").write_bytes(b"x")
    warning = load_set(folder, SPEC, 100).warnings[0]
    assert "9 unreadable" in warning
    assert warning.count("bad") == 5
    assert warning.endswith("(and 4 more)")


def test_nothing_readable_is_an_error(folder):
    for path in folder.iterdir():
        path.write_bytes(b"x")
    with pytest.raises(DataError, match=r"None of the 12 images .*: 12 cannot be read, 0 are .*First: .*\.png"):
        load_set(folder, SPEC, 5)


def test_pictures_of_kinds_that_are_not_read_are_counted(folder):
    for name in ("a.heic", "b.gif"):
        (folder / name).write_bytes(b"x")
    for path in (folder, f"{folder}/*"):
        found = load_set(path, SPEC, 100)
        assert len(found.skipped) == 2
        assert "2 unreadable: a.heic is a picture of a kind that is not read" in found.warnings[0]


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (20, 130, 240)])
def test_images_of_one_colour_are_skipped_with_the_reason(folder, color):
    cv2.imwrite(str(folder / "cap.png"), np.full((40, 70, 3), color, np.uint8))
    found = load_set(folder, SPEC, 100)
    assert "cap.png" not in names(found)
    assert found.skipped == found.passed_over.constant
    assert "shows no range" in found.skipped[0]
    assert "1 of one colour" in found.warnings[0]


def test_a_set_of_nothing_but_one_colour_is_refused(tmp_path):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), np.full((40, 70, 3), 90 + i, np.uint8))
    with pytest.raises(DataError, match="0 cannot be read, 3 are one flat colour"):
        load_set(tmp_path, SPEC)


def test_a_dark_image_with_something_in_it_is_no_constant_one(tmp_path):
    image = np.zeros((400, 700, 3), np.uint8)
    image[200, 300] = 40  # one pixel, which the fingerprint averages away
    cv2.imwrite(str(tmp_path / "star.png"), image)
    assert names(load_set(tmp_path, SPEC)) == ["star.png"]


@pytest.mark.parametrize("count", [0, -3])
def test_at_least_one_image_is_asked_for(folder, count):
    with pytest.raises(UserError, match="-n must be at least 1"):
        load_set(folder, SPEC, count)


def test_few_images_are_warned_about_with_the_reason(folder):
    assert "INT8 ranges come from what they show" in load_set(folder, SPEC, 7).warnings[0]
    assert load_set(folder, SPEC, 8).warnings == ()


def test_copies_of_one_image_count_once(folder):
    for i in range(5):
        shutil.copy(folder / "00.png", folder / f"copy{i}.png")
    found = load_set(folder, SPEC, 100)
    assert len(found) == 12
    assert len(found.passed_over.copies) == 5


def test_files_that_decode_to_the_same_pixels_count_once(folder):
    image = read_image(folder / "00.png")
    cv2.imwrite(str(folder / "as.bmp"), image)
    cv2.imwrite(str(folder / "packed.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert (folder / "packed.png").read_bytes() != (folder / "00.png").read_bytes()
    found = load_set(folder, SPEC, 100)
    assert len(found) == 12
    assert len(found.passed_over.copies) == 2


def test_near_copies_wait_until_the_different_ones_are_taken(tmp_path):
    for scene in range(9):
        for again in range(1 if scene > 2 else 4):
            image = clips.grainy(clips.street(scene), 10 * scene + again)
            cv2.imwrite(str(tmp_path / f"{scene}-{again}.jpg"), image)
    for seed in range(4):
        found = load_set(tmp_path, SPEC, 9, seed)
        assert len({name[0] for name in names(found)}) == 9, "each scene once"
        assert found.warnings == ()
    filled = load_set(tmp_path, SPEC, 11)
    assert (len(filled), len(filled.passed_over.near_copies)) == (11, 2)
    assert len({item.name[0] for item in filled.items[:9]}) == 9
    assert "2 calibration images nearly repeat another one" in filled.warnings[0]


def test_a_folder_of_one_still_scene_is_not_read_to_its_end(folder):
    image = read_image(folder / "00.png")
    for i in range(60):
        image[0, 0, 0] = i
        cv2.imwrite(str(folder / f"still{i}.png"), image)
    for path in folder.glob("0[1-9].png"):
        path.unlink()
    looked = []
    assert len(load_set(folder, SPEC, 4, on_image=lambda: looked.append(1))) == 4
    assert len(looked) <= 40


def test_a_glob_takes_what_it_matches_and_no_more(folder):
    (folder / "01.txt").write_text("no image")
    found = load_set(f"{folder}/0[1-3].*", SPEC)
    assert names(found) == ["01.png", "02.png", "03.png"]
    assert found.split is None


def test_a_glob_without_images_is_an_error_and_takes_no_other_data(folder):
    with pytest.raises(DataError, match=r"matches 0 files and no image"):
        load_set(f"{folder}/*.jpg", SPEC)
    with pytest.raises(DataError, match="There is no folder"):
        load_set(folder / "coco128", SPEC)


def test_a_file_that_is_no_video_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.raises(SourceError, match="is not a video in a plain container"):
        load_set(tmp_path / "notes.txt", SPEC)


@pytest.fixture
def dataset(tmp_path, folder):
    for split in ("train", "val"):
        shutil.copytree(folder, tmp_path / "d" / "images" / split)
    noise = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "d" / "images" / "train" / "only_here.png"), noise)
    (tmp_path / "d" / "classes.txt").write_text("a\nb\n")
    return tmp_path / "d"


def test_a_dataset_calibrates_on_its_train_split_without_masks(dataset):
    found = load_set(dataset, SPEC, 100)
    assert found.split == "train"
    assert len(found) == 13


def test_another_split_can_be_named(dataset):
    found = load_set(dataset, SPEC, 100, split="val")
    assert (found.split, len(found)) == ("val", 12)
    with pytest.raises(DataError, match=r"has no split 'test'; found train, val"):
        load_set(dataset, SPEC, split="test")


def test_images_of_another_aspect_are_named_where_they_are_stretched(folder):
    cv2.imwrite(str(folder / "portrait.png"), np.random.default_rng(2).integers(0, 256, (70, 40, 3), np.uint8))
    warning = load_set(folder, SPEC, 100).warnings[0]
    assert "1 of 13" in warning
    assert "portrait.png (40x70)" in warning
    assert load_set(folder, SPEC.replace(resize="letterbox"), 100).warnings == ()


def test_the_digest_of_a_calibration_covers_images_weights_and_settings(folder):
    images, recipe = load_set(folder, SPEC, 12), Recipe()
    usual = calibration_digest(images, "weights", recipe, "onnx")
    image = read_image(folder / "00.png")
    image[0, 0, 0] ^= 1
    cv2.imwrite(str(folder / "00.png"), image)
    others = {
        calibration_digest(load_set(folder, SPEC, 12), "weights", recipe, "onnx"),
        calibration_digest(images, "other weights", recipe, "onnx"),
        calibration_digest(images, "weights", Recipe("entropy"), "onnx"),
        calibration_digest(images, "weights", recipe.keeping(["head"]), "onnx"),
        calibration_digest(images, "weights", recipe, "tensorrt"),
    }
    assert len(others) == 5
    assert usual not in others
    assert usual == calibration_digest(images, "weights", Recipe(), "onnx")


def test_real_damaged_and_odd_files_are_sorted_out(data_dir):
    found = load_set(f"{data_dir}/malformed/images/*.*", SPEC)
    unreadable = " ".join(found.passed_over.unreadable)
    for name in ("broken.png", "truncated_image.png", "truncated_jpeg.jpg", "crash-2020-10-test.tif"):
        assert name in unreadable
    assert {"tiff_16bit_RGB.tiff", "pil_sample_cmyk.jpg", "hopper_16bit_qtables.jpg"} <= set(names(found))
    for path in found.images:
        np.testing.assert_array_equal(found.tensor(path)[0], fit(read_image(path), SPEC))


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
    cv2.imwrite(str(folder / "grey16.png"), np.random.default_rng(3).integers(0, 65536, (50, 60), np.uint16))
    engine = RecordingEngine(spec)
    with Predictor(engine) as predict:
        images = load_set(folder, spec, 13)
        for path in images.images:
            shown = images.tensor(path)
            predict(read_image(path))
            np.testing.assert_array_equal(shown[0], engine.input)
            np.testing.assert_array_equal(normalise(shown[0], spec), normalise(fit(read_image(path), spec), spec))
