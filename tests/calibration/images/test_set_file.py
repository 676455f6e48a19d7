"""``set.json``: a calibration set that is used again, and refused when it no longer holds."""

from __future__ import annotations

import json
import shutil

import clips
import cv2
import pytest

from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.images.set_file import weight_digests, write_set
from edgeseg.errors import ArtifactError, DataError
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b"), 48, 80)
WEIGHTS = {"checkpoint": "c" * 64, "onnx": "d" * 64}


@pytest.fixture
def place(tmp_path):
    """A folder with ten images and a clip of eight scenes."""
    (tmp_path / "here" / "calib").mkdir(parents=True)
    for i in range(10):
        cv2.imwrite(str(tmp_path / "here" / "calib" / f"{i}.png"), clips.street(i))
    clips.write_clip(tmp_path / "here" / "drive.mp4", (clips.street(i) for i in range(20, 28)))
    return tmp_path / "here"


@pytest.fixture
def set_file(place):
    images = load_set(place / "calib", SPEC, 9, seed=5)
    write_set(place / "set.json", images, "net", WEIGHTS)
    return place / "set.json"


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_set_comes_back_as_it_was_written(place, set_file):
    images = load_set(place / "calib", SPEC, 9, seed=5)
    again = load_set(set_file, SPEC, 3, seed=1, weights=WEIGHTS.values())
    assert (again.items, again.digest, again.seed) == (images.items, images.digest, 5)
    assert again.describe() == images.describe()


def test_frames_of_a_video_come_back_as_they_were(place):
    images = load_set(place / "drive.mp4", SPEC, 6)
    write_set(place / "set.json", images, "net", WEIGHTS)
    assert len(images) == 6
    assert load_set(place / "set.json", SPEC).items == images.items


def test_what_was_passed_over_stays_on_record(place):
    (place / "calib" / "bad.png").write_bytes(b"x")
    shutil.copy(place / "calib" / "0.png", place / "calib" / "copy.png")
    images = load_set(place / "calib", SPEC)
    write_set(place / "set.json", images, "net", WEIGHTS)
    again = load_set(place / "set.json", SPEC)
    assert again.passed_over == images.passed_over
    assert again.passed_over.counts["copies"] == 1
    assert "bad.png" in again.warnings[0]


def test_a_set_moves_together_with_its_images(place, set_file, tmp_path):
    assert json.loads(set_file.read_text())["images"][0]["file"].startswith("calib/")
    images = load_set(set_file, SPEC)
    shutil.move(place, tmp_path / "there")
    again = load_set(tmp_path / "there" / "set.json", SPEC)
    assert again.digest == images.digest
    assert again.items[0].read().shape == (96, 160, 3)


def test_a_changed_and_a_missing_image_are_both_named(place, set_file):
    chosen = load_set(set_file, SPEC).items
    cv2.imwrite(str(chosen[0].path), clips.street(99))
    chosen[1].path.unlink()
    with pytest.raises(DataError, match=r"set\.json is stale: 2 of 9 images differ") as caught:
        load_set(set_file, SPEC)
    assert f"{chosen[0].path} was changed" in str(caught.value)
    assert f"{chosen[1].path} is missing" in str(caught.value)
    assert f"`write_set(images=load_set('{place / 'calib'}', ..., count=9, seed=5), path='{set_file}')`" in str(
        caught.value
    )


def test_the_command_that_mends_a_set_can_be_typed_as_it_stands(place):
    write_set(place / "set.json", load_set(place / "calib" / "*.png", SPEC), "net", {})
    (place / "calib" / "0.png").unlink()
    with pytest.raises(DataError, match=r"0\.png is missing") as caught:
        load_set(place / "set.json", SPEC)
    assert f"load_set('{place}/calib/*.png', ..., count=10, " in str(caught.value)


def test_a_changed_video_is_noticed(place):
    write_set(place / "set.json", load_set(place / "drive.mp4", SPEC, 6), "net", WEIGHTS)
    clips.write_clip(place / "drive.mp4", (clips.street(i) for i in range(40, 48)))
    with pytest.raises(DataError, match=r"1 of 6 images differ: .*drive\.mp4 was changed"):
        load_set(place / "set.json", SPEC)


@pytest.mark.parametrize("other", [{"height": 64}, {"resize": "letterbox"}])
def test_another_network_input_is_refused(set_file, other):
    with pytest.raises(DataError, match=r"made for the network input 48x80x3 stretch, and the model takes "):
        load_set(set_file, SPEC.replace(**other))


def test_other_weights_are_refused_and_related_ones_taken(set_file):
    with pytest.raises(DataError, match=r"stale: it was made for other weights \(net: cccccccccccc, dddddddddddd;"):
        load_set(set_file, SPEC, weights=["e" * 64])
    assert len(load_set(set_file, SPEC, weights=["e" * 64, "d" * 64])) == 9


def test_everything_that_differs_is_said_at_once(set_file):
    load_set(set_file, SPEC).items[0].path.unlink()
    with pytest.raises(DataError, match=r"48x80x3.*other weights.*1 of 9 images"):
        load_set(set_file, SPEC.replace(width=96), weights=["e" * 64])


def test_an_edited_list_is_refused(set_file):
    images = json.loads(set_file.read_text())["images"]
    edit(set_file, images=images[:-1])
    with pytest.raises(DataError, match="its list of images was edited"):
        load_set(set_file, SPEC)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "coco"}', '{"format": "edgeseg-calibration-set", "version": 1}', "[" * 90000]
)
def test_a_file_that_is_no_set_is_refused(set_file, text):
    set_file.write_text(text)
    with pytest.raises(DataError, match=r"set\.json"):
        load_set(set_file, SPEC)


@pytest.mark.parametrize(
    "changes",
    [
        {"images": 3},
        {"images": [{"file": "x.png"}]},
        {"images": [{"video": "v.mp4", "frame": "one", "sha256": "", "size": [1, 1]}]},
        {"images": [None]},
        {"passed_over": {"colour": []}},
        {"model": None},
        {"source": 4},
    ],
)
def test_a_set_with_nonsense_in_it_is_refused(set_file, changes):
    edit(set_file, **changes)
    with pytest.raises(DataError, match="incomplete calibration set"):
        load_set(set_file, SPEC, weights=WEIGHTS.values())


def test_a_set_of_a_newer_edgeseg_and_a_missing_one_are_refused(set_file):
    edit(set_file, version=2)
    with pytest.raises(DataError, match="reads up to 1"):
        load_set(set_file, SPEC)
    set_file.unlink()
    with pytest.raises(DataError, match="There is no calibration set"):
        load_set(set_file, SPEC)


def test_artifacts_of_one_network_have_weights_in_common(built, tmp_path):
    onnx, openvino, int8 = (weight_digests(one.artifact.path) for one in built)
    assert set(onnx.values()) & set(openvino.values()) & set(int8.values())
    copy = tmp_path / "model.onnx"
    shutil.copy(built[0].artifact.model_path, copy)
    assert set(weight_digests(copy).values()) <= set(onnx.values())
    (tmp_path / "other.onnx").write_bytes(copy.read_bytes() + b"\0")
    assert not set(weight_digests(tmp_path / "other.onnx").values()) & set(onnx.values())
    with pytest.raises(ArtifactError, match="There is no model"):
        weight_digests(tmp_path / "none.pt")
