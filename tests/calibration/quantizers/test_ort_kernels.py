"""Kernels of ONNX Runtime that are wrong, and networks whose labels hang on a rounding though all kernels are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseg.artifact import Artifact, artifact_dir, writing_artifact
from edgeseg.calibration.images.calibration_set import CalibrationSet
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers import ort_quantizer
from edgeseg.calibration.quantizers.onnx_in_float import OnnxInFloat
from edgeseg.calibration.quantizers.onnx_ranges import find_ranges
from edgeseg.calibration.quantizers.ort_kernels import WrongKernel, avoid_known, find_wrong_kernels
from edgeseg.calibration.quantizers.ort_quantizer import STYLE, OrtQuantizer
from edgeseg.calibration.quantizers.qdq_from_onnx import qdq_from_onnx, tensors_to_watch
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.cli import main
from edgeseg.errors import ArtifactError
from edgeseg.export.graphs.deployed_graph import deployed_graph
from edgeseg.graphs.onnx_graph import load_graph
from edgeseg.runtime.engines.exact_engine import exact_agreement, rounding_agreement
from edgeseg.runtime.engines.ort_session import NOTHING, open_session
from edgeseg.spec import ModelSpec

pytestmark = pytest.mark.isa

SPEC = ModelSpec("multiclass", ("ground", "thing", "edge"), 47, 63, color_order="rgb")
CHANNELS = 16
FLAGS = ["--classes", "ground,thing,edge", "--color-order", "rgb", "--mean", "0", "0", "0", "--std", "1", "1", "1"]


class Net:
    """A network in the making; every method adds a layer behind the last."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.last, self.channels = "x", 3

    def add(self, op: str, *constants: Any, **attributes: Any) -> Net:
        name = f"{op.lower()}{len(self.nodes)}"
        names = [f"{name}_{i}" if value is not None else "" for i, value in enumerate(constants)]
        self.constants |= {key: value for key, value in zip(names, constants, strict=True) if key}
        self.nodes.append(helper.make_node(op, [self.last, *names], [f"{name}_out"], name=name, **attributes))
        self.last = f"{name}_out"
        return self

    def convolve(self, channels: int = CHANNELS, side: int = 3) -> Net:
        shape, spread = (channels, self.channels, side, side), np.sqrt(2 / (self.channels * side * side))
        self.channels = channels
        weights = self._random.normal(0, spread, shape).astype(np.float32)
        return self.add("Conv", weights, pads=[side // 2] * 4)

    def save(self, path: Path) -> Path:
        """End in the logits, at the size of the input."""
        sizes = np.array([1, 3, SPEC.height, SPEC.width])
        self.convolve(3, 1).add("Resize", None, None, sizes, mode="nearest", nearest_mode="floor")
        shape = [1, 3, SPEC.height, SPEC.width]
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", self.last)]
        constants = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "net", ends[:1], ends[1:], constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path


def pooled(**settings: Any) -> Net:
    net = Net().convolve().add("Relu").convolve().add("Relu")
    net.add("AveragePool", strides=[2, 2], ceil_mode=1, count_include_pad=1, **settings)
    return net.convolve().add("Relu").convolve().add("Relu")


def attended() -> Net:
    """A softmax between two convolutions, of what a third reads too."""
    net = Net().convolve()
    shared = net.last
    net.add("Softmax", axis=1).convolve()
    branch, net.last = net.last, shared
    net.convolve()
    net.nodes.append(helper.make_node("Add", [net.last, branch], ["both"], name="add"))
    net.last = "both"
    return net.convolve()


def hardly_trained() -> Net:
    """Forty-eight random layers, and normalised before the head: what they add to each other is nearly chance."""
    net = Net()
    for _ in range(48):
        net.convolve().add("Relu")
    return net.add("InstanceNormalization", np.ones(CHANNELS, np.float32), np.zeros(CHANNELS, np.float32))


def fp32(net: Net, out: Path) -> Artifact:
    path = artifact_dir(out, "tiny", "fp32", "onnx")
    manifest = {"name": "tiny", "precision": "fp32", "format": "onnx", "outputs": ["labels", "logits"], "spec": SPEC}
    with writing_artifact(path, manifest) as folder:
        network = onnx.load(net.save(out / "net.onnx"))
        onnx.save(deployed_graph(network, SPEC, ["labels", "logits"]), folder / "model.onnx")
    return Artifact.open(path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(12):
        clouds = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), cv2.resize(clouds, (SPEC.width, SPEC.height)))
    return folder


@pytest.fixture(scope="module")
def images(pictures: Path) -> CalibrationSet:
    return load_set(pictures, SPEC, 8)


def as_the_library_writes_it(parent: Artifact, images: CalibrationSet) -> Any:
    model = load_graph(parent.model_path)
    return qdq_from_onnx(model, find_ranges(model, tensors_to_watch(model, STYLE), images), STYLE)


def wrong_in(model: Any, images: CalibrationSet) -> list[WrongKernel]:
    return find_wrong_kernels(model, [images.tensor(path) for path in images.images[:2]])


def quantise(parent: Artifact, images: CalibrationSet, out: Path, recipe: Recipe | None = None) -> tuple[Any, Any]:
    facts = OrtQuantizer().quantize(parent, images, recipe or Recipe(), out, lambda: None)
    return onnx.load(out / "model.onnx"), facts


def optimised_kinds(model: Any, folder: Path) -> list[str]:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    settings.optimized_model_filepath = str(folder / "optimised.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), settings)
    return [node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node]


class TestAverageOverTheEdge:
    """Trap, ONNX Runtime 1.32: ``torch.nn.AvgPool2d(2, ceil_mode=True)`` on an odd size, in INT8."""

    @pytest.mark.parametrize("settings", [{"kernel_shape": [2, 2]}, {"kernel_shape": [3, 3], "pads": [0, 0, 1, 1]}])
    def test_the_wrong_kernel_is_found_by_name(
        self, settings: dict[str, Any], images: CalibrationSet, tmp_path: Path
    ) -> None:
        parent = fp32(pooled(**settings), tmp_path)
        (wrong,) = wrong_in(as_the_library_writes_it(parent, images), images)
        assert wrong.nodes == ("net/averagepool4",)
        assert wrong.worst > 10
        assert str(wrong).startswith("net/averagepool4 (up to ")

    def test_without_padding_it_stays_int8_and_is_right(self, images: CalibrationSet, tmp_path: Path) -> None:
        model, facts = quantise(fp32(pooled(kernel_shape=[2, 2]), tmp_path), images, tmp_path)
        assert "QLinearAveragePool" in optimised_kinds(model, tmp_path)
        assert wrong_in(model, images) == []
        assert facts["exact_agreement"] > 0.995
        assert "wrong_kernels" not in facts

    def test_with_padding_it_is_computed_in_float_between_int8(self, images: CalibrationSet, tmp_path: Path) -> None:
        parent = fp32(pooled(kernel_shape=[3, 3], pads=[0, 0, 1, 1]), tmp_path)
        before = optimised_kinds(as_the_library_writes_it(parent, images), tmp_path)
        model, facts = quantise(parent, images, tmp_path)
        after = optimised_kinds(model, tmp_path)
        assert (before.count("QLinearAveragePool"), after.count("QLinearAveragePool")) == (1, 0)
        assert after.count("QLinearConv") == before.count("QLinearConv") == 3
        assert wrong_in(model, images) == []
        (named,) = facts["wrong_kernels"]
        assert named.startswith("net/averagepool4 (up to ")

    def test_with_padding_that_reaches_over_no_edge_it_stays_int8(self, images: CalibrationSet, tmp_path: Path) -> None:
        parent = fp32(pooled(kernel_shape=[3, 3], pads=[1, 1, 1, 1]), tmp_path)
        model, facts = quantise(parent, images, tmp_path)
        assert "QLinearAveragePool" in optimised_kinds(model, tmp_path)
        assert "wrong_kernels" not in facts

    def test_float_masks_are_not_changed_by_the_way_round(self, images: CalibrationSet, tmp_path: Path) -> None:
        import onnxruntime

        model = load_graph(fp32(pooled(kernel_shape=[2, 2]), tmp_path).model_path)
        picture = {"image": images.tensor(images.images[0])}
        before, after = (
            onnxruntime.InferenceSession(one.SerializeToString()).run(["logits"], picture)[0]
            for one in (model, avoid_known(model)[0])
        )
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_a_softmax_is_computed_in_float(images: CalibrationSet, tmp_path: Path) -> None:
    parent = fp32(attended(), tmp_path)
    assert "QLinearSoftmax" in optimised_kinds(as_the_library_writes_it(parent, images), tmp_path)
    model, _ = quantise(parent, images, tmp_path)
    kinds = optimised_kinds(model, tmp_path)
    assert "QLinearSoftmax" not in kinds
    assert kinds.count("QLinearConv") == 3


class TestLabelsThatHangOnARounding:
    """What two networks of segmentation_models_pytorch with random weights were refused for, with no kernel wrong."""

    def test_float_kernels_disagree_as_much_as_those_of_int8(self, images: CalibrationSet, tmp_path: Path) -> None:
        onnx.save(model := as_the_library_writes_it(fp32(hardly_trained(), tmp_path), images), tmp_path / "q.onnx")
        tensors = [images.tensor(path) for path in images.images]
        assert wrong_in(model, images) == []
        kernels, rounding = (measure(tmp_path / "q.onnx", tensors) for measure in (exact_agreement, rounding_agreement))
        assert kernels < 0.95
        assert rounding < 0.95

    def test_it_is_exported_and_the_reader_is_told(
        self, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = hardly_trained().save(tmp_path / "rough.onnx")
        no_limits = ["--max-drop", "100", "--no-search"]
        size = ["--imgsz", str(SPEC.height), str(SPEC.width)]
        command = ["export", str(source), "--format", "onnx", "--int8", "--data", str(pictures), *size]
        assert main([*command, *FLAGS, *no_limits, "--out", str(tmp_path)]) == 0
        assert "hangs on the last bit of a sum, so another processor may draw" in capsys.readouterr().out
        facts = Artifact.open(tmp_path / "rough-int8-onnx").calibration
        assert facts["exact_agreement"] < 0.98
        assert facts["rounding_agreement"] < 0.98

    def test_more_than_rounding_explains_is_refused(
        self, images: CalibrationSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ort_quantizer, "exact_agreement", lambda path, tensors: 0.9)
        parent = fp32(pooled(kernel_shape=[2, 2]), tmp_path)
        with pytest.raises(ArtifactError, match=r"10.00 % of the pixels another label .* rounding explains 0\.\d\d %"):
            quantise(parent, images, tmp_path)

    def test_where_float_does_not_help_no_file_is_written(
        self, images: CalibrationSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parent = fp32(pooled(kernel_shape=[2, 2]), tmp_path)
        monkeypatch.setattr(
            ort_quantizer, "find_wrong_kernels", lambda model, tensors: [WrongKernel(("net/conv0",), 40, 0.5)]
        )
        with pytest.raises(ArtifactError, match=r"compute net/conv0 \(up to 40 codes, \+0.50 in the mean\) otherwise"):
            quantise(parent, images, tmp_path)
        assert not (tmp_path / "model.onnx").exists()


def test_any_kernel_can_be_had_in_float(images: CalibrationSet, tmp_path: Path) -> None:
    """What is done about a kernel that nobody knew of, on every layer of a network."""
    parent = fp32(pooled(kernel_shape=[2, 2]), tmp_path)
    model = load_graph(parent.model_path)
    ranges = find_ranges(model, tensors_to_watch(model, STYLE), images)
    plain, shielded = (
        qdq_from_onnx(model, ranges, STYLE, shielded=names) for names in ((), {node.name for node in model.graph.node})
    )
    assert not [kind for kind in optimised_kinds(shielded, tmp_path) if kind.startswith("QLinear")]
    assert wrong_in(shielded, images) == []
    picture = images.tensor(images.images[0])
    exact = [run_exactly(one, picture) for one in (plain, shielded)]
    np.testing.assert_array_equal(*exact)


def test_layers_are_ranked_by_what_exact_arithmetic_makes_of_the_file(images: CalibrationSet, tmp_path: Path) -> None:
    """No INT8 kernel has a part in the ranking, so none is checked for it; weights are rounded as the file has them."""
    parent, quantizer = fp32(pooled(kernel_shape=[2, 2]), tmp_path), OrtQuantizer()
    others = quantizer.layers(parent)[1:]
    recipe = Recipe(keep_float=frozenset(others))
    written, _ = quantise(parent, images, tmp_path, recipe)
    picture = images.tensor(images.images[0])
    (ranked,) = OnnxInFloat(quantizer, parent, images, Recipe()).logits(others, [picture])
    np.testing.assert_array_equal(ranked, run_exactly(written, picture))


def run_exactly(model: Any, picture: Any) -> Any:
    return open_session(model.SerializeToString(), NOTHING).run(["logits"], {"image": picture})[0]
