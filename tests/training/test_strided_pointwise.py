"""1x1 convolutions with a stride: their gradient crashes in torch 2.13 unless the layer goes round it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgeseg.models.blocks import ONEDNN_BLOCK, StridedPointwise

STEPS = """
import sys
import torch
from edgeseg.models.registry import build_model
from edgeseg.spec import ModelSpec
half, width = sys.argv[1] == "bf16", float(sys.argv[2])
model = build_model("unet", ModelSpec("multiclass", ("a", "b"), 96, 96), {"width": width}).train()
model = model.to(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(model.parameters())
for _ in range(2):
    images = torch.randn(4, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = model(images)
    logits.float().square().mean().backward()
    optimizer.step()
"""

GRADIENTS = """
import torch
from edgeseg.models.blocks import StridedPointwise
torch.manual_seed(0)
for inputs in (3, 4, 8, 12, 16, 24):
    layer = StridedPointwise(inputs, 24, 1, 2, bias=False).to(memory_format=torch.channels_last)
    image = torch.randn(4, inputs, 33, 50).contiguous(memory_format=torch.channels_last).requires_grad_()
    output = layer(image)
    away = torch.randn_like(output)
    found = torch.autograd.grad(output, (image, layer.weight), away)
    double = layer.weight.double().detach().requires_grad_(), image.double().detach().requires_grad_()
    output = torch.einsum("oi,nihw->nohw", double[0][..., 0, 0], double[1][..., ::2, ::2])
    wanted = torch.autograd.grad(output, double[::-1], away.double())
    for one, other in zip(found, wanted):
        assert (one - other).abs().max() <= 1e-4 * other.abs().max(), inputs
"""


@pytest.mark.parametrize("precision", ["no", "bf16"])
@pytest.mark.parametrize("width", ["0.25", "0.5"])
def test_narrow_networks_train_without_a_crash(precision: str, width: str) -> None:
    """In a process of its own, since a segmentation fault is what is feared."""
    subprocess.run([sys.executable, "-c", STEPS, precision, width], check=True, timeout=200)


def test_gradients_are_those_of_the_arithmetic_in_double_precision() -> None:
    subprocess.run([sys.executable, "-c", GRADIENTS], check=True, timeout=200)


@pytest.mark.parametrize("inputs", [8, ONEDNN_BLOCK])
@pytest.mark.parametrize("size", [(9, 12), (16, 33)])
def test_training_and_inference_compute_the_same(inputs: int, size: tuple[int, int]) -> None:
    layer, image = StridedPointwise(inputs, 16, 1, 2, bias=False), torch.randn(2, inputs, *size)
    with torch.no_grad():
        trained, inferred = layer.train()(image), layer.eval()(image)
    assert torch.allclose(trained, inferred, rtol=0, atol=1e-6)
    assert torch.allclose(inferred, F.conv2d(image, layer.weight, stride=2), rtol=0, atol=0)


def test_what_is_exported_is_a_plain_strided_convolution() -> None:
    graph = torch.export.export(StridedPointwise(8, 16, 1, 2, bias=False).eval(), (torch.randn(1, 8, 8, 8),)).graph
    calls = [node for node in graph.nodes if node.op == "call_function"]
    assert [node.target for node in calls] == [torch.ops.aten.conv2d.default]
    assert list(calls[0].args[3]) == [2, 2]


def test_checkpoints_hold_what_they_held_before() -> None:
    ours, plain = StridedPointwise(8, 16, 1, 2, bias=False), nn.Conv2d(8, 16, 1, 2, bias=False)
    assert ours.state_dict().keys() == plain.state_dict().keys()
    ours.load_state_dict(plain.state_dict())
