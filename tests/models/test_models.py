from __future__ import annotations

import pytest
import torch

from edgeseg.errors import UserError
from edgeseg.models.registry import MODELS, build_model, count_weights
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b", "c", "d"), 64, 64)


@pytest.mark.parametrize("stem_stride", [1, 2])
@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("size", [(64, 64), (45, 77), (8, 8)])
def test_logits_have_the_size_of_any_input(name: str, stem_stride: int, size: tuple[int, int]) -> None:
    model = build_model(name, SPEC, {"width": 0.25, "stem_stride": stem_stride}).eval()
    logits = model(torch.zeros(2, 3, *size))
    assert logits.shape == (2, 4, *size)


@pytest.mark.parametrize("name", list(MODELS))
def test_padding_at_the_bottom_right_changes_nothing_when_not_needed(name: str) -> None:
    model = build_model(name, SPEC, {"width": 0.25}).eval()
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(image), model.logits(image))


def test_binary_task_has_one_logit_and_grey_input_one_channel() -> None:
    spec = ModelSpec("binary", ("background", "x"), 32, 32, color_order="gray", mean=(0.5,), std=(0.2,))
    assert build_model("unet", spec)(torch.zeros(2, 1, 32, 32)).shape == (2, 1, 32, 32)


def test_default_unet_has_under_a_million_weights() -> None:
    spec = ModelSpec("multiclass", tuple("abcdefghijk"), 360, 480)
    assert 900_000 < count_weights(build_model("unet", spec)) < 1_000_000


def test_width_scales_channels_to_multiples_of_eight() -> None:
    model = build_model("unet", SPEC, {"width": 0.3})
    channels = {layer.out_channels for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)}
    assert all(count % 8 == 0 for count in channels - {4})


def test_every_weight_receives_a_gradient() -> None:
    for name in MODELS:
        model = build_model(name, SPEC, {"width": 0.25})
        model(torch.randn(2, 3, 64, 64)).square().mean().backward()
        silent = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        assert not silent, name


def test_fcn8s_adds_scores_of_three_strides() -> None:
    model = build_model("fcn8s", SPEC, {"width": 0.25}).eval()
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    whole = model(image)
    for score in model.scores:
        kept = score.bias.detach().clone()
        with torch.no_grad():
            score.bias += 1.0
        assert torch.allclose(model(image), whole + 1.0, atol=1e-4)
        with torch.no_grad():
            score.bias.copy_(kept)


def test_unknown_name_offers_the_closest() -> None:
    with pytest.raises(UserError, match="did you mean 'unet'"):
        build_model("unett", SPEC)


@pytest.mark.parametrize("options", [{"width": 0.0}, {"width": 99}, {"stem_stride": 3}, {"depth": 9}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UserError):
        build_model("unet", SPEC, options)
