"""U-Net++: heads at every depth, and the shallower networks inside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from model_contract import SPEC, randomised, tiny

from edgeseg.cli import main
from edgeseg.errors import UserError
from edgeseg.models.registry import build_model, count_weights
from edgeseg.models.unetpp import UNetPlusPlus, prune_depth
from edgeseg.training.checkpoint import load_model, save_checkpoint
from edgeseg.training.objective import Objective

IMAGE = torch.randn(1, 3, 45, 64, generator=torch.Generator().manual_seed(0))


def net(**options: object) -> UNetPlusPlus:
    model = randomised(tiny("unetpp", **options))
    assert isinstance(model, UNetPlusPlus)
    return model


def test_training_sees_every_head_and_inference_the_deepest() -> None:
    model = net()
    heads = model.compute_heads(model.pad(IMAGE))
    assert torch.equal(heads[0][..., :45, :], model(IMAGE))
    trained = model.train()(IMAGE)
    assert [logits.shape for logits in trained] == [(1, 4, 45, 64)] * 4


def test_the_training_loss_counts_every_head() -> None:
    model = net().train()
    target = torch.zeros(1, 45, 64, dtype=torch.int64)
    mean = Objective(lambda logits, target, boundary=None: logits.mean())
    mean(model(IMAGE), IMAGE, target).backward()
    assert all(head.bias.grad.abs().sum() > 0 for head in model.heads.values())


@pytest.mark.parametrize("upsampling", ["bilinear", "transposed", "unpool"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_pruned_network_gives_the_logits_of_its_head_in_the_whole_one(depth: int, upsampling: str) -> None:
    whole = net(upsampling=upsampling)
    small = build_model("unetpp", SPEC, {"width": 0.25, "depth": depth, "upsampling": upsampling}).eval()
    small.load_state_dict(prune_depth(whole.state_dict(), depth))
    image = whole.pad(IMAGE)
    assert torch.equal(small.logits(image), whole.compute_heads(image)[4 - depth])
    assert count_weights(small) < count_weights(whole) or depth == 4


def test_without_deep_supervision_there_is_nothing_to_prune_to() -> None:
    model = net(deep_supervision=False)
    assert isinstance(model.train()(IMAGE), torch.Tensor)
    with pytest.raises(UserError, match=r"no trained head at depth 2, only at \[4\]"):
        prune_depth(model.state_dict(), 2)


def test_the_verb_cuts_a_checkpoint_to_a_depth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = net()
    options = {"width": 0.25}
    save_checkpoint(tmp_path / "best.pt", {"name": "unetpp", "options": options}, SPEC, whole.state_dict(), {})
    command = ["models", "--prune", str(tmp_path / "best.pt"), "--depth", "2", "--out", str(tmp_path / "small.pt")]
    assert main(command) == 0
    assert "depth 2: " in capsys.readouterr().out
    small = load_model(tmp_path / "small.pt")
    assert small.architecture["options"] == {"width": 0.25, "depth": 2}
    image = whole.pad(IMAGE)
    assert torch.equal(small.model.logits(image), whole.compute_heads(image)[2])


def test_only_a_unetpp_can_be_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tiny("unet").state_dict()
    save_checkpoint(tmp_path / "best.pt", {"name": "unet", "options": {"width": 0.25}}, SPEC, state, {})
    assert main(["models", "--prune", str(tmp_path / "best.pt"), "--depth", "2", "--out", str(tmp_path / "x.pt")]) == 2
    assert "holds unet; only a unetpp" in capsys.readouterr().err
    assert not (tmp_path / "x.pt").exists()
