"""Networks as TFLite has them: what their output means is read as in an ONNX file, and what metadata say is known."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from lite_writer import LiteWriter
from operations import SAME, draw
from people import RECORDED

from edgeseg.errors import SpecError
from edgeseg.export.graphs.ort_session import make_run
from edgeseg.export.source.foreign_net import probe_inputs
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.specs.foreign_spec import SpecFlags
from edgeseg.export.tflite.read_lite import read_lite

H, W = 32, 48
THREE = SpecFlags(classes=("a", "b", "c"), color_order="rgb", mean=(0.5,), std=(0.25,))


def network(lite: LiteWriter, image: int) -> int:
    """Three logits a pixel of a float picture."""
    weights = [lite.constant(draw("net", 3, 3, 3, 3)), lite.constant(draw("net bias", 3))]
    return lite.add("CONV_2D", [image, *weights], (1, H, W, 3), StrideH=1, StrideW=1, Padding=SAME, name="logits")


def softmax(lite: LiteWriter) -> bytes:
    return lite.write(
        lite.add("SOFTMAX", [network(lite, lite.image(1, H, W, 3))], (1, H, W, 3), Beta=1.0, name="chances")
    )


def save(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def labels_of(data: bytes, probe: np.ndarray) -> np.ndarray:
    """What the file itself says, channels first or labels already."""
    found = make_run(read_lite(data, Path("x")).model)(probe)[0]
    return found[0].argmax(0) if found.ndim == 4 else found[0]


def check_masks(path: Path, data: bytes, flags: SpecFlags = THREE) -> None:
    source = source_net(path, flags)
    assert (source.spec.height, source.spec.width) == (H, W)
    for probe in probe_inputs(source.spec):
        assert source.predict is not None
        labels = source.predict(probe).labels
        assert len(np.unique(labels)) > 1
        np.testing.assert_array_equal(labels, labels_of(data, probe))


def test_a_softmax_is_taken_off(tmp_path):
    data = softmax(LiteWriter())
    check_masks(save(tmp_path / "net.tflite", data), data)


@pytest.mark.parametrize(("dtype", "code"), [("int32", 2), ("int64", 4)])
def test_argmax_inside_is_read(dtype, code, tmp_path):
    lite = LiteWriter()
    logits = network(lite, lite.image(1, H, W, 3))
    data = lite.write(lite.add("ARG_MAX", [logits, lite.ints(3)], (1, H, W), OutputType=code, dtype=dtype, name="best"))
    check_masks(save(tmp_path / "net.tflite", data), data)


def test_one_of_two_results_is_chosen_by_its_name(tmp_path):
    lite = LiteWriter()
    logits = network(lite, lite.image(1, H, W, 3))
    path = save(tmp_path / "net.tflite", lite.write(logits, lite.add("NEG", [logits], (1, H, W, 3), name="aux")))
    with pytest.raises(SpecError, match=r"2: logits float \[1, 3, 32, 48\], aux"):
        source_net(path, THREE)
    assert (
        source_net(path, SpecFlags(**{**vars(THREE), "logits": "logits", "task": "multiclass"})).spec.num_classes == 3
    )


def test_pixels_are_taken_as_they_are(tmp_path):
    lite = LiteWriter()
    image = lite.image(1, H, W, 3, dtype="uint8", scale=(1 / 64, 128))
    logits = network(lite, lite.add("DEQUANTIZE", [image], (1, H, W, 3)))
    source = source_net(
        save(tmp_path / "net.tflite", lite.write(logits)),
        SpecFlags(task="multiclass", classes=("a", "b", "c"), color_order="rgb"),
    )
    assert source.takes_pixels
    assert source.spec.std == (1 / 255,) * 3


@pytest.fixture
def described(tmp_path):
    """A file with metadata as TFLite Support 0.4.4 writes them, and the labels in the archive behind it."""
    lite = LiteWriter(metadata=(RECORDED / "metadata.bin").read_bytes())
    labels = io.BytesIO()
    with zipfile.ZipFile(labels, "w") as archive:
        archive.writestr("labels.txt", "background\nperson\nchair\n")
    return save(tmp_path / "described.tflite", softmax(lite) + labels.getvalue())


def test_metadata_say_classes_colours_and_scale(described):
    spec = source_net(described, SpecFlags()).spec
    assert spec.classes == ("background", "person", "chair")
    assert spec.color_order == "rgb"
    np.testing.assert_allclose((spec.mean[0], spec.std[0]), (0.5, 0.25))


def test_what_a_person_says_wins_over_metadata(described):
    spec = source_net(described, SpecFlags(classes=("sky", "road", "tree"), mean=(0.0,), std=(1.0,))).spec
    assert (spec.classes, spec.mean, spec.color_order) == (("sky", "road", "tree"), (0.0,) * 3, "rgb")


def test_one_label_is_that_of_the_foreground(tmp_path):
    """As the selfie network in MediaPipe's wheel has it: nothing has to be typed."""
    lite, labels = LiteWriter(metadata=(RECORDED / "metadata.bin").read_bytes()), io.BytesIO()
    logit = lite.add("MEAN", [network(lite, lite.image(1, H, W, 3)), lite.ints(3)], (1, H, W, 1), KeepDims=True)
    with zipfile.ZipFile(labels, "w") as archive:
        archive.writestr("labels.txt", "selfie\n")
    data = lite.write(lite.add("LOGISTIC", [logit], (1, H, W, 1))) + labels.getvalue()
    spec = source_net(save(tmp_path / "selfie.tflite", data), SpecFlags()).spec
    assert (spec.task, spec.classes) == ("binary", ("background", "selfie"))


def test_metadata_that_make_no_sense_say_nothing(tmp_path):
    chance, whole = np.random.default_rng(0), (RECORDED / "metadata.bin").read_bytes()
    for number in range(20):
        broken = bytearray(whole)
        for place in chance.integers(8, len(whole), 6):
            broken[place] = chance.integers(256)
        path = save(tmp_path / f"{number}.tflite", softmax(LiteWriter(metadata=bytes(broken))))
        assert source_net(path, THREE).spec.classes == ("a", "b", "c")


def test_without_metadata_what_is_missing_is_asked_for(tmp_path):
    with pytest.raises(SpecError, match=r"`classes=.*`color_order=.*`mean="):
        source_net(save(tmp_path / "net.tflite", softmax(LiteWriter())), SpecFlags())
