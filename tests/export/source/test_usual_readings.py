"""Pixels prepared otherwise than in training are noticed on labelled pictures, and right ones are left in peace."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

import edgeseg
from edgeseg.cli import main
from edgeseg.errors import DataWarning
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.source.module_source import module_source
from edgeseg.export.source.usual_readings import Better, find_better_reading, name_reading, usual_readings
from edgeseg.export.specs.foreign_spec import SpecFlags
from edgeseg.proof.samples import samples_from
from edgeseg.spec import ModelSpec

H, W = 32, 48
RGB = ModelSpec("multiclass", ("red", "blue", "grey"), H, W, mean=(0.0,) * 3, std=(1.0,) * 3)


class Hue(nn.Module):
    """Scores of red, blue and grey, from RGB of 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            self.net.weight.copy_(torch.tensor([[9.0, -4, -5], [-5, -4, 9], [0, 0, 0]]).reshape(3, 3, 1, 1))
            self.net.bias.copy_(torch.tensor([-1.0, -1.0, 0.5]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of red, blue and grey parts with their masks."""
    folder, rng = tmp_path_factory.mktemp("hues"), np.random.default_rng(0)
    (folder / "images" / "val").mkdir(parents=True)
    (folder / "masks" / "val").mkdir(parents=True)
    (folder / "classes.txt").write_text("red\nblue\ngrey\n")
    colors = np.array([(40, 40, 220), (220, 40, 40), (120, 120, 120)], np.uint8)
    for index in range(12):
        mask = np.sort(rng.integers(0, 3, (H, W)), 1).astype(np.uint8)
        noisy = colors[mask].astype(int) + rng.integers(-30, 31, (H, W, 3))
        cv2.imwrite(str(folder / "images" / "val" / f"{index}.png"), noisy.clip(0, 255).astype(np.uint8))
        cv2.imwrite(str(folder / "masks" / "val" / f"{index}.png"), mask)
    return folder


def judge(spec: ModelSpec, data: Path) -> Better | None:
    return find_better_reading(module_source(Hue(), spec, "hue"), samples_from(data, spec))


def test_a_right_reading_is_left_in_peace(data):
    assert judge(RGB, data) is None


@pytest.mark.parametrize("wrong", usual_readings(RGB), ids=name_reading)
def test_a_wrong_reading_that_costs_is_noticed(wrong, data):
    better = judge(wrong, data)
    if wrong.color_order == "rgb" and better is None:
        return  # another scale alone may leave these hues as they are
    assert better is not None
    assert better.spec.color_order == "rgb"
    assert better.points > better.given_points + 2
    assert better.wins == better.pictures == 12


def test_an_order_that_is_wrong_is_noticed_whatever_the_scale(data):
    wrong = [one for one in usual_readings(RGB) if one.color_order == "bgr"]
    assert len(wrong) == 4
    assert all(judge(one, data) is not None for one in wrong)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_export_says_which_settings_to_give_and_changes_nothing(data, tmp_path, capsys):
    given = RGB.replace(color_order="bgr")
    with pytest.warns(DataWarning, match=r"read as RGB, .*Nothing was changed; .*`color_order='rgb'`, `mean=\("):
        made = edgeseg.export_model(Hue(), spec=given, data=data, format="onnx", out=tmp_path, name="hue")
    assert made.spec.color_order == "bgr"
    torch.onnx.export(Hue(), (torch.zeros(1, 3, H, W),), str(tmp_path / "hue.onnx"), dynamo=False)
    said = ["--classes", "red,blue,grey", "--task", "multiclass", "--color-order", "bgr", "--format", "onnx"]
    scale = ["--mean", "0", "0", "0", "--std", "1", "1", "1", "--data", str(data), "--out", str(tmp_path / "out")]
    assert main(["export", str(tmp_path / "hue.onnx"), *said, *scale]) == 0
    assert "warning: With pixels read as RGB, " in (error := capsys.readouterr().err)
    assert "give --color-order rgb, --mean " in error


def test_without_masks_nothing_is_judged(data):
    source = module_source(Hue(), RGB.replace(color_order="bgr"), "hue")
    assert find_better_reading(source, samples_from(data / "images" / "val", RGB)) is None


FILES = {
    "01-checkpoints/unet_milesial.onnx": ((0.0,) * 3, (1.0,) * 3),
    "03-argmax/bi_argmax.onnx": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "10-int8/lraspp.onnx": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@pytest.mark.long
@pytest.mark.parametrize("file", FILES)
def test_files_of_the_field_are_doubted_where_they_are_read_wrongly(file, data_dir):
    folder = data_dir / "field" / "three"
    if not folder.is_dir():
        pytest.skip("the folder field of the sample data is not there")
    mean, std = FILES[file]
    flags = {"classes": ("other", "sky", "road"), "imgsz": (144, 192), "task": "multiclass"}
    right = source_net(data_dir / "field" / file, SpecFlags(**flags, color_order="rgb", mean=mean, std=std))
    samples = samples_from(folder, right.spec)
    assert find_better_reading(right, samples) is None
    for wrong in usual_readings(right.spec):
        given = SpecFlags(**flags, color_order=wrong.color_order, mean=wrong.mean, std=wrong.std)
        better = find_better_reading(source_net(data_dir / "field" / file, given), samples)
        assert better is not None, name_reading(wrong)
        assert name_reading(better.spec) == name_reading(right.spec)
