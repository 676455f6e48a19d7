"""What calibration images show of what the network will meet."""

from __future__ import annotations

import json
import shutil

import clips
import cv2
import numpy as np
import pytest

from edgeseg.calibration.images.coverage import measure_coverage
from edgeseg.calibration.images.coverage_picture import coverage_picture
from edgeseg.calibration.images.coverage_report import coverage_text
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.images.set_file import write_set
from edgeseg.demo import cells
from edgeseg.image_traits import Trait, measure_traits
from edgeseg.proof.samples import samples_from
from edgeseg.spec import ModelSpec

CLASSES = ("ground", "disc", "box")
SPEC = ModelSpec("multiclass", CLASSES, 48, 80)


def write_images(folder, brightness, tint=(1.0, 1.0, 1.0)):
    """One image a brightness, each another scene."""
    folder.mkdir(parents=True)
    for i, level in enumerate(brightness):
        scene = clips.street(i).astype(float)
        image = (scene - scene.mean()) * 0.3 + level
        cv2.imwrite(str(folder / f"{i:03}.png"), np.clip(image * tint, 0, 255).astype(np.uint8))
    return folder


def write_masks(folder, images, classes):
    """Masks whose left tenth is each of ``classes`` in turn, the rest ground."""
    folder.mkdir(parents=True)
    for i, path in enumerate(sorted(images.iterdir())):
        mask = np.zeros((clips.HEIGHT, clips.WIDTH), np.uint8)
        mask[:, :16] = classes[i % len(classes)]
        cv2.imwrite(str(folder / path.name), mask)


def trait(coverage, name):
    return next(one for one in coverage.traits if one.name == name)


def test_traits_mean_what_they_say():
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, 100:] = 200
    brightness, contrast, shadows, highlights, saturation, *_ = measure_traits(image)
    assert (brightness, contrast, shadows, highlights) == pytest.approx((100, 100, 0, 200), abs=1)
    assert saturation == pytest.approx(0, abs=0.1)
    red, blue = np.zeros((2, 50, 50, 3), np.uint8)
    red[..., 2], blue[..., 0] = 255, 255
    assert measure_traits(red, ("green-red",))[0] > 60
    assert measure_traits(blue, ("blue-yellow",))[0] < -60
    assert measure_traits(red, ("saturation",))[0] > 60


def test_the_size_of_an_image_does_not_count():
    image = clips.street(1)
    large = cv2.resize(image, None, fx=6, fy=6, interpolation=cv2.INTER_NEAREST)
    assert measure_traits(large) == pytest.approx(measure_traits(image), abs=1.5)


def test_range_coverage_is_the_share_of_the_reference_between_the_calibration_images():
    found = Trait("brightness", (50.0, 100.0), (10.0, 47.0, 48.5, 60.0, 101.5, 103.0, 200.0, 90.0))
    assert found.inside == 0.5
    assert Trait("brightness", (50.0, 100.0)).inside is None


def test_spread_is_not_bought_by_one_outlier():
    reference = tuple(np.linspace(0, 200, 101))
    alike = (*[100.0] * 30, 0.0, 200.0)
    assert Trait("brightness", alike, reference).inside == 1
    assert Trait("brightness", alike, reference).spread < 0.05
    assert Trait("brightness", reference[::2], reference).spread == pytest.approx(1, abs=0.05)


def test_images_like_the_reference_do_not_warn(tmp_path):
    images = load_set(write_images(tmp_path / "calib", np.linspace(40, 200, 30)), SPEC)
    reference = samples_from(write_images(tmp_path / "eval", np.linspace(45, 195, 40)), SPEC)
    coverage = measure_coverage(images, reference)
    assert coverage.warnings == ()
    assert (coverage.images, coverage.reference_images, coverage.reference_source) == (30, 40, "eval")
    assert trait(coverage, "brightness").inside == 1


def test_a_set_of_daylight_is_thin_for_a_camera_that_sees_the_night(tmp_path):
    images = load_set(write_images(tmp_path / "calib", np.linspace(150, 200, 30)), SPEC)
    reference = samples_from(write_images(tmp_path / "eval", np.linspace(20, 200, 40)), SPEC)
    coverage = measure_coverage(images, reference)
    inside = trait(coverage, "brightness").inside
    assert inside == pytest.approx(0.29, abs=0.05)
    assert f"brightness: {inside:.0%} of the images of eval lie between" in coverage.warnings[0]
    assert "thin: brightness" in coverage_text(coverage)


def test_another_colour_is_noticed_where_the_network_sees_colour(tmp_path):
    grey, blue = np.linspace(60, 180, 20), (1.0, 0.75, 0.55)
    images = load_set(write_images(tmp_path / "calib", grey), SPEC)
    reference = samples_from(write_images(tmp_path / "eval", grey, blue), SPEC)
    assert any(warning.startswith("blue-yellow") for warning in measure_coverage(images, reference).warnings)
    seen = SPEC.replace(color_order="gray", mean=(0.5,), std=(0.5,))
    assert [one.name for one in measure_coverage(load_set(tmp_path / "calib", seen), reference).traits] == [
        "brightness",
        "contrast",
        "shadows",
        "highlights",
    ]


def test_few_images_are_thin_with_the_reason(tmp_path):
    images = load_set(write_images(tmp_path / "calib", [60, 120, 180]), SPEC)
    coverage = measure_coverage(images)
    assert "3 images are few" in coverage.warnings[0]
    assert coverage.reference_images == 0
    assert trait(coverage, "brightness").inside is None
    assert "range coverage" not in coverage_text(coverage)
    assert "compared with nothing" in coverage_text(coverage)


@pytest.fixture
def labelled(tmp_path):
    """A data folder whose train split never shows a box, and whose val split does."""
    root = tmp_path / "data"
    for split, classes in (("train", [0, 1]), ("val", [1, 2])):
        images = write_images(root / "images" / split, np.linspace(60, 180, 12))
        write_masks(root / "masks" / split, images, classes)
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return root


def test_a_class_that_calibration_never_saw_is_named_with_its_share(labelled):
    coverage = measure_coverage(load_set(labelled, SPEC), samples_from(labelled, SPEC))
    ground, disc, box = coverage.classes
    assert (ground.images, disc.images, box.images) == (12, 6, 0)
    assert (disc.calibration, disc.reference, box.calibration, box.reference) == pytest.approx((0.05, 0.05, 0, 0.05))
    assert "classes in no calibration image: box (5.0 % of the pixels of data (val))" in coverage.warnings[-1]
    assert "box" in coverage_text(coverage)


def test_void_pixels_do_not_count(labelled):
    for path in (labelled / "masks" / "train").iterdir():
        mask = np.zeros((clips.HEIGHT, clips.WIDTH), np.uint8)
        mask[:, :80] = 2
        mask[:, 80:120] = 1
        cv2.imwrite(str(path), mask)
    ground, disc, box = measure_coverage(load_set(labelled, SPEC), ignore_index=2).classes
    assert (ground.calibration, disc.calibration, box.calibration) == pytest.approx((0.5, 0.5, 0))


def test_a_set_read_from_a_file_still_knows_its_masks(labelled):
    write_set(labelled.parent / "set.json", load_set(labelled, SPEC), "net", {})
    coverage = measure_coverage(load_set(labelled.parent / "set.json", SPEC))
    assert [one.images for one in coverage.classes] == [12, 6, 0]
    assert coverage.source == "data (train)"


def test_masks_that_do_not_fit_are_said_and_do_not_stop_the_coverage(labelled):
    (labelled / "masks" / "train" / "000.png").unlink()
    shutil.copy(labelled / "images" / "train" / "001.png", labelled / "masks" / "train" / "000.png")
    coverage = measure_coverage(load_set(labelled, SPEC))
    assert any("The mask of 000.png was not counted" in note for note in coverage.warnings)
    assert coverage.classes[0].images == 11
    other = measure_coverage(load_set(labelled, SPEC.replace(classes=("x", "y", "z"))))
    assert other.classes == ()
    assert any("Classes were not counted" in note and "the model x, y, z" in note for note in other.warnings)


def test_frames_of_a_video_are_compared_too(tmp_path, labelled):
    clip = clips.write_clip(tmp_path / "drive.mp4", (clips.street(i) for i in range(12)))
    coverage = measure_coverage(load_set(clip, SPEC, 10), samples_from(labelled, SPEC))
    assert (coverage.images, coverage.source) == (10, "drive.mp4")
    assert [one.images for one in coverage.classes] == [None, None, None]
    assert not any("in no calibration image" in warning for warning in coverage.warnings)


def test_the_dictionary_is_json_with_the_figures(labelled):
    coverage = measure_coverage(load_set(labelled, SPEC), samples_from(labelled, SPEC))
    values = json.loads(json.dumps(coverage.to_dict()))
    brightness = values["traits"][0]
    assert brightness["name"] == "brightness"
    assert brightness["calibration"]["min"] <= brightness["calibration"]["median"] <= brightness["calibration"]["max"]
    assert brightness["range_coverage"] == 1
    assert values["classes"][2] == {"name": "box", "images": 0, "calibration": 0.0, "reference": pytest.approx(0.05)}
    assert values["warnings"] == list(coverage.warnings)


def red_pixels(picture):
    blue, green, red = (picture[..., channel].astype(int) for channel in range(3))
    return int(((red > 150) & (green < 110) & (blue < 110)).sum())


def test_the_picture_shows_in_red_what_the_set_lacks(labelled):
    thin = coverage_picture(measure_coverage(load_set(labelled, SPEC), samples_from(labelled, SPEC)))
    assert (thin.dtype, thin.shape[2]) == (np.uint8, 3)
    assert thin.min() < 80
    assert (thin[0] == 255).all()
    assert red_pixels(thin) > 100
    full = coverage_picture(measure_coverage(load_set(labelled, SPEC), samples_from(labelled, SPEC, "train")))
    assert red_pixels(full) == 0, "a class that is in no image of either is not missed"
    alone = coverage_picture(measure_coverage(load_set(labelled / "images" / "train", SPEC)))
    assert red_pixels(alone) == 0
    assert alone.shape[1] < thin.shape[1], "without masks there is one column"


def test_the_picture_shows_a_thin_trait_in_red(tmp_path):
    images = load_set(write_images(tmp_path / "calib", np.linspace(150, 200, 12)), SPEC)
    night = samples_from(write_images(tmp_path / "eval", np.linspace(20, 200, 12)), SPEC)
    assert red_pixels(coverage_picture(measure_coverage(images, night))) > 50
    same = samples_from(tmp_path / "calib", SPEC)
    assert red_pixels(coverage_picture(measure_coverage(images, same))) == 0


def test_rendered_cells_cover_their_validation_images_and_a_night_of_them_does_not(tmp_path):
    spec = SPEC.replace(classes=cells.CLASSES, palette=(), height=90, width=120)
    cells.write_dataset(tmp_path, train=40, val=24, size=96, seed=1)
    images, reference = load_set(tmp_path, spec, 40), samples_from(tmp_path, spec)
    coverage = measure_coverage(images, reference)
    assert coverage.warnings == ()
    assert all(one.images for one in coverage.classes)
    for picture in (tmp_path / "images" / "val").iterdir():
        cv2.imwrite(str(picture), (cv2.imread(str(picture)) * 0.2).astype(np.uint8))
    night = measure_coverage(images, samples_from(tmp_path, spec))
    assert any(warning.startswith("brightness: 0%") for warning in night.warnings)


def test_camvid_train_covers_its_validation_images(data_dir):
    spec = SPEC.replace(
        classes=tuple((data_dir / "camvid" / "classes.txt").read_text().split()), palette=(), height=90, width=120
    )
    images = load_set(data_dir / "camvid", spec, 40)
    reference = samples_from(data_dir / "camvid", spec, ignore_index=11).spread(30)
    coverage = measure_coverage(images, reference)
    assert coverage.warnings == ()
    assert all(one.inside == 1 for one in coverage.traits)
    assert all(one.images for one in coverage.classes)
    clip = load_set(data_dir / "clips" / "udacity_solidWhiteRight.mp4", spec, 10)
    assert any(warning.startswith("brightness: 0%") for warning in measure_coverage(clip, reference).warnings)
