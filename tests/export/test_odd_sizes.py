"""Any input size works: padded to the stride and cropped inside the network, in torch and in the exported file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from model_contract import randomised, tiny

from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.models.registry import MODELS
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b", "c"), 37, 53)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_network_exported_at_an_odd_size_gives_the_logits_of_torch(name: str) -> None:
    torch.manual_seed(0)
    model = randomised(tiny(name, SPEC))
    image = np.random.default_rng(0).normal(size=(1, 3, 37, 53)).astype(np.float32)
    with torch.no_grad():
        wanted = model(torch.from_numpy(image)).numpy()
    assert wanted.shape == (1, 3, 37, 53)
    proto = onnx_from_checkpoint(model, SPEC)
    core = shared_core()
    compiled = core.compile_model(
        core.read_model(proto.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    for found in (make_forward(proto)(image), np.asarray(compiled([image])[0])):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    assert wanted.std() > 1e-3


@pytest.mark.parametrize("name", [name for name in MODELS if name != "unet-valid"])
def test_the_padding_is_zeros_at_the_bottom_and_right_and_nothing_else(name: str) -> None:
    model = randomised(tiny(name, SPEC))
    image = torch.randn(1, 3, 37, 53, generator=torch.Generator().manual_seed(0))
    high, wide = (-(-side // model.stride) * model.stride for side in (37, 53))
    larger = torch.zeros(1, 3, high, wide)
    larger[..., :37, :53] = image
    with torch.no_grad():
        assert torch.equal(model(image), model(larger)[..., :37, :53])
