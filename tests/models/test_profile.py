"""Figures of networks against arithmetic done by hand."""

from __future__ import annotations

import json

import pytest
import torch
from model_contract import SPEC, tiny
from torch import nn

from edgeseg.cli import main
from edgeseg.models.profile import gflop, profile, receptive_field
from edgeseg.models.registry import MODELS, build_model
from edgeseg.spec import ModelSpec


class Chain(nn.Sequential):
    def __init__(self, stride: int, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.stride = stride


CHAINS = {
    3: Chain(1, nn.Conv2d(1, 1, 3, padding=1)),
    5: Chain(1, nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1)),
    2: Chain(2, nn.MaxPool2d(2), nn.Upsample(scale_factor=2.0)),
    7: Chain(
        2, nn.Conv2d(1, 1, 3, 2, 1), nn.BatchNorm2d(1), nn.Conv2d(1, 1, 3, padding=1), nn.Upsample(scale_factor=2.0)
    ),
    4: Chain(2, nn.MaxPool2d(2), nn.Upsample(scale_factor=2.0, mode="bilinear")),
}


@pytest.mark.parametrize("field", CHAINS)
def test_the_receptive_field_of_a_chain_is_what_arithmetic_says(field: int) -> None:
    assert receptive_field(CHAINS[field], 1) == field


def test_the_receptive_field_of_an_encoder_is_the_sum_over_its_layers() -> None:
    """1 + sum of (kernel - 1) times the stride in front: stem, then two 3x3 a stage."""
    jumps = [1, 1, 1, *[jump for stride in (2, 4, 8, 16, 32) for jump in (stride // 2, stride)]]
    assert receptive_field(tiny("fcn32s", upsampling="nearest"), 3) == 1 + 2 * sum(jumps)


def test_a_valid_unet_sees_what_it_takes_to_give_two_cells_of_its_coarsest_map() -> None:
    model = tiny("unet-valid")
    assert receptive_field(model, 3) == model.input_size(20)


def test_a_network_that_averages_the_image_sees_all_of_it() -> None:
    assert receptive_field(tiny("lite-unet"), 3) is None


def test_operations_are_two_a_multiply_add() -> None:
    spec = ModelSpec("multiclass", ("a", "b"), 10, 20)
    with torch.device("meta"):
        layer = nn.Conv2d(3, 4, 3, padding=1)
    assert gflop(layer, spec) == pytest.approx(2 * 10 * 20 * 3 * 4 * 9 / 1e9)


def test_a_profile_is_of_the_network_that_is_built() -> None:
    found = profile("mobile-unet", SPEC, {"width": 0.5})
    assert found.weights == sum(p.numel() for p in build_model("mobile-unet", SPEC, {"width": 0.5}).parameters())
    half = profile("mobile-unet", SPEC.replace(height=32), {"width": 0.5})
    assert half.gflop == pytest.approx(found.gflop / 2)
    assert half.receptive_field == found.receptive_field


def test_the_verb_lists_every_network_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--imgsz", "64", "--classes", "4"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n{name} " in text for name in MODELS)
    assert text.startswith("for images of 64x64 and 4 classes\n")
    columns = {line.index("onnxruntime") for line in text.splitlines() if "onnxruntime" in line}
    assert columns == {text.splitlines()[1].index("engines")}
    assert "--deep-supervision" in text
    assert "2 a multiply-add" in text


def test_the_verb_prints_json_of_the_networks_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "lite-unet", "fcn8s", "--imgsz", "64", "96", "--classes", "4", "--json"]) == 0
    lite, fcn = json.loads(capsys.readouterr().out)
    assert (lite["name"], lite["pretrained"], lite["receptive_field"]) == ("lite-unet", True, None)
    assert (fcn["imgsz"], fcn["engines"]) == ([64, 96], ["onnxruntime", "openvino", "tensorrt"])
    assert fcn["options"]["width"] == "0.25 to 8.0"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["unett"], "did you mean 'unet'"),
        (["--imgsz", "1", "2", "3"], "one or two numbers"),
        (["--classes", "1"], "2 to 254 classes"),
        (["--prune", "x.pt"], "needs --depth"),
        (["--prune", "no-such.pt", "--depth", "2", "--out", "y.pt"], "no checkpoint no-such.pt"),
    ],
)
def test_mistakes_are_named(command: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *command]) == 2
    assert message in capsys.readouterr().err
