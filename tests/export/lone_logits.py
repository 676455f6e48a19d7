"""Artifacts that give logits alone, of a multiclass and of a binary network, for the tests that look at them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from fitted import SPEC, fitted_net
from shared_folder import FillOnce

import edgeseg
from edgeseg.artifact import Artifact
from edgeseg.export.forms import ExportOptions, export_forms
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.own_source import torch_forward
from edgeseg.export.source.source_net import SourceNet
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import OutputOptions
from edgeseg.spec import ModelSpec

DISC = ModelSpec("binary", ("background", "disc"), SPEC.height, SPEC.width, threshold=0.7)


class DiscNet(torch.nn.Module):
    """One logit: how much more a disc it is than anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.net = fitted_net()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        both = self.net(pixels)
        return both[:, 1:2] - torch.maximum(both[:, :1], both[:, 2:])


BOTH = ModelSpec("multilabel", ("disc", "box"), SPEC.height, SPEC.width, thresholds=(0.7, 0.4))


class BothNet(torch.nn.Module):
    """A logit for disc and one for box, each against the ground alone."""

    def __init__(self) -> None:
        super().__init__()
        self.net = fitted_net()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits = self.net(pixels)
        return logits[:, 1:] - logits[:, :1]


def _binary_source(fill_once: FillOnce) -> SourceNet:
    net = DiscNet().eval()

    def fill(folder: Path) -> None:
        onnx.save_model(onnx_from_checkpoint(net, DISC), str(folder / "net.onnx"))

    proto = onnx.load_model(str(fill_once("net-disc", fill) / "net.onnx"))
    return SourceNet("disc", DISC, proto, torch_forward(net), "torch", {"checkpoint": "cd"})


@dataclass(frozen=True)
class LoneLogits:
    """fp32 artifacts with logits alone in both formats, the usual IR of the same network, and data to score them on."""

    onnx: Artifact
    openvino: Artifact
    usual: Artifact
    data: Path


@pytest.fixture(scope="module", params=["multiclass", "binary"])
def lone(
    request: pytest.FixtureRequest,
    source: SourceNet,
    data: Path,
    fill_once: FillOnce,
    tmp_path_factory: pytest.TempPathFactory,
) -> LoneLogits:
    net, folder = source, data
    if request.param == "binary":
        net, folder = _binary_source(fill_once), _with_discs_alone(data, tmp_path_factory.mktemp("discs"))
    place = OutputOptions(tmp_path_factory.mktemp("alone"), "alone")
    alone = [one.artifact for one in export_forms(net, ExportOptions(outputs=("logits",), data=folder), place)]
    place = OutputOptions(tmp_path_factory.mktemp("usual"), "usual")
    usual = export_forms(net, ExportOptions(outputs=("labels", "confidence"), data=folder), place)
    return LoneLogits(alone[0], alone[1], usual[-1].artifact, folder)


@pytest.fixture(scope="module")
def lone_int8(lone: LoneLogits, tmp_path_factory: pytest.TempPathFactory) -> list[Artifact]:
    """INT8 of both formats, with logits alone."""
    out, budget = tmp_path_factory.mktemp("int8"), Budget(5.0, 100, 100)
    return [
        edgeseg.quantize(one, lone.data, count=10, budget=budget, out=out, name="alone")
        for one in (lone.onnx, lone.openvino)
    ]


def _with_discs_alone(data: Path, root: Path) -> Path:
    """The same pictures with masks of discs and nothing else."""
    for path in data.rglob("*.png"):
        target = root / path.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        if "masks" in path.parts:
            mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            cv2.imwrite(str(target), (mask == 1).astype(np.uint8))
        else:
            target.write_bytes(path.read_bytes())
    (root / "classes.txt").write_text("background\ndisc\n")
    return root
