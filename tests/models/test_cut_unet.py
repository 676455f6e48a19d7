"""A U-Net without its deeper levels gives what the whole one gives when they are a constant."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from model_contract import randomised, tiny
from torch import Tensor, nn

from edgeseg.errors import UserError
from edgeseg.models.cut_unet import CutUNet, cut_below
from edgeseg.models.joins import Join, readers
from edgeseg.models.registry import MODELS, count_weights

CUTTABLE = ("unet", "unet-plain", "attention-unet", "mobile-unet", "lite-unet")
IMAGE = torch.randn(2, 3, 45, 70, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
"""In double precision even what an untrained network hardly hears of its deep levels is far from rounding."""
NEAR = 1e-10


def means_of(model: nn.Module, join: Join) -> tuple[Tensor, Tensor | None]:
    """(mean of the concatenation, mean of the map below), by hooks of their own."""
    seen: dict[str, Tensor] = {}
    with contextlib.ExitStack() as stack:
        look = join.module.register_forward_pre_hook(lambda module, inputs: seen.update(joined=inputs[0]))
        stack.callback(look.remove)
        if join.gate is not None:
            gate = join.gate.register_forward_pre_hook(lambda module, inputs: seen.update(below=inputs[1]))
            stack.callback(gate.remove)
        with torch.no_grad():
            model(IMAGE)
    means = {name: value.mean((0, 2, 3)) for name, value in seen.items()}
    return means["joined"], means.get("below")


@contextlib.contextmanager
def constant_below(join: Join, mean: Tensor, below: Tensor | None) -> Iterator[None]:
    """The coarse path is its mean in every pixel that the join's convolutions read, beyond the edge, too."""

    def read(convolution: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x, edge = inputs[0], convolution.padding[0]
        padded = F.pad(x, (edge,) * 4)
        padded[:, : join.coarse] = mean[: join.coarse, None, None]
        return F.conv2d(padded, convolution.weight, convolution.bias, groups=convolution.groups)

    def look(gate: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        assert below is not None
        return inputs[0], below[:, None, None].expand_as(inputs[1])

    handles: list[Any] = [convolution.register_forward_hook(read) for convolution in readers(join.module)]
    if join.gate is not None:
        handles.append(join.gate.register_forward_pre_hook(look))
    yield
    for handle in handles:
        handle.remove()


def whole_and_cut(name: str, level: int, **options: object) -> tuple[Tensor, Tensor, CutUNet, nn.Module]:
    """Logits of the whole network with a constant below ``level``, those of the cut one, and both networks."""
    torch.manual_seed(0)
    model = randomised(tiny(name, **options)).double()
    join = model.skip_joins()[level]
    means = means_of(model, join)
    small = cut_below(model, level, *means)
    with torch.no_grad(), constant_below(join, *means):
        wanted = model(IMAGE)
    with torch.no_grad():
        return wanted, small(IMAGE), small, model


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("name", CUTTABLE)
def test_a_cut_network_is_the_whole_one_with_a_constant_below(name: str, level: int) -> None:
    if name == "lite-unet" and level == 3:
        return
    wanted, found, small, whole = whole_and_cut(name, level)
    assert wanted.std() > 1e-3
    assert torch.allclose(found, wanted, atol=NEAR, rtol=0)
    mean, below = means_of(whole, whole.skip_joins()[level])
    with torch.no_grad():
        assert not torch.allclose(cut_below(whole, level, 0 * mean, below)(IMAGE), wanted, atol=NEAR, rtol=0)
        if below is not None:
            assert not torch.allclose(cut_below(whole, level, mean, below + 1)(IMAGE), wanted, atol=NEAR, rtol=0)
    assert count_weights(small) < count_weights(whole)


@pytest.mark.parametrize("upsampling", ["nearest", "transposed", "unpool"])
@pytest.mark.parametrize("name", ["unet", "attention-unet", "lite-unet"])
def test_it_holds_for_every_upsampling(name: str, upsampling: str) -> None:
    wanted, found, *_ = whole_and_cut(name, 1, upsampling=upsampling)
    assert torch.allclose(found, wanted, atol=NEAR, rtol=0)


def test_it_holds_at_half_resolution() -> None:
    wanted, found, *_ = whole_and_cut("unet", 1, stem_stride=2)
    assert torch.allclose(found, wanted, atol=NEAR, rtol=0)


def test_away_from_the_edge_the_constant_is_what_a_plain_hook_puts_there() -> None:
    """Two 3x3 convolutions follow, so the zeros beyond the edge reach two pixels far."""
    model = randomised(tiny("unet-plain")).double()
    join = model.skip_joins()[0]
    mean, _ = means_of(model, join)

    def constant(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        x = inputs[0].clone()
        x[:, : join.coarse] = mean[: join.coarse, None, None]
        return x

    image = IMAGE[..., :32, :64]
    small = cut_below(model, 0, mean)
    handle = join.module.register_forward_pre_hook(constant)
    with torch.no_grad():
        wanted, found = model(image), small(image)
    handle.remove()
    assert torch.allclose(found[..., 2:-2, 2:-2], wanted[..., 2:-2, 2:-2], atol=NEAR, rtol=0)
    assert not torch.allclose(found, wanted, atol=NEAR, rtol=0)


def test_only_the_finest_level_of_a_unet_is_left() -> None:
    *_, small, whole = whole_and_cut("unet", 0)
    assert len(small.encoder.stages) == 1
    assert len(small.decoder) == 0
    left = [whole.encoder.stem, whole.encoder.stages[0], whole.decoder[-1], whole.head]
    coarse_part = 8 * 8 * (9 + 1) - 2 * 8  # of the 3x3 and the 1x1 convolution of its block; each has a bias now
    assert count_weights(small) == sum(p.numel() for m in left for p in m.parameters()) - coarse_part


def test_the_whole_network_is_left_as_it_was() -> None:
    model = randomised(tiny("mobile-unet")).double()
    with torch.no_grad():
        before = model(IMAGE)
        cut_below(model, 1, *means_of(model, model.skip_joins()[1]))
        assert torch.equal(model(IMAGE), before)


@pytest.mark.parametrize("name", sorted(set(MODELS) - set(CUTTABLE)))
def test_networks_of_another_shape_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"cuts a U-Net with same padding; this is a .*`cut_to_depth"):
        cut_below(tiny(name), 0, torch.zeros(8))


@pytest.mark.parametrize("level", [-1, 4])
def test_a_level_that_is_not_there_is_refused(level: int) -> None:
    with pytest.raises(UserError, match=f"must be 0 .* to 3 .*found {level}"):
        cut_below(tiny("unet"), level, torch.zeros(8))
