"""The engines that the registry names for a network are those that run it: exported, run, compared.

At a size that no stride divides: it is padded to the stride and cropped inside the network, in torch and in the file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from exported_nets import ODD, ExportNet

from edgeseg.export.graphs.opset import read_opset
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.models.registry import ENGINES, MODELS
from edgeseg.runtime.engines.openvino_core import shared_core

pytestmark = [pytest.mark.isa, pytest.mark.long]

UNUSUAL = [("unet", "transposed"), ("unet", "unpool"), ("unet-plain", "nearest"), ("unet-valid", "bilinear")]
CASES = [(name, None) for name in MODELS] + UNUSUAL


def by_onnxruntime(proto: Any, image: np.ndarray) -> np.ndarray:
    return make_forward(proto)(image)


def by_openvino(proto: Any, image: np.ndarray) -> np.ndarray:
    core = shared_core()
    model = core.read_model(proto.SerializeToString())
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled([image])[0])


def built_by_tensorrt_rtx(proto: Any) -> None:
    """TensorRT-RTX parses and builds without a GPU; it runs nothing here."""
    rtx = pytest.importorskip("tensorrt_rtx", reason="the parser of TensorRT for RTX is not installed")
    builder = rtx.Builder(rtx.Logger(rtx.Logger.ERROR))
    network = builder.create_network(1 << int(rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = rtx.OnnxParser(network, rtx.Logger(rtx.Logger.ERROR))
    assert parser.parse(proto.SerializeToString()), [parser.get_error(i).desc() for i in range(parser.num_errors)]
    assert builder.build_serialized_network(network, builder.create_builder_config()) is not None


@pytest.mark.slow
@pytest.mark.parametrize(("name", "upsampling"), CASES, ids=lambda value: value or "default")
def test_a_network_gives_the_same_mask_in_every_engine_that_the_registry_names(
    name: str, upsampling: str | None, exported: ExportNet
) -> None:
    assert MODELS[name].engines == ENGINES, "write the exception and its reason into this test, too"
    made = exported(name, **({"upsampling": upsampling} if upsampling else {}))
    image = np.random.default_rng(0).normal(size=(1, 3, ODD.height, ODD.width)).astype(np.float32)
    with torch.no_grad():
        wanted = made.model(torch.from_numpy(image)).numpy()
    assert wanted.shape == (1, 3, ODD.height, ODD.width)
    proto = made.proto
    assert read_opset(proto) == 17
    tolerance = 1e-4 * np.abs(wanted).max()
    middle = wanted.mean((2, 3), keepdims=True)  # an untrained network would give one class everywhere
    ranked = np.sort(wanted - middle, 1)
    sure = ranked[:, -1] - ranked[:, -2] > 2 * tolerance
    mask = (wanted - middle).argmax(1)
    assert len(np.unique(mask)) == 3
    assert sure.mean() > 0.9
    for run in (by_onnxruntime, by_openvino):
        logits = run(proto, image)
        np.testing.assert_allclose(logits, wanted, rtol=0, atol=tolerance)
        np.testing.assert_array_equal((logits - middle).argmax(1)[sure], mask[sure])
    built_by_tensorrt_rtx(proto)
