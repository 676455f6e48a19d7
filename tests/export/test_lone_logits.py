"""Logits alone: labels are found outside the graph, and everything that proves a model proves these too."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from fitted import SPEC, scene
from lone_logits import BOTH, DISC, BothNet, LoneLogits

import edgeseg
from edgeseg.artifact import Artifact
from edgeseg.errors import ArtifactError, UserError
from edgeseg.export.forms import ExportOptions, export_forms
from edgeseg.export.graphs.deployed_graph import deployed_outputs
from edgeseg.export.source.source_net import SourceNet
from edgeseg.export.tensorrt_artifact import tensorrt_artifact
from edgeseg.export.trace.open_forms import open_traced_models
from edgeseg.image import fit
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import synthetic_samples
from edgeseg.runtime.engines.engine import open_engine
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.engines.predictor import open_predictor
from edgeseg.runtime.trt.build_settings import BuildSettings

pytestmark = pytest.mark.slow


def test_logits_are_the_only_output_and_the_manifest_says_so(lone: LoneLogits) -> None:
    assert lone.openvino.outputs == lone.onnx.outputs == ("logits",)
    outputs = shared_core().read_model(lone.openvino.model_path).outputs
    shape = (1, lone.openvino.spec.num_classes, SPEC.height, SPEC.width)
    assert [(tuple(port.names), tuple(port.shape)) for port in outputs] == [(("logits",), shape)]
    assert [one.name for one in onnx.load(str(lone.onnx.model_path)).graph.output] == ["logits"]


def expect_same(alone: Artifact, usual: Artifact) -> None:
    """Compare the slots of two engines on six scenes."""
    ours, theirs = (open_engine(one).open_slot() for one in (alone, usual))
    for seed in range(6):
        for slot in (ours, theirs):
            fit(scene(seed)[0], SPEC, out=slot.input)
        found, expected = ours.run(), theirs.run()
        assert len(np.unique(expected.labels)) > 1
        assert np.array_equal(found.labels, expected.labels)
        assert found.confidence is not None
        assert expected.confidence is not None
        assert np.abs(found.confidence.astype(int) - expected.confidence).max() <= 1, "a rounding apart at most"
        assert len(np.unique(found.confidence)) > 40


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_masks_and_confidence_are_those_of_the_usual_graph(lone: LoneLogits, name: str) -> None:
    expect_same(getattr(lone, name), lone.usual)


def test_classes_with_a_sigmoid_each_keep_their_thresholds(tmp_path: Path) -> None:
    net = BothNet().eval()
    usual = edgeseg.export_model(net, spec=BOTH, out=tmp_path, name="usual")
    edgeseg.export_model(net, spec=BOTH, outputs=("logits",), out=tmp_path, name="alone")
    for model_format in ("openvino", "onnx"):
        expect_same(Artifact.open(tmp_path / f"alone-fp32-{model_format}"), usual)
    assert "model_info" not in shared_core().read_model(tmp_path / "alone-fp32-openvino" / "model.xml").get_rt_info()


@pytest.mark.long
def test_int8_is_made_of_it_and_proven_on_the_labels(lone: LoneLogits, lone_int8: list[Artifact]) -> None:
    for int8 in lone_int8:
        assert int8.outputs == ("logits",)
        assert int8.measured["images"] == 8
        assert int8.measured["drop_points"] < 5
        compared = edgeseg.verify([lone.usual, int8], lone.data)
        assert 0.95 < compared.stages[1].agreement < 1
        with edgeseg.load(int8) as model:
            assert model(scene(3)[0]).areas()["disc"].pixels > 100


def test_evaluate_and_verify_take_it(lone: LoneLogits) -> None:
    alone, usual = (edgeseg.evaluate(one, lone.data) for one in (lone.openvino, lone.usual))
    assert alone.confusion.mean_iou == usual.confusion.mean_iou > 0.8
    assert edgeseg.verify([lone.usual, lone.openvino], lone.data).stages[1].agreement == 1


def test_a_threshold_is_applied_as_elsewhere(lone: LoneLogits) -> None:
    masks = []
    for one in (lone.openvino, lone.usual):
        with open_predictor(one, 0.9) as predict:
            masks.append([predict(scene(seed)[0]) for seed in range(4)])
    assert np.mean(np.not_equal(*masks)) < 1e-4, "one step of confidence at the threshold"
    with open_predictor(lone.usual) as predict:
        plain = [predict(scene(seed)[0]) for seed in range(4)]
    assert np.mean(np.not_equal(plain, masks[0])) > 0.002, "the threshold does something"


def test_a_trace_and_tensorrt_say_what_they_need(lone: LoneLogits, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gives logits alone.*labels.*outputs=\('labels', 'logits'\)"):
        open_traced_models([lone.usual.path, lone.openvino.path])
    place = OutputOptions(tmp_path, "x")
    samples = synthetic_samples(lone.usual.spec)
    with pytest.raises(ArtifactError, match="gives logits alone; tensorrt reads labels"):
        tensorrt_artifact(lone.onnx, place, samples, BuildSettings())
    with pytest.raises(UserError, match=r"outputs=\('logits',\).*'openvino'.*'onnx'.*found 'tensorrt'"):
        ExportOptions("tensorrt", ("logits",))


def test_only_what_model_api_shows_rightly_is_described_to_it(source: SourceNet, tmp_path: Path) -> None:
    boxed = dataclasses.replace(source, spec=source.spec.replace(resize="letterbox"))
    for name, one, outputs in (("boxed", boxed, ("logits",)), ("both", source, ("labels", "logits"))):
        made = export_forms(one, ExportOptions(outputs=outputs), OutputOptions(tmp_path, name))[-1].artifact
        assert "model_info" not in shared_core().read_model(made.model_path).get_rt_info()


def test_asking_for_it_twice_is_asking_for_it() -> None:
    assert deployed_outputs(DISC, ["logits", "logits"]) == ("logits",)
    assert deployed_outputs(DISC, ["labels", "logits"]) == ("labels", "confidence", "logits")
    with pytest.raises(UserError, match=r"or logits alone.*\['confidence', 'logits'\] without labels"):
        deployed_outputs(SPEC, ["confidence", "logits"])
