"""INT8 of what others saved: TorchScript, a program of torch.export and an OpenVINO IR, with its proof."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import openvino
import pytest
import torch
from fitted import CLASSES, HEIGHT, SPEC, WIDTH, fitted_net, scene, write_dataset

import edgeseg
from edgeseg.artifact import Artifact
from edgeseg.cli import main

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]
EXAMPLE = torch.zeros(1, 3, HEIGHT, WIDTH)


def torchscript(folder: Path) -> Path:
    path = folder / "net.pt"
    torch.jit.trace(fitted_net(), EXAMPLE).save(path)
    return path


def program(folder: Path) -> Path:
    path = folder / "net.pt2"
    torch.export.save(torch.export.export(fitted_net(), (EXAMPLE,)), path)
    return path


def ir(folder: Path) -> Path:
    path = folder / "net.xml"
    openvino.save_model(openvino.convert_model(fitted_net(), example_input=EXAMPLE), path)
    return path


KINDS: dict[str, Callable[[Path], Path]] = {"TorchScript": torchscript, "torch.export": program, "IR": ir}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), 12, 8)


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
@pytest.mark.parametrize("kind", KINDS)
def test_int8_is_proven_against_the_network_as_it_was_saved(kind: str, engine: str, data: Path, tmp_path: Path) -> None:
    model = KINDS[kind](tmp_path)
    pixels = ["--mean", *map(str, SPEC.mean), "--std", *map(str, SPEC.std), "--color-order", "rgb"]
    words = ["--classes", ",".join(CLASSES), "--imgsz", str(HEIGHT), str(WIDTH), "--data", str(data), "--max-drop", "2"]
    assert main(["export", str(model), "--int8", "--format", engine, *pixels, *words, "--out", str(tmp_path)]) == 0
    artifact = Artifact.open(tmp_path / f"net-int8-{engine}")
    stages = artifact.measured["stages"]
    assert stages[f"{engine} int8"]["mean_iou"] > 0.75, "there is something to lose"
    assert stages[f"{engine} int8"]["agreement"] < 1, "it is INT8"
    image, truth = scene(950)
    with edgeseg.load(artifact) as net:
        assert (net(image).labels == truth).mean() > 0.9
