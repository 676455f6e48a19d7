"""Quantised files that stock engines get wrong without a word, and that no path of edgeseg leads there.

Each trap is shown on a graph of a few nodes, with the version of the engine that shows it. Where a test here
says "mended", upstream has repaired it: take the workaround that the message names away, and the test with it.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from qdq_graphs import Float32, inputs, loud_convolution, skip_connection

from edgeseg.artifact import Artifact, artifact_dir, writing_artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.ort_quantizer import STYLE as FOR_ORT
from edgeseg.calibration.quantizers.qdq_from_onnx import QdqStyle
from edgeseg.calibration.quantizers.quantizer import quantizer_for
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.quantizers.tensorrt_quantizer import STYLE as FOR_TENSORRT
from edgeseg.cli import main
from edgeseg.errors import ArtifactError
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.graphs.tensorrt_lint import lint
from edgeseg.runtime.engines.engine import EngineOptions, open_engine
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.engines.openvino_engine import OpenVinoEngine
from edgeseg.runtime.engines.ort_engine import OrtEngine
from edgeseg.runtime.system.machine import this_cpu
from edgeseg.spec import ModelSpec

pytestmark = pytest.mark.isa

SPEC = ModelSpec("multiclass", ("ground", "thing", "edge"), 16, 24, color_order="rgb")
WRONG, RIGHT = 0.05, 1e-4


def by_onnxruntime(model: onnx.ModelProto, optimised: bool = True) -> Float32:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    if not optimised:
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings)
    return np.asarray(session.run(None, inputs(model))[0])


def by_openvino(model: onnx.ModelProto, folder: Path, **options: str) -> Float32:
    onnx.save(model, folder / "tiny.onnx")
    compiled = shared_core().compile_model(folder / "tiny.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32", **options})
    return np.asarray(compiled(inputs(model))[0])


_COMPILED = """
import sys, numpy, openvino
folder = sys.argv[1]
model = openvino.Core().compile_model(f"{folder}/tiny.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
numpy.save(f"{folder}/found.npy", model(dict(numpy.load(f"{folder}/inputs.npz")))[0])
"""


def by_openvino_with(isa: str, model: onnx.ModelProto, folder: Path) -> Float32:
    """As :func:`by_openvino`, in a process that uses no instruction set above ``isa``: the bug shows on every CPU."""
    onnx.save(model, folder / "tiny.onnx")
    np.savez(folder / "inputs.npz", **inputs(model))
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa}
    subprocess.run([sys.executable, "-c", _COMPILED, str(folder)], env=environment, check=True, timeout=120)
    return np.asarray(np.load(folder / "found.npy"))


def error(found: Float32, exact: Float32) -> float:
    """Largest difference as a part of the largest exact value."""
    return float(np.abs(found - exact).max() / np.abs(exact).max())


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """An fp32 artifact of a network of three convolutions with a skip connection."""
    random = np.random.default_rng(0)
    shapes = {"w1": (8, 3, 3, 3), "w2": (8, 8, 3, 3), "w3": (3, 16, 1, 1)}
    weights = {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1] * 4, name="first"),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1] * 4, name="second"),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("Concat", ["r1", "r2"], ["joined"], axis=1, name="concat"),
        helper.make_node("Conv", ["joined", "w3"], ["y"], name="head"),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, SPEC.height, SPEC.width]) for n in "xy"]
    graph = helper.make_graph(
        nodes, "net", ends[:1], ends[1:], [numpy_helper.from_array(w, n) for n, w in weights.items()]
    )
    net = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = artifact_dir(tmp_path_factory.mktemp("traps"), "tiny", "fp32", "onnx")
    manifest = {"name": "tiny", "precision": "fp32", "format": "onnx", "outputs": ["labels", "logits"], "spec": SPEC}
    with writing_artifact(path, manifest) as folder:
        onnx.save(deployed_graph(net, SPEC, ["labels", "logits"]), folder / "model.onnx")
    return Artifact.open(path)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> CalibrationSet:
    import cv2

    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for i in range(8):
        cv2.imwrite(str(folder / f"{i}.png"), random.integers(0, 256, (16, 24, 3), dtype=np.uint8))
    return load_set(folder, SPEC, 8)


def int8(model_format: str, parent: Artifact, images: CalibrationSet, out: Path) -> Artifact:
    """An INT8 artifact as edgeseg makes it."""
    path = artifact_dir(out, "tiny", "int8", model_format)
    manifest = {**{k: getattr(parent, k) for k in ("name", "spec")}, "precision": "int8", "format": model_format}
    with writing_artifact(path, {**manifest, "outputs": list(parent.outputs)}) as folder:
        quantizer_for(model_format).quantize(parent, images, Recipe(), folder, lambda: None)
    return Artifact.open(path)


class TestOnnxRuntimeSaturatesWithoutVnni:
    """Trap 1, ONNX Runtime 1.32 on x86 with AVX2 or AVX-512 but no VNNI: fused kernels add two products in 16 bits."""

    def test_weights_of_eight_bits_saturate(self) -> None:
        isa = this_cpu().isa or ()
        if "AVX2" not in isa or any("VNNI" in name for name in isa):
            pytest.skip(
                f"kernels of this CPU ({', '.join(isa) or 'unknown'}) do not saturate: it takes AVX2 without VNNI"
            )
        model = loud_convolution()
        assert error(by_onnxruntime(model), by_onnxruntime(model, optimised=False)) > WRONG, (
            f"mended in ONNX Runtime {metadata.version('onnxruntime')}: ort_encoding.py needs no reduce_range"
        )

    def test_two_products_of_eight_bits_do_not_fit_and_of_seven_bits_do(self) -> None:
        assert 255 * 127 * 2 > np.iinfo(np.int16).max >= 255 * 64 * 2

    def test_edgeseg_writes_what_fits(self, parent: Artifact, images: CalibrationSet, tmp_path: Path) -> None:
        model = onnx.load(int8("onnx", parent, images, tmp_path).model_path)
        weights = [w for w in map(numpy_helper.to_array, model.graph.initializer) if w.dtype == np.int8 and w.ndim > 1]
        assert len(weights) == 2
        for codes in weights:
            packed = np.moveaxis(codes.astype(int), 1, -1).reshape(len(codes), -1)
            pairs = np.pad(packed, ((0, 0), (0, packed.shape[1] % 2))).reshape(len(codes), -1, 2)
            sums = 255 * pairs.clip(min=0).sum(2), 255 * pairs.clip(max=0).sum(2)
            assert sums[0].max() <= np.iinfo(np.int16).max
            assert sums[1].min() >= np.iinfo(np.int16).min

    def test_eight_bits_would_not_be_handed_over(
        self, parent: Artifact, images: CalibrationSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quantizer = quantizer_for("onnx")
        monkeypatch.setattr(
            type(quantizer), "style", dataclasses.replace(FOR_ORT, reduce_range=False, fine_pairs=False)
        )
        with pytest.raises(ArtifactError, match="use eight bits, which overflow in ONNX Runtime"):
            quantizer.quantize(parent, images, Recipe(), tmp_path, lambda: None)

    def test_the_file_for_tensorrt_which_has_eight_bits_is_refused(
        self, parent: Artifact, images: CalibrationSet, tmp_path: Path
    ) -> None:
        refused_by(OrtEngine, "onnx", int8("tensorrt", parent, images, tmp_path))


class TestOpenVinoMisreadsSignedPairs:
    """Trap 2, OpenVINO 2026.4.1 on every instruction set but AMX: signed INT8 Q/DQ around Concat -> Conv, that is at
    every skip connection."""

    @pytest.mark.parametrize("isa", ["AVX2", "AVX512_CORE", "AVX512_CORE_VNNI"])
    def test_signed_pairs_around_concat_give_wrong_values(self, tmp_path: Path, isa: str) -> None:
        model = skip_connection(np.int8)
        exact = by_onnxruntime(model, optimised=False)
        assert error(by_openvino_with(isa, model, tmp_path), exact) > WRONG, (
            f"mended in OpenVINO {metadata.version('openvino')}: docs/architecture.md and the refusal of tagged files "
            "(expect_engine) may be relaxed for OpenVINO"
        )

    def test_without_low_precision_transformations_they_are_right(self, tmp_path: Path) -> None:
        model = skip_connection(np.int8)
        exact = by_onnxruntime(model, optimised=False)
        assert error(by_openvino(model, tmp_path, LP_TRANSFORMS_MODE="NO"), exact) < RIGHT

    def test_unsigned_pairs_are_right(self, tmp_path: Path) -> None:
        model = skip_connection(np.uint8)
        assert error(by_openvino(model, tmp_path), by_onnxruntime(model, optimised=False)) < RIGHT

    @pytest.mark.parametrize("model_format", ["onnx", "tensorrt"])
    def test_no_quantised_onnx_file_of_edgeseg_gets_there(
        self, model_format: str, parent: Artifact, images: CalibrationSet, tmp_path: Path
    ) -> None:
        refused_by(OpenVinoEngine, "openvino", int8(model_format, parent, images, tmp_path))

    def test_nor_one_that_somebody_else_quantised(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        onnx.save(one_input(skip_connection(np.int8)), tmp_path / "theirs.onnx")
        flags = ["--classes", "a,b,c,d", "--color-order", "rgb", "--mean", "0", "0", "0", "--std", "1", "1", "1"]
        assert main(["export", str(tmp_path / "theirs.onnx"), "--format", "openvino", *flags]) == 2
        assert "quantised already: QuantizeLinear 'quantise_fine'" in capsys.readouterr().err


def one_input(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with both branches fed from one RGB image."""
    image = helper.make_tensor_value_info("rgb", TensorProto.FLOAT, [1, 3, 16, 16])
    widen = [helper.make_node("Concat", ["rgb"] * 3, [f"{n}9"], axis=1, name=f"widen_{n}") for n in ("fine", "coarse")]
    cut = [helper.make_node("Slice", [f"{n}9", "from", "to", "axis"], [n], name=f"cut_{n}") for n in ("fine", "coarse")]
    del model.graph.input[:]
    model.graph.input.append(image)
    bounds = {"from": [0], "to": [8], "axis": [1]}
    model.graph.initializer.extend(numpy_helper.from_array(np.array(v, np.int64), k) for k, v in bounds.items())
    nodes = [*widen, *cut, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


class TestTensorRtReadsUnsignedAsSigned:
    """Trap 3, TensorRT 8.6 to 11 (a warning in its log): uint8 with zero point 0 becomes INT8 of the same scale."""

    def test_the_lint_finds_what_nncf_writes_after_a_relu(self) -> None:
        found = lint(skip_connection(np.uint8))
        assert {finding.rule for finding in found} == {"uint8 Q/DQ"}
        assert {finding.node for finding in found} >= {"quantise_fine", "dequantise_fine", "quantise_joined"}

    def test_the_real_parser_takes_it_for_int8(self) -> None:
        tensorrt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
        network = tensorrt.Builder(logger := tensorrt.Logger(tensorrt.Logger.ERROR)).create_network(0)
        parser = tensorrt.OnnxParser(network, logger)
        if not parser.parse(skip_connection(np.uint8).SerializeToString()):
            pytest.fail(f"mended in TensorRT-RTX {tensorrt.__version__}: uint8 is an error there now; keep the lint")
        layers = [network.get_layer(i) for i in range(network.num_layers)]
        quantised = [layer.get_output(0).dtype for layer in layers if layer.type == tensorrt.LayerType.QUANTIZE]
        assert quantised
        assert set(quantised) == {tensorrt.DataType.INT8}, (
            f"TensorRT-RTX {tensorrt.__version__} reads uint8 otherwise now"
        )

    def test_edgeseg_writes_only_signed_codes(self, parent: Artifact, images: CalibrationSet, tmp_path: Path) -> None:
        assert lint(onnx.load(int8("tensorrt", parent, images, tmp_path).model_path)) == []

    def test_the_file_for_onnx_runtime_would_not_pass(
        self, parent: Artifact, images: CalibrationSet, tmp_path: Path
    ) -> None:
        found = lint(onnx.load(int8("onnx", parent, images, tmp_path).model_path))
        assert "uint8 Q/DQ" in {finding.rule for finding in found}

    def test_both_styles_say_what_they_are(self) -> None:
        assert isinstance(FOR_TENSORRT, QdqStyle)
        assert (FOR_TENSORRT.activation, FOR_TENSORRT.symmetric, FOR_TENSORRT.float_bias) == ("QInt8", True, True)
        assert (FOR_ORT.activation, FOR_ORT.reduce_range) == ("QUInt8", True)


class TestOpenVinoFoldsTheColourOrderWrongly:
    """OpenVINO 2026.4.1: a model straight from ``convert_model`` with BGR to RGB in front is compiled wrongly."""

    def logits(self, model: Any) -> Float32:
        compiled = shared_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        picture = np.random.default_rng(3).integers(0, 256, (1, SPEC.height, SPEC.width, 3), dtype=np.uint8)
        return np.asarray(compiled(picture)["logits"])

    def by_onnxruntime(self, parent: Artifact) -> Float32:
        import onnxruntime

        picture = np.random.default_rng(3).integers(0, 256, (1, SPEC.height, SPEC.width, 3), dtype=np.uint8)
        return np.asarray(onnxruntime.InferenceSession(parent.model_path).run(["logits"], {"image": picture})[0])

    def test_compiled_straight_from_the_converter_it_is_wrong(self, parent: Artifact) -> None:
        import openvino

        straight = openvino.convert_model(parent.model_path)
        assert error(self.logits(straight), self.by_onnxruntime(parent)) > WRONG, (
            f"mended in OpenVINO {metadata.version('openvino')}: export/graphs/ir_from_onnx.py may return its model"
        )

    def test_written_and_read_back_it_is_right(self, parent: Artifact, tmp_path: Path) -> None:
        from edgeseg.export.graphs.ir_from_onnx import ir_from_onnx

        ir_from_onnx(parent.model_path, tmp_path / "model.xml", SPEC, parent.outputs)
        read = shared_core().read_model(tmp_path / "model.xml")
        assert error(self.logits(read), self.by_onnxruntime(parent)) < RIGHT


def refused_by(engine: Any, engine_format: str, artifact: Artifact) -> None:
    """As it is, with its manifest edited, and, for OpenVINO, converted by hand."""
    with pytest.raises(ArtifactError, match=f"was made for {artifact.format}"):
        engine(artifact, EngineOptions())
    if engine_format == artifact.format:
        return
    disguised = dataclasses.replace(artifact, format=engine_format)
    if engine_format == "openvino":
        import openvino

        shared_core()
        model = openvino.convert_model(artifact.model_path)
        openvino.save_model(model, artifact.path / "model.xml", compress_to_fp16=False)
    with pytest.raises(ArtifactError, match=r"was quantised for \w+ and is not run by"):
        engine(disguised, EngineOptions())
    with pytest.raises(ArtifactError, match=r"was quantised for \w+ and is not run by"):
        open_engine(disguised)
