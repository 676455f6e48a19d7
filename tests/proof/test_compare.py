"""Comparison from the image file to the mask."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from fitted import CLASSES, SPEC, scene, write_dataset

from edgeseg.errors import DataError, GateFailed, UserError
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import compare
from edgeseg.proof.judges.gates import check_budget, check_drop, check_parity
from edgeseg.proof.judges.judge import judge
from edgeseg.proof.judges.worst_class import worst_class
from edgeseg.proof.samples import samples_from, synthetic_samples
from edgeseg.proof.stage import Stage, remember_answers
from edgeseg.proof.tables import class_table, comparison_notes, stage_table
from edgeseg.spec import ModelSpec


def by_colour(image):
    """A perfect segmenter of the scenes' colours, up to noise."""
    centres = np.array([(70, 60, 50), (60, 180, 90), (190, 90, 160)])
    return ((image[..., None, :].astype(int) - centres) ** 2).sum(-1).argmin(-1).astype(np.uint8)


def no_boxes(image):
    labels = by_colour(image)
    labels[labels == 2] = 0
    return labels


STAGES = [Stage("good", by_colour), Stage("blind", no_boxes)]


def test_a_lost_class_is_named_with_its_points(data):
    found = compare(STAGES, samples_from(data, SPEC), SPEC)
    good, blind = found.stages
    assert good.agreement == 1
    assert blind.agreement < 0.95
    assert blind.worst_image.endswith(".png")
    assert found.class_drops(blind)[2] > 90
    assert found.drop(blind) == pytest.approx(100 * (good.confusion.mean_iou - blind.confusion.mean_iou))
    with pytest.raises(GateFailed, match=r"(?s)blind lost \d+\.\d+ points of mIoU on 8 images.*box"):
        check_drop(found, 0.5)
    check_drop(found, 60)


def test_without_masks_the_reference_stands_in_and_the_report_says_so(data):
    found = compare(STAGES, samples_from(data / "images" / "val", SPEC), SPEC)
    assert not found.labelled
    assert found.reference.confusion.mean_iou == 1
    assert found.to_dict()["iou_against"] == "masks of good"
    assert "not against a truth" in comparison_notes(found)[0]
    assert found.drop(found.stages[1]) == pytest.approx(100 * (1 - found.stages[1].agreement))
    with pytest.raises(
        GateFailed, match=r"blind changed the label of \d+.\d+ % of the pixels of 8 images without masks"
    ):
        check_drop(found, 0.5)


def test_parity_is_judged_by_the_worst_image(data):
    with pytest.raises(GateFailed, match=r"blind does not segment what good segments: .* % of the pixels of \d+.png"):
        check_parity(compare(STAGES, samples_from(data, SPEC), SPEC))


def test_the_gate_is_half_a_point_with_masks_and_wider_without():
    assert Budget().points(labelled=True) == 0.5
    assert Budget().points(labelled=False) > 0.5
    assert Budget(0.2).points(labelled=False) == 0.2
    for wrong in (-1.0, float("nan")):
        with pytest.raises(UserError, match="`max_drop`"):
            Budget(wrong)


def test_unreadable_images_are_skipped_and_counted(tmp_path):
    root = write_dataset(tmp_path / "d", 1, 3)
    broken = root / "images" / "val" / "1001.png"
    broken.write_bytes(broken.read_bytes()[:200])
    found = compare(STAGES, samples_from(root, SPEC), SPEC)
    assert (found.images, len(found.skipped)) == (2, 1)
    assert "1001.png" in comparison_notes(found)[0]
    for path in (root / "images" / "val").iterdir():
        path.write_bytes(b"x")
    with pytest.raises(DataError, match="None of the 3 images"):
        compare(STAGES, samples_from(root, SPEC), SPEC)


def test_a_wrong_mask_is_an_error_and_not_skipped(tmp_path):
    root = write_dataset(tmp_path / "d", 1, 2)
    cv2.imwrite(str(root / "masks" / "val" / "1000.png"), np.full((80, 120), 9, np.uint8))
    with pytest.raises(DataError, match=r"1000.png holds the value 9"):
        compare(STAGES, samples_from(root, SPEC), SPEC)
    assert compare(STAGES, samples_from(root, SPEC, ignore_index=9), SPEC).images == 2


def test_data_of_other_classes_is_refused(data):
    with pytest.raises(DataError, match=f"has the classes {', '.join(CLASSES)}, the model a, b, c"):
        samples_from(data, SPEC.replace(classes=("a", "b", "c")))


def test_images_that_calibration_did_not_see_are_preferred(data):
    folder = data / "images" / "train"
    seen = sorted(folder.iterdir())[:4]
    names = {sample.name for sample in samples_from(folder, SPEC, calibrated=seen)}
    assert len(names) == 8
    assert names.isdisjoint(path.name for path in seen)
    assert len(samples_from(folder, SPEC, calibrated=sorted(folder.iterdir())[:8])) == 12, "too few are left"


def test_a_reference_no_better_than_one_label_everywhere_fails_every_gate(data):
    swapped = Stage("swapped", lambda image: (by_colour(image) + 1) % 3)
    for shown in (swapped, Stage("flat", lambda image: np.zeros(image.shape[:2], np.uint8))):
        found = compare([shown, shown], samples_from(data, SPEC), SPEC)
        for gate in (check_parity, lambda found: check_drop(found, 100), lambda found: check_budget(found, Budget())):
            with pytest.raises(
                GateFailed, match=r"itself scores mIoU 0\.\d+ on 8 .* one label everywhere.*`color_order`"
            ):
                gate(found)


def test_a_reference_of_one_label_on_pictures_without_masks_fails_too(data):
    flat = Stage("flat", lambda image: np.zeros(image.shape[:2], np.uint8))
    found = compare([flat, flat], samples_from(data / "images" / "val", SPEC), SPEC)
    check_parity(found)
    with pytest.raises(GateFailed, match="flat gives every pixel of the 8 images without masks one label"):
        check_drop(found, 100)


def test_pictures_of_one_class_among_others_are_no_fault_of_the_reference(data):
    samples = samples_from(data, SPEC)
    items = tuple(
        replace(item, read=lambda item=item: (item.read()[0], np.zeros((80, 120), np.uint8))) for item in samples
    )
    found = compare(STAGES[:1] * 2, replace(samples, items=items), SPEC)
    assert found.reference.confusion.constant_iou is None
    check_parity(found)


def test_equal_masks_of_one_label_are_called_out():
    flat = Stage("flat", lambda image: np.zeros(image.shape[:2], np.uint8))
    found = compare([flat, flat], synthetic_samples(SPEC), SPEC)
    assert any("has one label" in note for note in comparison_notes(found))


def test_synthetic_images_are_the_same_every_time_and_not_flat():
    first, second = ([s.read()[0] for s in synthetic_samples(SPEC)] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert min(image.std() for image in first) > 30


def test_the_tables_name_every_stage_and_class(data):
    found = compare(STAGES, samples_from(data, SPEC), SPEC)
    assert all(name in stage_table(found) for name in ("good", "blind", "reference"))
    assert [line.split()[0] for line in class_table(found).splitlines()] == ["class", *CLASSES]


def test_scenes_hold_every_class():
    assert set(np.unique(np.stack([scene(seed)[1] for seed in range(5)]))) == {0, 1, 2}


def moved(image):
    """Every outline one pixel to the right: areas hardly change, outlines do."""
    return np.roll(by_colour(image), 1, axis=1)


def test_each_limit_that_is_missed_is_named_and_by_which_class(data):
    found = compare(STAGES, samples_from(data, SPEC), SPEC)
    with pytest.raises(GateFailed, match=r"`max_drop` is 1; the class box lost \d+\.\d+ points; `max_class_drop` is 2"):
        check_budget(found, Budget(1, 2, 100))
    with pytest.raises(
        GateFailed, match=r"images \(.*\); boundary IoU lost \d+\.\d+ points; `max_boundary_drop` is 3\."
    ):
        check_budget(found, Budget(100, 100, 3))
    check_budget(found, Budget(100, 100, 100))


def test_outlines_are_scored_apart_from_areas(data):
    found = compare([STAGES[0], Stage("moved", moved)], samples_from(data, SPEC), SPEC)
    stage = found.stages[1]
    assert found.boundary_drop(stage) > 1.5 * found.drop(stage) > 0
    assert found.to_dict()["stages"]["moved"]["boundary_drop_points"] == pytest.approx(found.boundary_drop(stage))
    assert found.to_dict()["stages"]["good"]["mean_boundary_iou"] > 0.9


def test_every_stage_is_judged_and_not_only_the_last(data):
    found = compare([*STAGES, Stage("again", by_colour)], samples_from(data, SPEC), SPEC)
    with pytest.raises(GateFailed, match="blind lost"):
        check_budget(found, Budget(1))


def test_a_class_absent_from_the_truth_is_not_judged(data):
    spec = ModelSpec("multiclass", (*CLASSES, "ghost"), SPEC.height, SPEC.width)
    samples = samples_from(data, SPEC)

    def with_ghost(image):
        labels = by_colour(image)
        labels[:1] = 3
        return labels

    ghosts = compare([Stage("good", with_ghost), Stage("other", by_colour)], samples, spec)
    assert np.isnan(ghosts.class_drops(ghosts.stages[1])[3])
    assert worst_class(ghosts, ghosts.stages[1])[0] != "ghost"
    (unseen,) = (one for one in judge(ghosts, ghosts.stages[1], Budget(60, 100, 60)) if "ghost" in one.what)
    assert (unseen.verdict, unseen.field) == ("cannot tell", "max_class_drop")
    assert any("No mask of the 8 images shows ghost" in note for note in comparison_notes(ghosts))
    check_budget(ghosts, Budget(60, 100, 60))
    with pytest.raises(GateFailed, match=r"no mask shows ghost.*Give images with `data` whose masks show ghost"):
        check_budget(ghosts, Budget(60, 100, 60, require_held=True))


def test_a_stand_in_for_the_engine_is_said(data):
    found = compare(STAGES, samples_from(data, SPEC), SPEC)
    found.proof_note = "Measured in another engine."
    assert "Measured in another engine." in comparison_notes(found)
    assert found.to_dict()["proof_note"] == "Measured in another engine."


def test_the_reference_is_run_once_an_image_and_no_more_is_kept_than_asked(data):
    images = [sample.read()[0] for sample in samples_from(data, SPEC)]
    asked = []

    def counting(image):
        asked.append(1)
        return by_colour(image)

    predict = remember_answers(Stage("fp32", counting)).predict
    for image in [*images, *images]:
        np.testing.assert_array_equal(predict(image), by_colour(image))
    assert len(asked) == len(images)
    small = remember_answers(Stage("fp32", counting), limit_bytes=2 * images[0][..., 0].size).predict
    for image in [*images, *images]:
        small(image)
    assert len(asked) == len(images) + 2 * len(images) - 2
