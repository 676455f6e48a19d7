"""Gradients of depthwise convolutions in bf16 training: those of float32, while the forward stays as it is."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from edgeseg.models.registry import build_model
from edgeseg.spec import ModelSpec
from edgeseg.training.precision import DepthwiseGradientsInFloat

SHAPES = {
    "3x3": {"kernel_size": 3, "padding": 1},
    "strided": {"kernel_size": 3, "stride": 2, "padding": 1},
    "5x5 dilated": {"kernel_size": 5, "padding": 4, "dilation": 2, "bias": True},
    "oblong": {"kernel_size": (1, 3), "padding": (0, 1)},
}


def gradients_in_bf16(layer: nn.Module, images: Tensor, away: Tensor, in_float: bool) -> tuple[Tensor, list[Tensor]]:
    """What a layer gives, and the gradients of the pictures and of its weights."""
    images = images.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        if in_float:
            with DepthwiseGradientsInFloat():
                out = layer(images)
        else:
            out = layer(images)
    return out, list(torch.autograd.grad(out, [images, *layer.parameters()], away.to(out.dtype)))


@pytest.mark.parametrize("name", SHAPES)
def test_the_forward_is_the_same_and_gradients_are_closer_to_float(name: str) -> None:
    torch.manual_seed(0)
    settings = {"bias": False, **SHAPES[name]}
    layer = nn.Conv2d(12, 12, groups=12, **settings).to(memory_format=torch.channels_last)
    images = torch.randn(2, 12, 21, 18).contiguous(memory_format=torch.channels_last)
    away = torch.randn_like(layer(images)).bfloat16().float()
    plain, in_bf16 = gradients_in_bf16(layer, images, away, in_float=False)
    out, found = gradients_in_bf16(layer, images, away, in_float=True)
    assert out.dtype == plain.dtype == torch.bfloat16
    assert torch.equal(out, plain)
    exact = images.clone().requires_grad_()
    wanted = torch.autograd.grad(layer(exact), [exact, *layer.parameters()], away)
    for one, half, right in zip(found, in_bf16, wanted, strict=True):
        assert one.dtype == right.dtype
        assert (one - right).abs().max() <= 1e-5 * right.abs().max()
        assert (one - right).abs().mean() <= (half - right).abs().mean()


@pytest.mark.parametrize("precision", ["float32", "dense", "no gradient"])
def test_whatever_else_is_left_as_it_is(precision: str) -> None:
    torch.manual_seed(0)
    dense = precision == "dense"
    layer = nn.Conv2d(8, 8, 3, groups=1 if dense else 8)
    images = torch.randn(1, 8, 9, 9)
    in_bf16 = torch.autocast("cpu", torch.bfloat16, enabled=precision != "float32")
    with in_bf16, torch.set_grad_enabled(precision != "no gradient"):
        wanted = layer(images)
        with DepthwiseGradientsInFloat():
            out = layer(images)
    assert torch.equal(out, wanted)
    assert out.requires_grad == wanted.requires_grad
    assert type(out.grad_fn) is type(wanted.grad_fn)


def test_a_network_learns_the_same_from_a_step() -> None:
    torch.manual_seed(0)
    net = build_model("lite-unet", ModelSpec("binary", ("a", "b"), 64, 64)).train()
    other = copy.deepcopy(net)
    images = torch.randn(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    for one in (net, other):
        with torch.autocast("cpu", torch.bfloat16), DepthwiseGradientsInFloat() if one is net else torch.enable_grad():
            loss = one(images).float().square().mean()
        loss.backward()
    pairs = list(zip(net.parameters(), other.parameters(), strict=True))
    assert all(a.grad is not None and a.grad.isfinite().all() for a, _ in pairs)
    flat, plain = (torch.cat([p.grad.flatten() for p in side]) for side in zip(*pairs, strict=True))
    assert torch.cosine_similarity(flat, plain, 0) > 0.98
