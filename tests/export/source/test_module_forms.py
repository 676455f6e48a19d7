"""Networks that a program holds: what they make of their logits themselves is kept as the reference."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from edgeseg.errors import GateFailed, SpecError
from edgeseg.export.build import onnx_artifact
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.foreign_net import probe_inputs
from edgeseg.export.source.module_source import module_source
from edgeseg.export.source.reference_engine import prediction_from_logits
from edgeseg.proof.budget import Budget
from edgeseg.proof.judges.confidence import judge_confidence
from edgeseg.proof.publishing import OutputOptions
from edgeseg.proof.samples import synthetic_samples
from edgeseg.proof.tables import confidence_table
from edgeseg.spec import ModelSpec

THREE = ModelSpec("multiclass", ("a", "b", "c"), 32, 48)
TWO = ModelSpec("binary", ("background", "cell"), 32, 48)


class Trunk(nn.Module):
    """Two convolutions and a normalisation; ``end`` is what somebody put behind them."""

    def __init__(self, outputs: int, end: nn.Module, stride: int = 1) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3, stride, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, outputs, 1))
        self.net[1].running_mean.uniform_(-1, 1)
        self.net[1].running_var.uniform_(0.5, 3)
        with torch.no_grad():
            self.net[3].bias.fill_(0.05)
            self.net[3].weight.mul_(3)
        self.end = end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.net(x))


class ArgMax(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.argmax(1)


class Over(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (torch.sigmoid(x) > 0.4).float()


class Noise(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


class AlwaysDropout(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, 0.5)


class KeepsDropping(nn.Dropout):
    """As for Monte Carlo dropout."""

    def train(self, mode: bool = True) -> KeepsDropping:
        return super().train(True)


ENLARGE = nn.Upsample(scale_factor=2, mode="bilinear")
FORMS = {
    "softmax": (THREE, Trunk(3, nn.Softmax(1)), lambda found: found.argmax(1)[0]),
    "softmax, then a resize": (
        THREE.replace(threshold=0.6),
        Trunk(3, nn.Sequential(nn.Softmax(1), ENLARGE), 2),
        lambda found: found.argmax(1)[0],
    ),
    "argmax": (THREE, Trunk(3, ArgMax()), lambda found: found[0]),
    "sigmoid": (TWO, Trunk(1, nn.Sigmoid()), lambda found: found[0, 0] > 0.5),
    "sigmoid, then a resize": (TWO, Trunk(1, nn.Sequential(nn.Sigmoid(), ENLARGE), 2), lambda found: found[0, 0] > 0.5),
    "thresholded": (TWO, Trunk(1, Over()), lambda found: found[0, 0]),
    "logits": (THREE, Trunk(3, nn.Identity()), lambda found: found.argmax(1)[0]),
}


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", FORMS)
def test_the_reference_is_the_module_with_its_own_last_layers(name, mode, tmp_path):
    spec, net, labels = FORMS[name]
    source = module_source(net.train(mode), spec, "net")
    assert net.training is mode, "what was given stays as it is"
    run, seen = make_forward(source.proto), set()
    for values in probe_inputs(spec):
        with torch.inference_mode():
            wanted = labels(net.eval()(torch.from_numpy(values)).numpy())
        assert source.predict is not None
        np.testing.assert_array_equal(source.predict(values).labels, wanted)
        np.testing.assert_array_equal(prediction_from_logits(run(values), source.spec).labels, wanted)
        seen.update(np.unique(wanted).tolist())
    assert len(seen) > 1
    made = onnx_artifact(source, OutputOptions(tmp_path, "net"), None, synthetic_samples(spec))
    assert made.comparison.stages[1].agreement == 1


def test_a_reading_that_is_wrong_does_not_pass(tmp_path):
    """A softmax of resized logits is no resized softmax, and half of a threshold is another one."""
    softmax = module_source(FORMS["softmax, then a resize"][1], THREE, "net")
    logits = module_source(Trunk(3, ENLARGE, 2), THREE, "net")
    low = module_source(FORMS["thresholded"][1], TWO, "net")
    for source, proto, spec in ((softmax, logits.proto, THREE), (low, low.proto, TWO)):
        wrong = dataclasses.replace(source, proto=proto, spec=spec)
        with pytest.raises(GateFailed, match="does not segment what torch segments"):
            onnx_artifact(wrong, OutputOptions(tmp_path, "net"), None, synthetic_samples(spec))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (Noise(), r"draws lots .*net\.eval\(\)"),
        (AlwaysDropout(), r"training mode|draws lots|two results"),
        (KeepsDropping(), "layer 'end' of this network is in training mode after eval"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_a_module_that_works_as_in_training_is_refused(end, message):
    with pytest.raises(SpecError, match=message):
        module_source(Trunk(3, end), THREE, "net")


def test_a_network_that_shows_no_class_anywhere_is_told_of_as_any_other(tmp_path):
    """Independent classes, all of them below their threshold in every pixel: there is no class that moved most."""
    spec = ModelSpec("multilabel", ("sky", "road"), 32, 48, ignore_index=None)
    net = Trunk(2, nn.Identity())
    with torch.no_grad():
        net.net[3].bias.fill_(-60)
    made = onnx_artifact(module_source(net, spec, "net"), OutputOptions(tmp_path, "net"), None, synthetic_samples(spec))
    assert "onnx fp32" in confidence_table(made.comparison)
    stage = made.comparison.stages[1]
    assert stage.confidence is not None
    assert stage.confidence.worst_points is None
    assert judge_confidence(made.comparison, stage, Budget()) is None
