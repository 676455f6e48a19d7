from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from quantizer_contract import EncodingContract, EvenedChannels

from edgeseg.artifact import Artifact
from edgeseg.calibration.quantizers.int8_ir_from_ir import int8_ir_from_ir
from edgeseg.calibration.quantizers.ir_finite import check_ir
from edgeseg.calibration.quantizers.openvino_quantizer import OpenVinoQuantizer
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.rounding.ir_rounded import Weights, is_coded
from edgeseg.errors import ArtifactError
from edgeseg.graphs.ir_file import read_ir, save_ir
from edgeseg.proof.publishing import ExportResult

pytestmark = pytest.mark.isa


def is_layer(node: Any) -> bool:
    return "Convolution" in node.get_type_name() and is_coded(node)


def node_of(model: Any, name: str) -> Any:
    return next(node for node in model.get_ordered_ops() if node.get_friendly_name() == name)


class TestOpenVinoEncoding(EvenedChannels, EncodingContract):
    format = "openvino"

    @pytest.fixture(scope="class")
    @classmethod
    def int8(cls, built: tuple[ExportResult, ...]) -> ExportResult:
        return built[2]

    @pytest.fixture(scope="class")
    @classmethod
    def images(cls, data: Path, parent: Artifact) -> Any:
        from edgeseg.calibration.images.load_set import load_set

        return load_set(data, parent.spec, 10)  # what int8 was made with

    def test_the_artifact_records_what_decided_it(self, int8: ExportResult) -> None:
        assert int8.artifact.calibration["algorithm"].startswith("nncf.quantize")
        assert int8.artifact.calibration["images"] == 10

    def test_the_first_layer_has_more_than_seven_bits_and_every_pair_fits(self, int8: ExportResult) -> None:
        """NNCF alone gives the layer that reads pixels 64 levels of a sign, and the others what overflows."""
        nodes = [node for node in read_ir(int8.artifact.model_path).get_ordered_ops() if is_layer(node)]
        largest = []
        for node in nodes:
            codes = node.input_value(1).get_node().input_value(0).get_node().input_value(0).get_node().data
            weights = Weights.read(node, codes.astype(np.float32))
            assert weights is not None
            assert weights.pairs is None or weights.pairs.fit(weights.rows)
            largest.append(np.abs(weights.rows).max())
        assert len(nodes) >= 3
        assert largest[0] > 64

    def test_all_convolutions_are_rounded_together_and_corrected(
        self, int8: ExportResult, parent: Artifact, images: Any, tmp_path: Path
    ) -> None:
        assert int8.artifact.calibration["compensated_layers"] >= 3
        nearest = OpenVinoQuantizer().quantize(parent, images, Recipe(correct_bias=False), tmp_path, lambda: None)
        assert nearest["compensated_layers"] == 0

    def is_float(self, folder: Path, layer: str) -> bool:
        node = node_of(read_ir(folder / "model.xml"), layer)
        makers = [node.input_value(i).get_node().get_type_name() for i in range(2)]
        return "FakeQuantize" not in makers

    def engine_tag(self, folder: Path) -> str:
        return str(read_ir(folder / "model.xml").get_rt_info(["edgeseg", "engine"]).astype(str))

    def _channels_in(self, parent: Artifact, layer: str) -> int:
        return int(node_of(read_ir(parent.model_path), layer).input_value(0).get_shape()[1])

    def with_weight(self, parent: Artifact, place: Path, value: float, layer: int) -> Artifact:
        shutil.copytree(parent.path, place)
        model = read_ir(parent.model_path)
        convolution = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"][layer]
        weights = np.array(convolution.input_value(1).get_node().data)
        weights.flat[0] = value
        convolution.input(1).replace_source_output(openvino.op.Constant(weights).output(0))
        save_ir(model, place / "model.xml")
        return dataclasses.replace(parent, path=place)


def test_a_nan_behind_which_a_relu_shows_zeros_is_seen(built: tuple[ExportResult, ...], images: Any) -> None:
    """OpenVINO's ReLU makes 0 of NaN, and NNCF looks behind it: its ranges alone would tell nothing."""
    model = read_ir(built[1].artifact.model_path)
    relu = next(node for node in model.get_ordered_ops() if node.get_type_name() == "Relu")
    root = openvino.opset13.sqrt(openvino.opset13.subtract(relu.input_value(0), np.float32(1e3)))
    root.set_friendly_name("net/root")
    relu.input(0).replace_source_output(root.output(0))
    quantised = int8_ir_from_ir(model, images)
    nodes = [node for node in quantised.get_ordered_ops() if node.get_type_name() == "FakeQuantize"]
    assert all(np.isfinite(node.input_value(i).get_node().data).all() for node in nodes for i in (1, 2))
    with pytest.raises(ArtifactError, match=r"The layer net/root .Sqrt. gives NaN values on \d+\.png"):
        check_ir(model, images)
