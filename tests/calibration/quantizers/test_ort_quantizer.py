from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from qdq_file import OnnxEncodingContract, constant, maker_of, metadata, node_of, quantisers

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.onnx_ranges import Ranges, find_ranges
from edgeseg.calibration.quantizers.ort_quantizer import STYLE, OrtQuantizer
from edgeseg.calibration.quantizers.ort_weights import expect_no_overflow
from edgeseg.calibration.quantizers.qdq_from_onnx import tensors_to_watch
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.cli import main
from edgeseg.errors import ArtifactError
from edgeseg.graphs.onnx_graph import fold_batch_norm, head_layers, load_graph
from edgeseg.proof.publishing import ExportResult
from edgeseg.runtime.engines.engine import EngineOptions
from edgeseg.runtime.engines.exact_engine import exact_agreement
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.engines.openvino_engine import OpenVinoEngine

pytestmark = pytest.mark.isa


class TestOrtEncoding(OnnxEncodingContract):
    format = "onnx"

    def test_optimised_kernels_give_the_masks_of_exact_arithmetic(
        self, int8: ExportResult, images: CalibrationSet
    ) -> None:
        pictures = [images.tensor(path) for path in images.images]
        assert exact_agreement(int8.artifact.model_path, pictures) > 0.995
        assert int8.artifact.calibration["exact_agreement"] > 0.995

    def test_no_pair_of_weights_overflows_and_some_have_more_than_seven_bits(self, int8: ExportResult) -> None:
        model = onnx.load(int8.artifact.model_path)
        expect_no_overflow(model)
        weights = map(numpy_helper.to_array, model.graph.initializer)
        largest = [np.abs(w.astype(int)).max() for w in weights if w.dtype == np.int8 and w.ndim == 4]
        assert 64 < max(largest) <= 127

    def test_convolutions_really_run_in_integers(self, int8: ExportResult, tmp_path: Path) -> None:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        settings.log_severity_level = 4
        onnxruntime.InferenceSession(int8.artifact.model_path, settings)
        kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx", load_external_data=False).graph.node]
        assert kinds.count("QLinearConv") == 2
        assert kinds.count("Conv") + kinds.count("FusedConv") == 1, "the head alone is left in float"


@pytest.fixture
def parent(built: tuple[ExportResult, ...]) -> Artifact:
    return built[0].artifact


@pytest.fixture
def images(data: Path, parent: Artifact) -> CalibrationSet:
    return load_set(data, parent.spec, 8)


def counted(images: CalibrationSet, quantizer: OrtQuantizer, parent: Artifact, out: Path, recipe: Recipe) -> int:
    seen: list[int] = []
    quantizer.quantize(parent, images, recipe, out, lambda: seen.append(1))
    return len(seen)


def test_another_set_of_float_layers_shows_no_image_again(
    parent: Artifact, images: CalibrationSet, tmp_path: Path
) -> None:
    quantizer = OrtQuantizer()
    first = quantizer.layers(parent)[0]
    assert counted(images, quantizer, parent, tmp_path, Recipe()) == len(images)
    assert counted(images, quantizer, parent, tmp_path, Recipe(keep_float=frozenset({first}))) == 0
    assert counted(images, quantizer, parent, tmp_path, Recipe("percentile")) == len(images)


def test_ranges_survive_json(parent: Artifact, images: CalibrationSet) -> None:
    model = load_graph(parent.model_path)
    found = find_ranges(model, tensors_to_watch(model, STYLE), images)
    assert Ranges.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_other_methods_cut_rare_values_and_never_add_any(parent: Artifact, images: CalibrationSet, method: str) -> None:
    model = load_graph(parent.model_path)
    watched = tensors_to_watch(model, STYLE)
    whole, cut = find_ranges(model, watched, images).of, find_ranges(model, watched, images, method).of
    assert whole.keys() == cut.keys() == watched
    assert all(whole[name][0] <= cut[name][0] < cut[name][1] <= whole[name][1] for name in watched)
    assert any(cut[name] != whole[name] for name in watched)


def test_a_method_that_the_library_lacks_is_refused(parent: Artifact, images: CalibrationSet, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="calibrated by minmax, entropy, percentile; found `method='mse'`"):
        OrtQuantizer().quantize(parent, images, Recipe("mse"), tmp_path, lambda: None)


def test_a_layer_that_is_not_there_is_refused(parent: Artifact, images: CalibrationSet, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"names no layer of this network: 'conv9'. Layers are net/"):
        OrtQuantizer().quantize(parent, images, Recipe(keep_float=frozenset({"conv9"})), tmp_path, lambda: None)


def test_nothing_left_to_quantise_is_refused(parent: Artifact, images: CalibrationSet, tmp_path: Path) -> None:
    quantizer = OrtQuantizer()
    with pytest.raises(ArtifactError, match="Every layer is kept in float"):
        quantizer.quantize(
            parent, images, Recipe(keep_float=frozenset(quantizer.layers(parent))), tmp_path, lambda: None
        )


def test_pre_and_post_processing_are_node_for_node_what_they_were(
    parent: Artifact, images: CalibrationSet, tmp_path: Path
) -> None:
    OrtQuantizer().quantize(parent, images, Recipe(), tmp_path, lambda: None)
    before, after = onnx.load(parent.model_path), onnx.load(tmp_path / "model.onnx")
    ours = [[n.SerializeToString() for n in m.graph.node if n.name.startswith("edgeseg/")] for m in (before, after)]
    assert sorted(ours[0]) == sorted(ours[1])
    assert metadata(after)["edgeseg.spec"] == metadata(before)["edgeseg.spec"]
    assert [o.name for o in after.graph.output] == [o.name for o in before.graph.output]


def test_the_head_stays_in_float(parent: Artifact, images: CalibrationSet, tmp_path: Path) -> None:
    OrtQuantizer().quantize(parent, images, Recipe(), tmp_path, lambda: None)
    model = onnx.load(tmp_path / "model.onnx")
    (head,) = head_layers(load_graph(parent.model_path).graph)
    assert maker_of(model, node_of(model, head).input[1]) is None
    assert head not in OrtQuantizer().layers(parent)


def test_a_tagged_file_is_refused_wherever_it_was_moved(
    parent: Artifact, images: CalibrationSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    OrtQuantizer().quantize(parent, images, Recipe(), tmp_path, lambda: None)
    (tmp_path / "model.onnx").rename(tmp_path / "mine.onnx")
    assert main(["export", str(tmp_path / "mine.onnx"), "--format", "onnx"]) == 2
    assert "quantised for onnxruntime and is not a source for other engines" in capsys.readouterr().err


def test_openvino_refuses_it_even_when_it_was_converted_by_hand(
    parent: Artifact, images: CalibrationSet, tmp_path: Path
) -> None:
    import openvino

    OrtQuantizer().quantize(parent, images, Recipe(), tmp_path, lambda: None)
    shared_core()
    converted = openvino.convert_model(tmp_path / "model.onnx")
    openvino.save_model(converted, tmp_path / "model.xml", compress_to_fp16=False)
    disguised = dataclasses.replace(parent, path=tmp_path, format="openvino")
    with pytest.raises(ArtifactError, match="was quantised for onnxruntime and is not run by openvino"):
        OpenVinoEngine(disguised, EngineOptions())


def normalised(op: str, bias: bool) -> Any:
    """A convolution of either kind with a BatchNormalization behind it."""
    rng = np.random.default_rng(0)
    shape = (4, 3, 3, 3) if op == "Conv" else (3, 4, 3, 3)
    values = {"w": rng.normal(0, 1, shape), "scale": rng.uniform(0.5, 2, 4), "shift": rng.normal(0, 1, 4)}
    values |= {"mean": rng.normal(0, 1, 4), "variance": rng.uniform(0.5, 2, 4), "b": rng.normal(0, 1, 4)}
    constants = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in values.items()]
    nodes = [
        helper.make_node(op, ["x", "w", "b"] if bias else ["x", "w"], ["c"], name="net/conv"),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["logits"], name="net/bn"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_folding_batch_norm_changes_nothing(op: str, bias: bool) -> None:
    import onnxruntime

    model = normalised(op, bias)
    folded = onnx.ModelProto()
    folded.CopyFrom(model)
    fold_batch_norm(folded.graph)
    assert [node.op_type for node in folded.graph.node] == [op]
    x = np.random.default_rng(1).normal(0, 1, (1, 3, 8, 8)).astype(np.float32)
    before, after = (
        onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"x": x})[0] for m in (model, folded)
    )
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_unused_q_and_dq_are_not_left_behind(parent: Artifact, images: CalibrationSet, tmp_path: Path) -> None:
    quantizer = OrtQuantizer()
    quantizer.quantize(
        parent, images, Recipe(keep_float=frozenset(quantizer.layers(parent)[1:])), tmp_path, lambda: None
    )
    model = onnx.load(tmp_path / "model.onnx")
    read = {name for node in model.graph.node for name in node.input} | {o.name for o in model.graph.output}
    assert all(node.output[0] in read for node in quantisers(model))
    assert constant(model, next(t.name for t in model.graph.initializer)) is not None


def test_images_of_one_colour_leave_a_range(parent: Artifact, tmp_path: Path) -> None:
    """A tensor that is the same everywhere still gets a scale."""
    for i in range(8):
        picture = np.full((64, 96, 3), 20 * i, np.uint8)
        picture[:4, :4] = 255 - 20 * i
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
    images = load_set(tmp_path, parent.spec, 8)
    (tmp_path / "out").mkdir()
    OrtQuantizer().quantize(parent, images, Recipe(), tmp_path / "out", lambda: None)
    scales = [constant(m, n.input[1]) for m in [onnx.load(tmp_path / "out" / "model.onnx")] for n in quantisers(m)]
    assert all(np.isfinite(scale).all() and (scale > 0).all() for scale in scales)


def test_weights_are_rounded_together_but_in_layers_that_stay_in_float(
    parent: Artifact, images: CalibrationSet, tmp_path: Path
) -> None:
    """Some codes are not the nearest, and without it each is."""
    quantizer = OrtQuantizer()
    layers = quantizer.layers(parent)

    def codes(recipe: Recipe) -> tuple[dict[str, Any], Any]:
        facts = quantizer.quantize(parent, images, recipe, tmp_path, lambda: None)
        weights = {tensor.name: tensor for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer}
        found = {name: numpy_helper.to_array(tensor).astype(int) for name, tensor in weights.items()}
        return {name: w for name, w in found.items() if name.endswith("_quantized") and w.ndim == 4}, facts

    together, facts = codes(Recipe())
    nearest, plain = codes(Recipe(round_weights=False))
    assert (facts["compensated_layers"], plain["compensated_layers"]) == (len(layers), 0)
    moved = [np.abs(together[name] - nearest[name]) for name in nearest]
    assert max(change.max() for change in moved) > 0
    assert np.mean([change.mean() for change in moved]) < 1
    _, facts = codes(Recipe(keep_float=frozenset(layers[:1])))
    assert facts["compensated_layers"] == len(layers) - 1
