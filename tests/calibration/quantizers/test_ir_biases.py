"""What rounding shifts in the mean of an OpenVINO model goes into its biases, layer after layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import openvino
import pytest
from exported_nets import ExportNet

from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.int8_ir_from_ir import int8_ir_from_ir
from edgeseg.calibration.quantizers.ir_biases import AS_THE_FILE_SAYS, correct_ir_biases
from edgeseg.calibration.rounding.ir_rounded import is_coded, round_ir, write_codes
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.export.graphs.ir_from_onnx import ir_from_onnx
from edgeseg.graphs.ir_file import read_ir
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b", "c"), 48, 64)


@pytest.fixture
def images(tmp_path: Path) -> CalibrationSet:
    rng = np.random.default_rng(0)
    for number in range(8):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC))
    return load_set(tmp_path, SPEC, 8)


@pytest.fixture(params=["lite-unet", "fcn8s"])
def model(request: pytest.FixtureRequest, exported: ExportNet, tmp_path: Path) -> Any:
    path = tmp_path / "model.onnx"
    onnx.save_model(deployed_graph(exported(request.param, SPEC).proto, SPEC), str(path))
    ir_from_onnx(path, tmp_path / "model.xml", SPEC, ("labels",))
    return read_ir(tmp_path / "model.xml")


def channel_means(model: Any, layers: list[str], images: CalibrationSet) -> list[Any]:
    """Of the Add behind each layer, or of the layer itself."""
    copy = model.clone()
    nodes = {node.get_friendly_name(): node for node in copy.get_ordered_ops()}
    ends = [next(iter(nodes[layer].output(0).get_target_inputs())).get_node() for layer in layers]
    assert {end.get_type_name() for end in ends} == {"Add"}
    compiled = shared_core().compile_model(openvino.Model(ends, copy.get_parameters()), "CPU", AS_THE_FILE_SAYS)
    found = [compiled(images.tensor(path)) for path in images.images]
    return [np.mean([one[at].mean((0, 2, 3)) for one in found], 0) for at in range(len(layers))]


def test_each_layer_has_the_mean_that_it_has_in_float(model: Any, images: CalibrationSet) -> None:
    pictures = [images.tensor(path) for path in images.images]
    quantised = int8_ir_from_ir(model, images)
    write_codes(quantised, round_ir(model, None))
    layers = [
        node.get_friendly_name()
        for node in quantised.get_ordered_ops()
        if "/WithoutBiases" in node.get_friendly_name() and is_coded(node)
    ]
    assert len(layers) >= 3
    expected, before = (channel_means(one, layers, images) for one in (model, quantised))
    assert correct_ir_biases(model, quantised, pictures) >= len(layers)
    after = channel_means(quantised, layers, images)
    shifts = [max(float(np.abs(a - b).max()) for a, b in zip(one, expected, strict=True)) for one in (before, after)]
    assert shifts[1] < 0.02 * shifts[0], f"largest shift of a channel: {shifts[0]:.5f} before, {shifts[1]:.5f} after"
