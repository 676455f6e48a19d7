"""Frames resized in the graph are those that ``fit`` resizes, within one grey level, and TensorRT takes the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from exported_nets import ExportNet
from linear_model import onnx_model
from onnx import TensorProto, helper
from tensorrt_zoo import SPEC, artifact_of, every_precision

from edgeseg.calibration.images.load_set import load_set
from edgeseg.errors import ArtifactError
from edgeseg.export.graphs.gpu_resize import resize_graph
from edgeseg.image import fit
from edgeseg.runtime.trt.engine_from_onnx import BuildJob, build_engine
from edgeseg.runtime.trt.versions import RTX, find_library
from edgeseg.spec import ModelSpec

SMALL = [(72, 96), (48, 64), (97, 131), (24, 32), (10, 14), (7, 300), (300, 7), (24, 64)]
CAMERAS = [(480, 640), (720, 1280), (1080, 1920), (1944, 2592)]
FRAMES = [*((size, (24, 32)) for size in SMALL), *((size, (360, 480)) for size in CAMERAS)]
"""Sizes of frames and of the network."""


def exact(model: onnx.ModelProto, frame: np.ndarray, *names: str) -> list[np.ndarray]:
    """ONNX Runtime without optimisations."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(list(names), {"image": frame[None]})


def picture(size: tuple[int, int]) -> np.ndarray:
    """Edges and noise of every grey level."""
    rng = np.random.default_rng(sum(size))
    found = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    found[: size[0] // 2] = 255 * (np.indices((size[0] // 2, size[1])).sum(0) // 3 % 2)[..., None]
    return found


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
@pytest.mark.parametrize(("size", "network"), FRAMES, ids=str)
def test_pixels_are_within_one_grey_level_of_fit(
    size: tuple[int, int], network: tuple[int, int], resize: str, channels: int
) -> None:
    statistics = {"mean": (0.5,), "std": (0.25,)} if channels == 1 else {}
    spec = ModelSpec("multiclass", ("a", "b", "c"), *network, "gray" if channels == 1 else "rgb", **statistics)
    spec = spec.replace(resize=resize)
    model = resize_graph(onnx_model(spec, False), spec, size)
    (fitted,) = [node.output[0] for node in onnx_model(spec, False).graph.node if "image" in node.input]
    model.graph.output.append(helper.make_tensor_value_info(fitted, TensorProto.FLOAT, [1, *network, channels]))
    frame = picture(size)
    (found,) = exact(model, frame, fitted)
    wanted = fit(frame, spec)
    assert found.shape == (1, *wanted.shape)
    assert np.array_equal(found, np.rint(found))
    assert np.abs(found[0] - wanted).max() <= 1


@pytest.mark.slow
def test_every_precision_builds_and_segments_as_behind_the_cpus_resize(
    data: Path, exported: ExportNet, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX's wheel is not installed here")
    files = every_precision(artifact_of("unet", exported, tmp_path), load_set(data, SPEC, 4), tmp_path)
    frame = picture((150, 200))
    for precision, path in files.items():
        model = onnx.load_model(str(path))
        resized = resize_graph(model, SPEC, frame.shape[:2])
        (found,), (wanted,) = exact(resized, frame, "labels"), exact(model, fit(frame, SPEC), "labels")
        assert np.mean(found == wanted) > 0.99, precision
        engine = build_engine(BuildJob(resized.SerializeToString(), precision.split()[0]), find_library(RTX))
        assert engine[:4] == b"vtrt", precision


def test_a_graph_that_is_not_edgesegs_is_refused() -> None:
    pixels = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Relu", ["image"], ["y"])], "g", [pixels], [result])
    with pytest.raises(ArtifactError, match=r"casts 'image' to float32 first; found \['Relu'\]"):
        resize_graph(helper.make_model(graph), SPEC, (8, 8))
