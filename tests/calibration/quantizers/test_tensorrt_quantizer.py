from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from qdq_file import OnnxEncodingContract, constant, quantisers

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.quantizers.tensorrt_quantizer import TensorRtQuantizer
from edgeseg.cli import main
from edgeseg.errors import ArtifactError, EnvironmentFault
from edgeseg.graphs.tensorrt_lint import lint
from edgeseg.proof.publishing import ExportResult
from edgeseg.runtime.engines.engine import open_engine

pytestmark = pytest.mark.isa


class TestTensorRtEncoding(OnnxEncodingContract):
    format = "tensorrt"

    def test_it_is_signed_symmetric_and_per_channel(self, int8: ExportResult) -> None:
        model = onnx.load(int8.artifact.model_path)
        points = [constant(model, node.input[2]) for node in quantisers(model)]
        assert {point.dtype for point in points} == {np.dtype(np.int8)}
        assert not any(point.any() for point in points)
        weights = [node for node in quantisers(model) if node.input[0].endswith("_quantized")]
        assert sorted(constant(model, node.input[1]).size for node in weights) == [12, 12]

    def test_biases_stay_in_float(self, int8: ExportResult) -> None:
        model = onnx.load(int8.artifact.model_path)
        layers = [node for node in model.graph.node if node.op_type == "Conv"]
        assert len(layers) == 3
        assert {constant(model, name).dtype for node in layers for name in node.input[2:]} == {np.dtype(np.float32)}

    def test_it_is_clean_for_every_tensorrt_from_8_6_on(self, int8: ExportResult) -> None:
        model = onnx.load(int8.artifact.model_path)
        assert [lint(model, version) for version in ("8.6", "10", "10.13", "11.4")] == [[], [], [], []]

    def test_the_real_parser_takes_it_and_builds_an_engine(self, int8: ExportResult) -> None:
        network, parser, builder = parsed(int8.artifact.model_path)
        assert parser.num_errors == 0
        assert [network.get_input(0).name, network.get_output(0).name] == ["image", "labels"]
        assert tuple(network.get_input(0).shape) == (1, 64, 96, 3)
        plan = builder.build_serialized_network(network, builder.create_builder_config())
        assert plan is not None
        assert plan.nbytes > 1000

    def test_opening_it_without_a_gpu_says_what_is_missing(self, int8: ExportResult) -> None:
        runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings are not installed here")
        if int(runtime.cudaGetDeviceCount()[0]) == 0:
            pytest.skip("there is a GPU here")
        with pytest.raises(EnvironmentFault, match=r"TensorRT is needed|No GPU can be used"):
            open_engine(int8.artifact)

    def test_the_report_says_what_stood_in_for_tensorrt(self) -> None:
        assert "ONNX Runtime with all graph optimisations off" in TensorRtQuantizer.proof_note


def parsed(path: Path) -> tuple[Any, Any, Any]:
    """Network, parser and builder of TensorRT-RTX, whose parser needs no GPU."""
    tensorrt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    builder = tensorrt.Builder(logger)
    network = builder.create_network(0)
    parser = tensorrt.OnnxParser(network, logger)
    parser.parse(path.read_bytes())
    return network, parser, builder


@pytest.fixture
def parent(built: tuple[ExportResult, ...]) -> Artifact:
    return built[0].artifact


@pytest.fixture
def images(data: Path, parent: Artifact) -> CalibrationSet:
    return load_set(data, parent.spec, 8)


def test_a_file_that_breaks_the_rules_is_not_handed_over(
    parent: Artifact, images: CalibrationSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setattr(TensorRtQuantizer, "style", replace(TensorRtQuantizer.style, activation="QUInt8"))
    with pytest.raises(ArtifactError, match=r"(?s)would not run this file as it is meant:\n  \S+: \w+Linear is uint8"):
        TensorRtQuantizer().quantize(parent, images, Recipe(), tmp_path, lambda: None)


def test_a_moved_file_is_no_source_for_export(
    parent: Artifact, images: CalibrationSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TensorRtQuantizer().quantize(parent, images, Recipe(), tmp_path, lambda: None)
    assert main(["export", str(tmp_path / "model.onnx"), "--format", "openvino"]) == 2
    assert "was quantised for tensorrt and is not a source for other engines" in capsys.readouterr().err
