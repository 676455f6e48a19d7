"""What every network of the registry promises; a test class inherits it and names one."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from edgeseg.errors import UserError
from edgeseg.models.registry import build_model, full_options, model_entry
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b", "c", "d"), 64, 64)


def tiny(name: str, spec: ModelSpec = SPEC, **options: Any) -> torch.nn.Module:
    """The smallest network of that name."""
    width = {"width": 0.25} if "width" in full_options(name) else {}
    return build_model(name, spec, {**width, **options})


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    """In eval mode, with batch statistics and biases that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(1)
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.dtype.is_floating_point and value.ndim == 1:
            low = 0.5 if name.endswith(("running_var", "weight")) else -0.2
            value.data.uniform_(low, low + 0.4, generator=generator)
    return model.eval()


def upsamplings(name: str) -> tuple[str, ...]:
    return next(option.allowed for option in model_entry(name).options if option.name == "upsampling")


def change_center(name: str, seed: int) -> list[float]:
    """Row and column around which the logits of a fresh network change when pixel (20, 36) does."""
    torch.manual_seed(seed)
    model = randomised(tiny(name))
    image = torch.randn(1, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model(image)
        marked = image.clone()
        marked[..., 20, 36] += 5
        change = (model(marked) - whole).abs().sum((0, 1))
    weights = change / change.sum()
    return [float((weights.sum(1 - axis) * torch.arange(side)).sum()) for axis, side in enumerate(change.shape)]


class ModelContract:
    """Inherit, and set ``name``."""

    name: ClassVar[str]

    @pytest.mark.parametrize("size", [(64, 64), (45, 77), (8, 8), (1, 9)])
    def test_logits_have_the_size_of_any_input(self, size: tuple[int, int]) -> None:
        for kind in upsamplings(self.name):
            logits = tiny(self.name, upsampling=kind).eval()(torch.zeros(2, 3, *size))
            assert logits.shape == (2, 4, *size), kind

    def test_the_same_pixels_give_the_same_logits_whatever_else_is_in_the_batch(self) -> None:
        model = randomised(tiny(self.name))
        images = torch.randn(2, 3, 40, 56, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            assert torch.allclose(model(images)[1:], model(images[1:]), atol=1e-4)

    def test_logits_move_with_the_image(self) -> None:
        """A padding or cropping that is off by a pixel would shift them; four draws even a coarse grid out."""
        centers = [change_center(self.name, seed) for seed in range(4)]
        assert np.mean(centers, axis=0) == pytest.approx([20, 36], abs=4.5)

    def test_every_weight_receives_a_gradient(self) -> None:
        for kind in upsamplings(self.name):
            model = tiny(self.name, upsampling=kind)
            outputs = model(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
            outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
            sum(logits.square().mean() for logits in outputs).backward()  # type: ignore[union-attr]
            silent = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
            assert not silent, kind

    def test_the_encoder_is_known_by_its_name(self) -> None:
        """The learning rate of the encoder goes by it."""
        names = [name for name, _ in tiny(self.name).named_parameters()]
        assert any(name.startswith("encoder.") for name in names)
        assert any(not name.startswith("encoder.") for name in names)

    def test_binary_tasks_have_one_logit_and_grey_input_one_channel(self) -> None:
        spec = ModelSpec("binary", ("background", "x"), 32, 32, color_order="gray", mean=(0.5,), std=(0.2,))
        assert tiny(self.name, spec).eval()(torch.zeros(2, 1, 32, 32)).shape == (2, 1, 32, 32)

    def test_weights_fit_a_network_built_again_from_its_name_and_options(self) -> None:
        options = full_options(self.name)
        first, second = (build_model(self.name, SPEC, options).eval() for _ in range(2))
        second.load_state_dict(first.state_dict())
        image = torch.randn(1, 3, 32, 32)
        assert torch.equal(first(image), second(image))

    def test_options_it_does_not_take_are_refused_with_those_it_takes(self) -> None:
        with pytest.raises(UserError, match=f"{self.name} does not take the option colour; its options: .*upsampling"):
            build_model(self.name, SPEC, {"colour": 1})
        with pytest.raises(UserError, match=r"`upsampling` must be nearest, bilinear.*found 'cubic'"):
            build_model(self.name, SPEC, {"upsampling": "cubic"})
