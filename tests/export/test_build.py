"""Artifacts are verified before they take their name, and nothing is left when they fail."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import onnx
import pytest
from fitted import scene

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.int8_artifact import int8_artifact
from edgeseg.calibration.quantizers.int8_ir_from_ir import quantised_inputs, quantised_surroundings
from edgeseg.errors import ArtifactError, GateFailed, OutputError, TamperedError
from edgeseg.export.build import onnx_artifact, openvino_artifact
from edgeseg.files.atomic import file_sha256
from edgeseg.graphs.ir_file import read_ir
from edgeseg.image import fit
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import samples_from, synthetic_samples
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.spec import ModelSpec


def test_the_spec_is_embedded_everywhere(built, source):
    first, second, third = (one.artifact for one in built)
    model = onnx.load(str(first.model_path))
    assert ModelSpec.from_json({e.key: e.value for e in model.metadata_props}["edgeseg.spec"]) == source.spec
    for artifact in (second, third):
        text = shared_core().read_model(artifact.model_path).get_rt_info(["edgeseg", "spec"]).astype(str)
        assert ModelSpec.from_json(text) == source.spec
    assert first.spec == second.spec == third.spec == source.spec


def test_parents_say_what_an_artifact_was_made_from(built):
    first, second, third = (one.artifact for one in built)
    assert first.parents == {"checkpoint": "ab"}
    assert second.parents["fp32-onnx"] == file_sha256(first.model_path)
    assert third.parents["fp32-openvino"] == file_sha256(second.path / "edgeseg.json")
    assert third.calibration["images"] == 10
    assert {"onnx", "openvino", "nncf", "torch"} <= set(third.toolchain)


def test_what_was_measured_is_recorded(built):
    _, second, third = (one.artifact for one in built)
    assert second.measured["stages"]["openvino fp32"]["agreement"] > 0.999
    assert third.measured["iou"]["fp32"] > 0.8, "the fitted network really segments"
    assert third.measured["drop_points"] < 5
    assert third.measured["split"] == "val"
    assert third.measured["images"] == 8
    assert third.measured["cpu"]
    json.dumps(dict(third.measured), allow_nan=False)


def test_int8_is_int8_inside_and_float_around(built):
    model = read_ir(built[2].artifact.model_path)
    assert quantised_inputs(model)["Convolution"] + quantised_inputs(model)["Concat"] >= 3
    assert not quantised_surroundings(model)
    assert built[2].artifact.model_path.with_suffix(".bin").stat().st_size < (
        built[1].artifact.model_path.with_suffix(".bin").stat().st_size
    )


def test_labels_confidence_and_logits_of_all_three_agree(built, source):
    image = fit(scene(5)[0], source.spec)[np.newaxis]
    results = []
    for one in built[1:]:
        compiled = shared_core().compile_model(one.artifact.model_path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        found = compiled(image)
        results.append({name: found[name].copy() for name in one.artifact.outputs})
    float_, int8 = results
    assert (float_["labels"] != int8["labels"]).mean() < 0.05
    assert np.abs(float_["confidence"].astype(int) - int8["confidence"]).mean() < 8
    assert len(np.unique(int8["confidence"])) > 40, "confidence is not quantised"


def test_a_float_export_that_segments_something_else_leaves_nothing(source, data, tmp_path):
    other = dataclasses.replace(source, forward=lambda x: source.forward(x)[:, ::-1])
    with pytest.raises(GateFailed, match="does not segment what torch segments"):
        onnx_artifact(other, OutputOptions(tmp_path / "out", "x"), None, samples_from(data, source.spec))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def white(tmp_path):
    """Overexposed calibration images: INT8 ranges hold white only and clip everything else."""
    for i in range(3):
        noise = np.random.default_rng(i).integers(0, 8, (64, 96, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{i}.png"), 255 - noise)
    return tmp_path


def test_a_failed_gate_leaves_no_int8_artifact(built, data, white, tmp_path):
    parent = built[1].artifact
    images = load_set(white, parent.spec)
    with pytest.raises(
        GateFailed, match=r"(?s)openvino int8 lost .* points of mIoU on 8 images.*`max_drop` is 0.5.*disc"
    ):
        int8_artifact(
            parent,
            images,
            OutputOptions(tmp_path / "out", "x"),
            samples_from(data, parent.spec),
            Budget(0.5, search=False),
        )
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failed_gate_keeps_the_int8_artifact_that_was_there(built, data, white, tmp_path):
    parent, place = built[1].artifact, OutputOptions(tmp_path / "out", "x")
    samples = samples_from(data, parent.spec)
    good = int8_artifact(parent, load_set(data, parent.spec, 10), place, samples, Budget(5.0)).artifact
    before = file_sha256(good.path / "edgeseg.json")
    with pytest.raises(GateFailed):
        int8_artifact(parent, load_set(white, parent.spec), place, samples, Budget(0.5, search=False))
    assert file_sha256(Artifact.open(good.path).path / "edgeseg.json") == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x-int8-openvino"]


def test_calibration_starts_from_fp32_openvino_only(built, data, tmp_path):
    images = load_set(data, built[0].artifact.spec, 2)
    for one in (built[0], built[2]):
        with pytest.raises(ArtifactError, match="INT8 for openvino starts from an fp32 openvino artifact"):
            int8_artifact(
                one.artifact, images, OutputOptions(tmp_path, "x"), samples_from(data, images.spec), Budget(1.0)
            )


def test_a_changed_byte_is_noticed(built, source, tmp_path):
    made = onnx_artifact(source, OutputOptions(tmp_path, "x"), None, synthetic_samples(source.spec)).artifact
    data = bytearray(made.model_path.read_bytes())
    data[len(data) // 2] ^= 1
    made.model_path.write_bytes(data)
    with pytest.raises(TamperedError, match="was changed"):
        Artifact.open(made.path)


def test_an_unwritable_folder_gets_a_sentence(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        onnx_artifact(source, OutputOptions(tmp_path / "file", "x"), None, synthetic_samples(source.spec))


def test_an_engine_takes_the_artifact_as_it_is(built):
    engine = open_engine(built[2].artifact)
    slot = engine.open_slot()
    fit(scene(7)[0], engine.spec, out=slot.input)
    assert set(np.unique(slot.run().labels)) <= {0, 1, 2}
    engine.close()


def test_openvino_keeps_the_outputs_of_its_parent(built, source, tmp_path):
    first = onnx_artifact(source, OutputOptions(tmp_path, "plain"), None, synthetic_samples(source.spec))
    second = openvino_artifact(source, first.artifact, OutputOptions(tmp_path, "plain"), synthetic_samples(source.spec))
    assert second.artifact.outputs == ("labels",)
    assert built[1].artifact.outputs == ("labels", "confidence", "logits")
