"""``edgeseg export --drop-levels``: the cut is in the file, in every engine, and its price in the manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from exported_nets import ODD, ExportNet
from fitted import CLASSES, write_dataset
from model_contract import randomised, tiny

from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.onnx_from_torch import onnx_from_checkpoint
from edgeseg.export.source.own_source import torch_forward
from edgeseg.export.source.reference_engine import ReferenceEngine
from edgeseg.image import read_image, read_mask
from edgeseg.models.cut_unet import cut_below
from edgeseg.models.joins import constant_part
from edgeseg.models.registry import count_weights
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.engines.predictor import Predictor
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import load_model, save_checkpoint
from edgeseg.training.pruning.level_cut import labelled_validator
from edgeseg.training.pruning.levels import join_means, measure_levels

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("net") / "net.pt", "unet", ModelSpec("multiclass", CLASSES, 48, 64))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    """Pictures whose masks are the network's own: nobody trained it, and no better than one label it proves nothing."""
    root, loaded = write_dataset(tmp_path_factory.mktemp("data")), load_model(checkpoint)
    with Predictor(ReferenceEngine(torch_forward(loaded.model), loaded.spec)) as predict:
        for image in sorted((root / "images").rglob("*.png")):
            cv2.imwrite(str(root / "masks" / image.relative_to(root / "images")), predict(read_image(image)))
    return root


def saved(path: Path, name: str, spec: ModelSpec) -> Path:
    torch.manual_seed(0)
    model = randomised(tiny(name, spec))
    save_checkpoint(path, {"name": name, "options": {"width": 0.25}}, spec, model.state_dict(), {})
    return path


def in_openvino(proto: Any, image: np.ndarray) -> np.ndarray:
    core = shared_core()
    model = core.read_model(proto.SerializeToString())
    return np.asarray(core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([image])[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet", "unet-plain", "attention-unet", "mobile-unet", "lite-unet"])
def test_engines_give_the_logits_of_the_whole_network_with_a_constant_below(name: str, exported: ExportNet) -> None:
    whole = exported(name)
    model = whole.model
    image = torch.randn(1, 3, ODD.height, ODD.width, generator=torch.Generator().manual_seed(0))
    join = model.skip_joins()[1]
    mean = torch.linspace(-1, 1, join.coarse + 64)[: _inputs(join)]
    below = None if join.gate is None else torch.linspace(-1, 1, join.gate.of_coarse.in_channels)
    with torch.no_grad(), constant_part(join, slice(0, join.coarse), mean, below):
        wanted = model(image).numpy()
    proto = onnx_from_checkpoint(cut_below(model, 1, mean, below), ODD)
    for run in (make_forward(proto), lambda image: in_openvino(proto, image)):
        np.testing.assert_allclose(run(image.numpy()), wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    kinds = [[node.op_type for node in file.graph.node].count("Conv") for file in (proto, whole.proto)]
    assert kinds[0] < kinds[1]
    assert proto.ByteSize() < 0.9 * whole.proto.ByteSize()


def _inputs(join: Any) -> int:
    return next(m.in_channels for m in join.module.modules() if isinstance(m, torch.nn.Conv2d))


def test_the_price_is_what_inspect_said_and_stands_in_the_manifest(
    checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_model(checkpoint)
    validator = labelled_validator(data, loaded.spec)
    report = measure_levels(loaded.model, validator)
    command = ["export", str(checkpoint), "--format", "onnx", "--drop-levels", "1", "--data", str(data)]
    assert main([*command, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    facts = Artifact.open(tmp_path / "net-fp32-onnx").measured["dropped_levels"]
    assert facts["miou"][0] == pytest.approx(report.miou)
    assert facts["drop_points"] == pytest.approx(report.levels[1].below_loss, abs=0.5)
    assert (facts["level"], facts["stride"], facts["images"]) == (1, 2, len(validator.dataset))
    _, means = join_means(loaded.model, validator)
    small = cut_below(loaded.model, 1, means[1].value)
    assert facts["weights"] == [count_weights(loaded.model), count_weights(small)]
    assert facts["gflop"][1] < facts["gflop"][0]
    assert f"{facts['weights'][0]:,} -> {facts['weights'][1]:,} weights" in printed
    assert f"mIoU {facts['miou'][0]:.4f} -> {facts['miou'][1]:.4f}" in printed


def test_masks_in_other_values_are_read_as_was_said(
    checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded, drawn = load_model(checkpoint), shutil.copytree(data, tmp_path / "drawn")
    for path in drawn.glob("masks/*/*.png"):
        mask = read_mask(path)
        cv2.imwrite(str(path), np.where(mask == 1, np.uint8(200), mask))
    before, after = labelled_validator(data, loaded.spec), labelled_validator(drawn, loaded.spec, None, "200=1")
    assert np.array_equal(before.dataset.raw(0)[1], after.dataset.raw(0)[1])
    command = ["export", str(checkpoint), "--format", "onnx", "--drop-levels", "1", "--data", str(drawn)]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert "--mask-values" in capsys.readouterr().err
    assert main([*command, "--mask-values", "200=1", "--out", str(tmp_path / "out")]) == 0


def test_json_stays_json(checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", str(checkpoint), "--format", "onnx", "--drop-levels", "0", "--data", str(data), "--json"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    (built,) = json.loads(capsys.readouterr().out)
    assert built["measured"]["dropped_levels"]["level"] == 0


def test_mistakes_are_named(checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = load_model(checkpoint).spec
    fcn = saved(tmp_path / "fcn.pt", "fcn8s", spec)
    foreign = tmp_path / "net.onnx"
    foreign.write_bytes(b"x")
    with_data = ["--data", str(data)]
    for command, message in (
        ([str(checkpoint), "--drop-levels", "1"], "needs the means of what it drops; give --data DIR"),
        ([str(checkpoint), "--drop-levels", "4", *with_data], "must be 0 (keep the finest level alone) to 3"),
        ([str(fcn), "--drop-levels", "1", *with_data], "cuts a U-Net with same padding; this is a FCN8s"),
        ([str(foreign), "--drop-levels", "1", *with_data], "cuts checkpoints (.pt)"),
    ):
        assert main(["export", *command, "--out", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err


def test_other_classes_are_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = saved(tmp_path / "other.pt", "unet", ODD)
    assert main(["export", str(other), "--drop-levels", "1", "--data", str(data), "--out", str(tmp_path / "o")]) == 2
    assert "the network a, b, c" in capsys.readouterr().err
