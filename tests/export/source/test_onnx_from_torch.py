"""The bare network of a checkpoint, at opset 17 whatever torch would rather write."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgeseg.errors import SpecError
from edgeseg.export.graphs.opset import read_opset
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.own_source import torch_forward
from edgeseg.models.registry import build_model
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("a", "b", "c"), 40, 56)


class Reflecting(nn.Module):
    """Reflect padding has no converter from opset 18 to 17; torch keeps 18 without a word."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class Averaging(nn.Module):
    """A mean over the image is written at 18 with an attribute that 17 does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x.mean((2, 3), keepdim=True))


NETWORKS = {"reflect": Reflecting(), "average": Averaging(), "unet": build_model("unet", SPEC, {"width": 0.25})}


@pytest.mark.parametrize("model", NETWORKS.values(), ids=NETWORKS)
def test_opset_is_17_and_nothing_is_printed(model, capfd):
    model = model.eval()
    proto = onnx_from_checkpoint(model, SPEC)
    assert read_opset(proto) == 17
    assert capfd.readouterr() == ("", "")
    values = np.random.default_rng(0).normal(size=(1, 3, 40, 56)).astype(np.float32)
    np.testing.assert_allclose(make_forward(proto)(values), torch_forward(model)(values), atol=1e-4)


def test_a_network_with_other_outputs_than_its_spec_is_refused():
    with pytest.raises(SpecError, match=r"gives \(1, 3, 40, 56\).*says 4 logits"):
        onnx_from_checkpoint(Reflecting().eval(), SPEC.replace(classes=("a", "b", "c", "d"), palette=()))


def test_a_size_the_network_does_not_take_is_refused():
    picky = nn.Sequential(nn.Flatten(), nn.Linear(3 * 40 * 56, 3 * 40 * 56), nn.Unflatten(1, (3, 40, 56))).eval()
    with pytest.raises(SpecError, match=r"does not run at 48x56.*`imgsz="):
        onnx_from_checkpoint(picky, SPEC.replace(height=48))
