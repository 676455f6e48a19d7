"""What rounding shifts in the mean goes into the biases, layer after layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from exported_nets import ExportNet

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.bias_correction import correct_biases
from edgeseg.calibration.quantizers.onnx_ranges import Ranges, find_ranges
from edgeseg.calibration.quantizers.ort_quantizer import STYLE as ORT_STYLE
from edgeseg.calibration.quantizers.qdq_from_onnx import (
    QdqStyle,
    qdq_from_onnx,
    quantisable_layers,
    tensors_to_watch,
)
from edgeseg.calibration.quantizers.tensorrt_quantizer import STYLE as TENSORRT_STYLE
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.graphs.onnx_graph import load_graph
from edgeseg.runtime.engines.ort_session import NOTHING, open_session
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b", "c"), 48, 64)
STYLES = {"onnx": ORT_STYLE, "tensorrt": TENSORRT_STYLE}


@pytest.fixture
def images(tmp_path: Path) -> CalibrationSet:
    rng = np.random.default_rng(0)
    for number in range(8):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC))
    return load_set(tmp_path, SPEC, 8)


@pytest.fixture(params=["lite-unet", "unet", "fcn8s"])
def model(request: pytest.FixtureRequest, exported: ExportNet, tmp_path: Path) -> Any:
    path = tmp_path / "model.onnx"
    onnx.save_model(deployed_graph(exported(request.param, SPEC).proto, SPEC), str(path))
    return load_graph(path)


def channel_means(model: Any, tensors: list[str], images: CalibrationSet) -> list[Any]:
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    present = {output.name for output in watched.graph.output}
    made = (onnx.helper.make_tensor_value_info(name, 1, None) for name in tensors if name not in present)
    watched.graph.output.extend(made)
    session = open_session(watched.SerializeToString(), NOTHING)
    found = [session.run(tensors, {"image": images.tensor(path)}) for path in images.images]
    return [np.mean([values[at].mean((0, 2, 3)) for values in found], 0) for at in range(len(tensors))]


def layer_outputs(model: Any, style: QdqStyle) -> list[str]:
    layers = quantisable_layers(model, style)
    return [node.output[0] for node in model.graph.node if node.name in layers and len(node.input) > 2]


def quantise(model: Any, style: QdqStyle, images: CalibrationSet) -> tuple[Any, Ranges]:
    ranges = find_ranges(model, tensors_to_watch(model, style), images)
    return qdq_from_onnx(model, ranges, style), ranges


@pytest.mark.parametrize("name", STYLES)
def test_each_layer_has_the_mean_that_it_has_in_float(name: str, model: Any, images: CalibrationSet) -> None:
    style = STYLES[name]
    plain, ranges = quantise(model, style, images)
    pictures = [images.tensor(path) for path in images.images]
    corrected = qdq_from_onnx(correct_biases(model, plain, quantisable_layers(model, style), pictures), ranges, style)
    tensors = layer_outputs(model, style)
    assert len(tensors) >= 3
    expected = channel_means(model, tensors, images)
    before, after = (
        max(float(np.abs(a - b).max()) for a, b in zip(channel_means(one, tensors, images), expected, strict=True))
        for one in (plain, corrected)
    )
    assert after < 0.5 * before, f"largest shift of a channel: {before:.4f} before, {after:.4f} after"


def test_only_biases_of_the_layers_change(model: Any, images: CalibrationSet) -> None:
    plain, _ = quantise(model, TENSORRT_STYLE, images)
    layer = quantisable_layers(model, TENSORRT_STYLE)[1]
    pictures = [images.tensor(path) for path in images.images[:2]]
    untouched = model.SerializeToString()
    changed = correct_biases(model, plain, {layer}, pictures)
    assert model.SerializeToString() == untouched
    bias = next(node.input[2] for node in model.graph.node if node.name == layer)
    differing = [
        one.name
        for one, other in zip(changed.graph.initializer, model.graph.initializer, strict=True)
        if one.SerializeToString() != other.SerializeToString()
    ]
    assert differing == [bias]
    assert changed.graph.node == model.graph.node


def test_without_a_bias_nothing_changes(model: Any, images: CalibrationSet) -> None:
    for node in model.graph.node:
        if node.op_type == "Conv":
            del node.input[2:]
    plain, _ = quantise(model, ORT_STYLE, images)
    pictures = [images.tensor(images.images[0])]
    assert correct_biases(model, plain, quantisable_layers(model, ORT_STYLE), pictures) is model
