"""A checkpoint that does not compute finite numbers is refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeseg.cli import main
from edgeseg.models.registry import build_model
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import save_checkpoint

SPEC = ModelSpec("binary", ("background", "cell"), 32, 48, "gray", (0.5,), (0.25,))
OPTIONS = {"width": 0.25}


def damaged(path: Path, suffix: str, value: float) -> str:
    """Write a checkpoint whose last tensor ending in ``suffix`` is full of ``value``, and name its layer."""
    torch.manual_seed(0)
    state = build_model("unet", SPEC, OPTIONS).state_dict()
    name = [name for name in state if name.endswith(suffix) and state[name].ndim != 0][-1]
    state[name].fill_(value)
    save_checkpoint(path, {"name": "unet", "options": OPTIONS}, SPEC, state, {})
    return name.removesuffix(f".{suffix}")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("suffix", ["weight", "running_var"])
def test_weights_that_are_not_finite_name_their_layer(suffix, value, tmp_path, capsys):
    layer = damaged(tmp_path / "nan.pt", suffix, value)
    assert main(["export", str(tmp_path / "nan.pt")]) == 2
    err = capsys.readouterr().err
    assert f"The layer {layer} of {tmp_path / 'nan.pt'} has NaN or infinity in its {suffix}" in err
    assert "export an earlier checkpoint" in err
    assert not list(tmp_path.rglob("*-onnx"))
    assert not list(tmp_path.rglob("model.*"))


def test_weights_that_overflow_name_their_layer(tmp_path, capsys):
    layer = damaged(tmp_path / "large.pt", "weight", 3e38)
    assert main(["export", str(tmp_path / "large.pt")]) == 2
    assert f"The layer {layer} of {tmp_path / 'large.pt'} gives NaN or infinity" in capsys.readouterr().err
    assert not list(tmp_path.rglob("model.*"))
