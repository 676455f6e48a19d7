"""The bare network of a checkpoint, at opset 17 whatever torch would rather write."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgeseg.errors import CheckpointError, SpecError
from edgeseg.export.build import onnx_artifact
from edgeseg.export.graphs.opset import read_opset
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.module_source import module_source
from edgeseg.export.source.onnx_from_torch import DYNAMO, TORCHSCRIPT, onnx_by_any_exporter, onnx_from_checkpoint
from edgeseg.export.source.own_source import torch_forward
from edgeseg.models.registry import build_model
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import synthetic_samples
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


class Checking(Reflecting):
    """Looks at the values of its input, which dynamo does not follow and a trace does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.isnan(x).any():
            raise ValueError("not a number")
        return super().forward(x)


class Branching(Reflecting):
    """Does otherwise with dark pictures than with others: no trace has both."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if x.abs().mean() > 0.01 else x


class Singular(Reflecting):
    """An operation that no ONNX has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svdvals(super().forward(x))


def test_what_dynamo_does_not_export_is_traced_and_the_reason_is_said(tmp_path):
    torch.manual_seed(1)
    net = Checking().eval()
    assert onnx_by_any_exporter(Reflecting().eval(), SPEC).exporter == DYNAMO
    exported = onnx_by_any_exporter(net, SPEC)
    assert exported.exporter == TORCHSCRIPT
    values = np.random.default_rng(0).normal(size=(1, 3, 40, 56)).astype(np.float32)
    np.testing.assert_allclose(make_forward(exported.proto)(values), torch_forward(net)(values), atol=1e-5)
    made = onnx_artifact(module_source(net, SPEC, "net"), OutputOptions(tmp_path, "net"), None, synthetic_samples(SPEC))
    (note,) = made.notes
    assert note.startswith(f"{TORCHSCRIPT} wrote the ONNX file, because {DYNAMO} said: ")
    assert "data-dependent" in note
    assert "\x1b" not in note
    assert made.artifact.measured["origin"]["exporter"] == TORCHSCRIPT
    assert note.endswith(made.artifact.measured["origin"]["exporter_because"])


def test_a_trace_that_leaves_a_branch_out_is_no_export():
    with pytest.raises(SpecError, match=r"gives other results than itself.*keeps one branch only"):
        module_source(Branching().eval(), SPEC, "net")


def test_what_neither_exports_says_what_both_said():
    with pytest.raises(CheckpointError, match=r"dynamo exporter said: .*svd.* The TorchScript exporter said: .*svd"):
        onnx_by_any_exporter(Singular().eval(), SPEC)
