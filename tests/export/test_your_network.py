"""The page docs/your-network.md, block by block, with files of the kinds that it names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from your_network import headings, run_blocks

from edgeseg.cli import main

NETS = """
from torch import nn

class UNet(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.up = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(8, classes, 3, padding=1))

    def forward(self, x):
        return self.up(self.down(x))
"""
ELSEWHERE = {
    "Published projects, a line each",
    "A Hugging Face folder",
    "A folder of segmentation_models.pytorch",
    "A network of torchvision",
    "A network of timm",
    "TensorFlow Lite",
    "OpenVINO IR",
}
"""Run by tests of their own, which need what those networks come from."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the code of a network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("nets", None)
    Path("nets.py").write_text(NETS)
    yield tmp_path
    sys.modules.pop("nets", None)


def network() -> torch.nn.Module:
    """The network of ``nets.py`` with weights that give every class."""
    sys.path.insert(0, ".")
    from nets import UNet

    torch.manual_seed(5)
    return UNet(3, 3).eval()


def weights(folder: Path) -> None:
    torch.save({"epoch": 5, "state_dict": {f"module.{n}": t for n, t in network().state_dict().items()}}, "best.pth")


def module(folder: Path) -> None:
    sys.path.insert(0, ".")


def scripted(folder: Path) -> None:
    torch.jit.script(network()).save("scripted.pt")


def onnx_file(folder: Path) -> None:
    torch.onnx.export(network(), (torch.zeros(1, 3, 64, 96),), "net.onnx", dynamo=True, verbose=False)
    assert Path("net.onnx.data").is_file()


def program(folder: Path) -> None:
    torch.export.save(torch.export.export(network(), (torch.zeros(1, 3, 64, 96),)), "program.pt2")


def whole(folder: Path) -> None:
    torch.save(network(), "whole.pth")
    assert main(["export", "whole.pth"]) == 2


MADE: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "A file of weights and the code of its network": (weights, ["best", "again"]),
    "A module in Python": (module, ["unet", "parts", "little"]),
    "ONNX": (onnx_file, ["net"]),
    "TorchScript": (scripted, ["scripted"]),
    "A program of torch.export": (program, ["program"]),
    "A module that was pickled whole": (whole, ["weights"]),
}
"""What the blocks under a heading find in the current directory, and what they leave, beside ``nets.py``."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("heading", MADE)
def test_the_blocks_run_as_they_stand(heading: str, here: Path) -> None:
    make, left = MADE[heading]
    make(here)
    run_blocks(heading)
    for name in left:
        assert (here / "artifacts" / f"{name}-fp32-openvino" / "edgeseg.json").is_file()


def test_every_kind_on_the_page_is_run_somewhere() -> None:
    assert set(headings()) >= set(MADE) | ELSEWHERE
