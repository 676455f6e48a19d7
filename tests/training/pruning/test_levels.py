"""What each level of a U-Net is worth, on networks of which the answer is known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.errors import UserError
from edgeseg.models.joins import Join, constant_part
from edgeseg.models.registry import build_model
from edgeseg.models.unet import UNet
from edgeseg.spec import ModelSpec
from edgeseg.training.data.folder import FolderDataset
from edgeseg.training.loop import train
from edgeseg.training.pruning.levels import LevelReport, find_joins, measure_levels
from edgeseg.training.pruning.levels_report import verdict
from edgeseg.training.settings import TrainSettings
from edgeseg.training.validation import Validator


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, disc_folder: Path) -> Path:
    out = tmp_path_factory.mktemp("trained")
    data = Dataset.open(disc_folder)
    settings = TrainSettings(
        out, options={"width": 0.25}, epochs=12, batch=4, crop=(32, 32), lr=1e-2, amp="no", device="cpu", val_every=12
    )
    return train(data, ModelSpec("multiclass", data.classes, 48, 48), settings).best


@pytest.fixture
def validator(discs: Dataset, disc_spec: ModelSpec) -> Validator:
    return Validator(FolderDataset(discs, "val", disc_spec), Accelerator(cpu=True))


class TwoLevels(nn.Module):
    """Sees discs by their colour, through its skip or through the half-size path below."""

    def __init__(self, through_skip: bool) -> None:
        super().__init__()
        self.join = nn.Conv2d(6, 2, 1)
        self.deep = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            self.join.weight.zero_()
            self.join.weight[1, 4 if through_skip else 1] = 10.0
            self.join.bias.copy_(torch.tensor([0.0, 10 * 0.2]))
            self.deep.weight.copy_(torch.eye(3)[..., None, None])
            self.deep.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        below = self.deep(nn.functional.avg_pool2d(x, 2))
        return self.join(torch.cat([nn.functional.interpolate(below, scale_factor=2.0), x], 1))

    def skip_joins(self) -> list[Join]:
        return [Join(0, self.join, 3, (self.deep,))]


@pytest.mark.parametrize("through_skip", [True, False])
def test_a_network_loses_its_miou_only_with_the_path_it_uses(through_skip: bool, validator: Validator) -> None:
    report = measure_levels(TwoLevels(through_skip).eval(), validator)
    (level,) = report.levels
    used, idle = (level.skip_loss, level.below_loss)[:: 1 if through_skip else -1]
    assert report.miou > 0.5
    assert used > 10
    assert idle == pytest.approx(0, abs=1e-9)
    assert (report.cut(0.5) is level) == through_skip
    assert (level.stride, level.below_weights, report.weights) == (1, 12, 26)


def test_a_trained_unet_is_measured_level_by_level_and_left_as_it_was(trained: Path, validator: Validator) -> None:
    from edgeseg.training.checkpoint import load_model

    model = load_model(trained).model
    before = validator.confusion(model).mean_iou
    passes: list[int] = []
    report = measure_levels(model, validator, lambda: passes.append(1))
    assert [level.stride for level in report.levels] == [1, 2, 4, 8]
    assert len(passes) == 9
    assert validator.confusion(model).mean_iou == before == report.miou
    # The discs are seen by their colour: the finest skip carries the answer, and the deep half is idle.
    assert report.levels[0].skip_loss > 5 > report.levels[0].below_loss
    weights = [level.below_weights for level in report.levels]
    assert weights == sorted(weights, reverse=True)
    finest_and_head = sum(p.numel() for m in (model.encoder.stem, model.encoder.stages[0]) for p in m.parameters())
    finest_and_head += sum(p.numel() for m in (model.decoder[-1], model.head) for p in m.parameters())
    assert weights[0] == report.weights - finest_and_head


def test_replacing_the_coarse_path_is_what_the_deeper_levels_cannot_change() -> None:
    model = build_model("unet", ModelSpec("binary", ("a", "b"), 32, 32), {"width": 0.25}).eval()
    assert isinstance(model, UNet)
    join = find_joins(model)[1]
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad(), constant_part(join, slice(0, join.coarse), torch.ones(join.coarse + 16)):
        before = model(image)
        for module in join.below:
            for parameter in module.parameters():
                parameter.mul_(3)
        assert torch.equal(model(image), before)
    with torch.no_grad():
        assert not torch.equal(model(image), before)


def test_a_network_without_joined_levels_is_refused() -> None:
    fcn = build_model("fcn8s", ModelSpec("binary", ("a", "b"), 32, 32), {"width": 0.25})
    with pytest.raises(UserError, match="FCN8s does not say where its levels meet"):
        find_joins(fcn)


def test_the_verdict_names_the_finest_cut_within_the_limit(trained: Path, validator: Validator) -> None:
    from edgeseg.training.checkpoint import load_model

    report = measure_levels(load_model(trained).model, validator)
    losses = [0.4, 0.1, 3.0, 0.0]
    levels = [dataclasses.replace(one, below_loss=loss) for one, loss in zip(report.levels, losses, strict=True)]
    crafted = LevelReport(tuple(levels), 0.8, report.weights)
    assert "below stride 1 can be cut" in verdict(crafted, 0.5)
    assert "below stride 2 can be cut" in verdict(crafted, 0.2)
    assert "below stride 8 can be cut" in verdict(crafted, 0.0)
    nothing = LevelReport(tuple(dataclasses.replace(one, below_loss=9.0) for one in levels), 0.8, report.weights)
    assert "No level can be cut for 0.5 points: the cheapest cut, below stride 1, costs 9.00" in verdict(nothing, 0.5)


def test_inspect_levels_from_the_command_line(
    tmp_path: Path, trained: Path, disc_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "--levels", str(trained), "--data", str(disc_folder), "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "everything below" in printed
    assert len(printed.splitlines()) == 8
    command = f"edgeseg export {trained} --drop-levels 0 --data {disc_folder}"
    assert printed.splitlines()[-1].strip().endswith(command)
    values = json.loads((tmp_path / "levels.json").read_text())
    assert [level["stride"] for level in values["levels"]] == [1, 2, 4, 8]
    assert values["command"].endswith(command)
    assert values["cut_below_level"] == 0
    assert cv2.imread(str(tmp_path / "levels.png")).shape == (440, 880, 3)


def test_levels_without_data_say_what_is_missing(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--levels", str(trained)]) == 2
    assert "give --data DIR" in capsys.readouterr().err
