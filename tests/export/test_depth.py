"""``edgeseg export --depth``: the shallower U-Net++ is in the file, verified, and its depth in the manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fitted import write_dataset
from model_contract import randomised, tiny

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.dataset import Dataset
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.source.source_net import DepthCut
from edgeseg.export.specs.foreign_spec import SpecFlags
from edgeseg.models.unetpp import UNetPlusPlus
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import save_checkpoint

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"))


def saved(path: Path, name: str, data: Path) -> torch.nn.Module:
    spec = ModelSpec("multiclass", Dataset.open(data).classes, 48, 64)
    torch.manual_seed(0)
    model = randomised(tiny(name, spec))
    save_checkpoint(path, {"name": name, "options": {"width": 0.25}}, spec, model.state_dict(), {})
    return model


@pytest.mark.slow
def test_the_file_gives_the_logits_of_the_head_at_that_depth(data: Path, tmp_path: Path) -> None:
    whole = saved(tmp_path / "net.pt", "unetpp", data)
    assert isinstance(whole, UNetPlusPlus)
    image = torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = whole.compute_heads(image)[2].numpy()
    found = make_forward(source_net(tmp_path / "net.pt", SpecFlags(), DepthCut(2)).proto)(image.numpy())
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    sizes = []
    for name, cut in (("whole", ()), ("small", ("--depth", "2"))):
        command = ["export", str(tmp_path / "net.pt"), *cut, "--data", str(data / "images" / "val"), "--name", name]
        assert main([*command, "--out", str(tmp_path)]) == 0
        artifact = Artifact.open(tmp_path / f"{name}-fp32-openvino")
        sizes.append(artifact.size_bytes)
        assert artifact.measured.get("depth") == (2 if cut else None)
    assert sizes[1] < 0.5 * sizes[0]


def test_mistakes_are_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "net.pt", "unetpp", data)
    saved(tmp_path / "unet.pt", "unet", data)
    (tmp_path / "net.onnx").write_bytes(b"x")
    for command, message in (
        (["net.pt", "--depth", "5"], "no trained head at depth 5, only at [1, 2, 3, 4]"),
        (["net.pt", "--depth", "2", "--drop-levels", "1"], "give one of them"),
        (["unet.pt", "--depth", "2"], "unet holds unet; only a unetpp can be cut to a depth"),
        (["net.onnx", "--depth", "2"], "--depth cuts checkpoints (.pt)"),
    ):
        assert main(["export", str(tmp_path / command[0]), *command[1:], "--out", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
