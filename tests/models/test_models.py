from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from model_contract import SPEC, ModelContract, tiny

from edgeseg.errors import UserError
from edgeseg.models.blocks import StridedPointwise
from edgeseg.models.registry import MODELS, build_model, count_weights, full_options
from edgeseg.spec import ModelSpec


def contract_of(name: str) -> type[ModelContract]:
    return type(f"Test_{name.replace('-', '_')}", (ModelContract,), {"name": name})


globals().update({f"Test_{name}": contract_of(name) for name in MODELS})


@pytest.mark.parametrize("name", [name for name in MODELS if name != "unet-valid"])
def test_padding_at_the_bottom_right_changes_nothing_when_not_needed(name: str) -> None:
    model = tiny(name).eval()
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(image), model.logits(image))


def test_default_unet_has_under_a_million_weights() -> None:
    spec = ModelSpec("multiclass", tuple("abcdefghijk"), 360, 480)
    assert 900_000 < count_weights(build_model("unet", spec)) < 1_000_000


def test_width_scales_channels_to_multiples_of_eight() -> None:
    model = build_model("unet", SPEC, {"width": 0.3})
    channels = {layer.out_channels for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)}
    assert all(count % 8 == 0 for count in channels - {4})


@pytest.mark.parametrize(("name", "count"), [("fcn32s", 1), ("fcn16s", 2), ("fcn8s", 3)])
def test_an_fcn_adds_the_scores_of_its_strides(name: str, count: int) -> None:
    model = tiny(name).eval()
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features = model.encoder(image)
    assert [64 // feature.shape[-1] for feature in features[-count:]] == [8, 16, 32][-count:]
    whole = model(image)
    assert len(model.scores) == count
    for score in model.scores:
        kept = score.bias.detach().clone()
        with torch.no_grad():
            score.bias += 1.0
        assert torch.allclose(model(image), whole + 1.0, atol=1e-4)
        with torch.no_grad():
            score.bias.copy_(kept)


CHANNELS_LAST_STEP = """
import torch
from edgeseg.models.blocks import ResidualBlock
block = ResidualBlock(8, 16, stride=2).to(memory_format=torch.channels_last)
for _ in range(3):
    image = torch.randn(4, 8, 48, 48).contiguous(memory_format=torch.channels_last).requires_grad_()
    block(image).square().mean().backward()
"""


def test_narrow_networks_train_in_channels_last_without_a_crash() -> None:
    """In a process of its own, since a segmentation fault is what is feared."""
    subprocess.run([sys.executable, "-c", CHANNELS_LAST_STEP], check=True)


def test_a_strided_pointwise_convolution_trains_and_infers_alike() -> None:
    layer = StridedPointwise(8, 16, 1, 2, bias=False)
    image = torch.randn(2, 8, 9, 12)
    assert torch.allclose(layer.train()(image), layer.eval()(image), atol=1e-5)


def test_an_attention_gate_multiplies_a_skip_by_coefficients_of_its_own_size() -> None:
    gate = tiny("attention-unet").gates[0].eval()
    inputs = gate.of_skip.in_channels, gate.of_coarse.in_channels
    skip, coarse = torch.randn(1, inputs[0], 12, 16), torch.randn(1, inputs[1], 6, 8)
    coefficients = gate.coefficients(skip, coarse)
    assert coefficients.shape == (1, 1, 12, 16)
    assert 0 < coefficients.min() < coefficients.max() < 1
    assert torch.equal(gate(skip, coarse), skip * coefficients)
    with torch.no_grad():
        gate.score.bias.fill_(-100)
    assert gate(skip, coarse).abs().max() < 1e-6


def test_unknown_name_offers_the_closest() -> None:
    with pytest.raises(UserError, match="did you mean 'unet'"):
        build_model("unett", SPEC)
    with pytest.raises(UserError, match="did you mean 'attention-unet'"):
        build_model("atention_unet", SPEC)


@pytest.mark.parametrize(
    "options",
    [{"width": 0.0}, {"width": 99}, {"width": float("nan")}, {"width": "2"}, {"stem_stride": 3}, {"stem_stride": True}],
)
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UserError, match=f"`{next(iter(options))}` must be .*; found"):
        build_model("unet", SPEC, options)


def test_options_left_out_have_their_defaults() -> None:
    assert full_options("unet", {"width": 2}) == {"width": 2, "stem_stride": 1, "upsampling": "bilinear"}
    assert full_options("unet-valid")["upsampling"] == "transposed"
