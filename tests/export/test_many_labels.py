"""More classes than a byte has bits: refused with the reason, and the parts that the page makes of such a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from house import ROOT

import edgeseg
from edgeseg.cli import main
from edgeseg.console.quiet import quiet
from edgeseg.spec import ModelSpec

NAMES = tuple(f"class {chr(97 + k)}" for k in range(12))
PARTS = ((0, 8), (8, 12))
SIZE = (32, 48)
Z = ["--color-order", "rgb", "--mean", "0", "0", "0", "--std", "1", "1", "1"]


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the blocks of the page define."""
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8").split("### More than 8 classes")[1]
    found: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text.split("\n## ")[0], re.DOTALL):
        exec(block, found)
    return found


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 12, 3, padding=1), torch.nn.Hardtanh(-9, 9)).eval()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)


def expected(net: torch.nn.Module, picture: np.ndarray) -> np.ndarray:
    """(12, H, W) of True where a class shows."""
    given = torch.from_numpy(picture[..., ::-1].transpose(2, 0, 1)[None] / np.float32(255))
    with torch.no_grad():
        return net(given)[0].numpy() >= 0


def test_a_network_of_more_classes_is_refused_with_the_reason_and_the_page(tmp_path: Path, capsys: Any) -> None:
    torch.manual_seed(0)
    sigmoids = torch.nn.Sequential(torch.nn.Conv2d(3, 12, 1), torch.nn.Sigmoid()).eval()
    with quiet():
        torch.onnx.export(sigmoids, (torch.zeros(1, 3, *SIZE),), str(tmp_path / "net.onnx"), dynamo=False)
    assert main(["export", str(tmp_path / "net.onnx"), "--classes", ",".join(NAMES), *Z, "--out", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "a pixel's label is one byte" in told
    assert "docs/models.md shows under 'More than 8 classes'" in told
    assert "### More than 8 classes" in (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


def test_parts_of_a_module_show_what_the_whole_shows(
    page: dict[str, Any], net: torch.nn.Module, picture: np.ndarray, tmp_path: Path
) -> None:
    shown = []
    for first, last in PARTS:
        spec = ModelSpec("multilabel", NAMES[first:last], *SIZE, mean=(0,) * 3, std=(1,) * 3, ignore_index=None)
        part = page["Part"](net, first, last).eval()
        made = edgeseg.export_model(part, spec=spec, format="onnx", out=tmp_path, name=f"part-{first}")
        with edgeseg.load(made) as model:
            shown.extend(model(picture).mask(name) for name in spec.classes)
    wanted = expected(net, picture)
    assert 0 < wanted.mean() < 1
    np.testing.assert_array_equal(shown, wanted)


def test_parts_of_a_file_show_what_the_whole_shows(
    page: dict[str, Any], net: torch.nn.Module, picture: np.ndarray, tmp_path: Path
) -> None:
    whole = tmp_path / "net.onnx"
    with quiet():
        torch.onnx.export(net, (torch.zeros(1, 3, *SIZE),), str(whole), dynamo=False)
    cv2.imwrite(str(tmp_path / "picture.png"), picture)
    shown = []
    for first, last in PARTS:
        page["cut_classes"](str(whole), str(tmp_path / f"part{first}.onnx"), first, last)
        onnx.checker.check_model(onnx.load(str(tmp_path / f"part{first}.onnx")))
        classes = ["--classes", ",".join(NAMES[first:last]), "--task", "multilabel", *Z]
        words = ["export", str(tmp_path / f"part{first}.onnx"), *classes, "--format", "onnx", "--out", str(tmp_path)]
        assert main(words) == 0
        with edgeseg.load(tmp_path / f"part{first}-fp32-onnx") as model:
            shown.extend(model(tmp_path / "picture.png").mask(name) for name in NAMES[first:last])
    given = picture[..., ::-1].transpose(2, 0, 1)[None] / np.float32(255)
    session = onnxruntime.InferenceSession(str(whole), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(given)})
    np.testing.assert_array_equal(shown, scores[0] >= 0)
