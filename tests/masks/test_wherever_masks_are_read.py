"""Masks that cannot judge are refused by every verb and function that reads them, before any work is done.

The first of these was reported: two classes, masks drawn in 0 and 255, and an INT8 model that painted everything
background passed with an mIoU of 1.0000 and a drop of -50.71 points.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import linear_model
import numpy as np
import pytest

import edgeseg
from edgeseg.api.check import check
from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.errors import DataError
from edgeseg.image import UInt8
from edgeseg.spec import ModelSpec

TWO = ModelSpec("multiclass", ("background", "road"), 24, 32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
THREE = ModelSpec("multiclass", ("background", "road", "sky"), 24, 32, mean=TWO.mean, std=TWO.std)
Draw = Callable[[UInt8], UInt8]


def as_white(labels: UInt8) -> UInt8:
    return np.where(labels > 0, np.uint8(255), np.uint8(0))


KINDS: dict[str, tuple[ModelSpec, Draw, str]] = {
    "foreground": (TWO, as_white, "255=road"),
    "all ignored": (TWO, lambda labels: np.full_like(labels, 255), "nothing is left to judge by"),
    "three classes": (THREE, as_white, r"'road' \(1\) or 'sky' \(2\), but 8 of them hold 255"),
    "one of three": (THREE, lambda labels: np.where(labels == 2, np.uint8(255), labels), "255=sky"),
    "one class": (TWO, np.zeros_like, "these masks judge nothing"),
}
CALLS: dict[str, Callable[[Artifact, Path, Path], object]] = {
    "verify": lambda artifact, data, out: edgeseg.verify([artifact, artifact], data),
    "quantize": lambda artifact, data, out: edgeseg.quantize(artifact, data, count=8, out=out),
    "export": lambda artifact, data, out: export(artifact.spec, data, out),
    "train": lambda artifact, data, out: edgeseg.train(data, out=out, model="unet", imgsz=(24, 32), steps=1),
    "evaluate": lambda artifact, data, out: edgeseg.evaluate(artifact, data),
}


SCORED = ("evaluate", "one class")
"""Pictures of one class can be scored; that they judge nothing is said beside the figures."""


def export(spec: ModelSpec, data: Path, out: Path, **how: Any) -> Artifact:
    """Export the network as somebody else's float file."""
    from onnx import TensorProto, helper, numpy_helper, save

    weight, bias = linear_model.weights(spec)
    sizes = {name: [1, count, spec.height, spec.width] for name, count in (("x", 3), ("y", spec.num_classes))}
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in sizes.items())
    constants = [numpy_helper.from_array(weight[:, :, None, None], "w"), numpy_helper.from_array(bias, "b")]
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w", "b"], ["y"])], "net", [x], [y], constants)
    out.mkdir()
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), out / "net.onnx")
    return edgeseg.export_model(out / "net.onnx", spec=spec, data=data, out=out, format="onnx", **how)


pytestmark = pytest.mark.filterwarnings("ignore::edgeseg.errors.DataWarning")


def write_data(root: Path, spec: ModelSpec, draw: Draw) -> Path:
    """Eight pictures a split whose masks are the network's own labels, drawn in another way."""
    (root / "masks").mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(spec.classes), encoding="utf-8")
    for split, first in (("train", 0), ("val", 8)):
        for folder in ("images", "masks"):
            (root / folder / split).mkdir(parents=True)
        for seed in range(first, first + 8):
            image = np.random.default_rng(seed).integers(0, 256, (spec.height, spec.width, 3), dtype=np.uint8)
            cv2.imwrite(str(root / f"images/{split}/{seed}.png"), image)
            cv2.imwrite(str(root / f"masks/{split}/{seed}.png"), draw(linear_model.reference(image, spec)[0]))
    return root


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Artifact]:
    """By the number of classes."""
    made = (linear_model.artifact(tmp_path_factory.mktemp("net"), "openvino", spec, False) for spec in (TWO, THREE))
    return {len(artifact.spec.classes): artifact for artifact in made}


@pytest.mark.parametrize(("call", "kind"), [pair for pair in product(CALLS, KINDS) if pair != SCORED])
def test_they_are_refused_with_the_cause(artifacts: dict[int, Artifact], tmp_path: Path, kind: str, call: str) -> None:
    spec, draw, cause = KINDS[kind]
    data, out = write_data(tmp_path / "data", spec, draw), tmp_path / "out"
    with pytest.raises(DataError, match=cause):
        CALLS[call](artifacts[len(spec.classes)], data, out)
    assert not list(out.glob("*int8*"))


def test_pictures_of_one_class_are_scored_and_what_they_never_show_is_said(
    artifacts: dict[int, Artifact], tmp_path: Path
) -> None:
    spec, draw, _ = KINDS["one class"]
    found = edgeseg.evaluate(artifacts[len(spec.classes)], write_data(tmp_path / "data", spec, draw))
    assert found.images == 8
    assert any("no mask shows road" in note for note in found.notes)


def test_the_command_line_says_the_flag(
    artifacts: dict[int, Artifact], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_data(tmp_path / "data", TWO, as_white)
    path = str(artifacts[2].path)
    for verb in (["calibrate", path, "--out", str(tmp_path / "out")], ["evaluate", path], ["verify", path, path]):
        assert main([*verb, "--data", str(data)]) == 2
        told = capsys.readouterr().err
        assert "--mask-values 255=road" in told, verb
        assert "--mask-values 255=ignore" in told, verb
    assert main(["evaluate", path, "--data", str(data), "--mask-values", "255=road"]) == 0
    assert "mean 1.0000 1.0000 1.0000" in " ".join(capsys.readouterr().out.split())
    assert main(["verify", path, path, "--data", str(data), "--mask-values", "255=road", "--split", "train"]) == 0


def test_what_was_said_is_recorded_and_checked_by(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", TWO, as_white)
    made = export(TWO, data, tmp_path / "out", mask_values={255: "road"})
    assert made.measured["mask_values"] == {"255": "road"}
    assert made.measured["stages"]["onnx fp32"]["mean_iou"] == 1
    assert not check(made, data=data).failed
    with pytest.raises(DataError, match="255=road"):
        check(made, data=data, mask_values={7: "road"})


def test_masks_of_one_class_are_scored_with_a_note(artifacts: dict[int, Artifact], tmp_path: Path) -> None:
    evaluation = edgeseg.evaluate(artifacts[2], write_data(tmp_path / "data", TWO, np.zeros_like))
    assert any("no mask shows road" in note for note in evaluation.notes)
