"""A gate fails when the artifact no longer does what it did, and says field, threshold and found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker, reference

from edgeseg.artifact import MANIFEST, Artifact, write_manifest
from edgeseg.cli import main
from edgeseg.errors import ArtifactError, DataError
from edgeseg.image import fit
from edgeseg.runtime.measure.check import check_runs, iou_gate
from edgeseg.runtime.measure.evaluate import open_dataset
from edgeseg.runtime.measure.gate import Gate
from edgeseg.spec import ModelSpec

IMAGES = 3


def measured(miou: float, **changes: Any) -> dict[str, Any]:
    stages = {"torch": {"mean_iou": 0.9}, "onnx fp32": {"mean_iou": miou}}
    return {"images": IMAGES, "split": "val", "iou_against": "masks", "stages": stages, **changes}


@pytest.fixture
def data(tmp_path: Path, tiny_spec: ModelSpec) -> Path:
    """Images of the network's size whose masks are its own labels."""
    root = tmp_path / "data"
    for folder in ("images/val", "masks/val"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(tiny_spec.classes), encoding="utf-8")
    for seed in range(IMAGES):
        shape = (tiny_spec.height, tiny_spec.width, 3)
        image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        cv2.imwrite(str(root / f"images/val/{seed}.png"), image)
        cv2.imwrite(str(root / f"masks/val/{seed}.png"), reference(fit(image, tiny_spec), tiny_spec)[0])
    return root


def claiming(artifact: Artifact, folder: Path, values: dict[str, Any]) -> Artifact:
    """A copy of ``artifact`` that records other measurements."""
    shutil.copytree(artifact.path, folder / "claims")
    manifest = json.loads((folder / "claims" / MANIFEST).read_text())
    manifest.update(spec=artifact.spec, measured=values)
    del manifest["digest"], manifest["files"]
    write_manifest(folder / "claims", manifest)
    return Artifact.open(folder / "claims")


class TestIou:
    def test_the_same_masks_pass(self, tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path) -> None:
        artifact = claiming(tiny_artifact("onnx"), tmp_path, measured(1.0))
        gate = iou_gate(artifact, open_dataset(data, artifact), 0.0)
        assert gate.passed
        assert gate.found == 0.0

    def test_lost_points_fail_with_both_figures(
        self, tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cv2.imwrite(str(data / "masks/val/0.png"), np.zeros((24, 32), np.uint8))
        artifact = claiming(tiny_artifact("onnx"), tmp_path, measured(1.0))
        assert main(["check", str(artifact.path), "--data", str(data), "--max-drop", "0.5"]) == 1
        told = capsys.readouterr()
        assert "FAILED  mIoU drop in points: threshold 0.5, found " in told.out
        assert "1 of 1 gates failed. mIoU drop in points: threshold 0.5, found " in told.err
        assert "1.0000 in the artifact, on 3 images of 'val'" in told.err

    def test_a_lower_recorded_figure_passes(self, tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path) -> None:
        artifact = claiming(tiny_artifact("onnx"), tmp_path, measured(0.8))
        assert iou_gate(artifact, open_dataset(data, artifact)).found == pytest.approx(-20)

    @pytest.mark.parametrize(
        "values",
        [
            {},
            measured(1.0, iou_against="masks of torch"),
            measured(1.0, stages=[]),
            measured(1.0, stages={"onnx fp32": {"mean_iou": None}}),
        ],
    )
    def test_without_a_recorded_figure_there_is_nothing_to_compare(
        self, tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path, values: dict[str, Any]
    ) -> None:
        artifact = claiming(tiny_artifact("onnx"), tmp_path, values)
        with pytest.raises(ArtifactError, match="records no mIoU against masks"):
            iou_gate(artifact, open_dataset(data, artifact))

    def test_other_data_is_no_comparison(self, tiny_artifact: ArtifactMaker, tmp_path: Path, data: Path) -> None:
        artifact = claiming(tiny_artifact("onnx"), tmp_path, measured(1.0, images=100))
        with pytest.raises(ArtifactError, match=r"on 100 images of split 'val', but .* has 3"):
            iou_gate(artifact, open_dataset(data, artifact))

    def test_other_classes_are_refused(self, tiny_artifact: ArtifactMaker, data: Path) -> None:
        (data / "classes.txt").write_text("a\nb\nc\n", encoding="utf-8")
        with pytest.raises(DataError, match="a, b, c"):
            open_dataset(data, tiny_artifact("onnx"))


class TestCheck:
    @pytest.mark.parametrize("model_format", ["onnx", "openvino"])
    @pytest.mark.parametrize("color_order", ["bgr", "gray"])
    def test_a_sound_artifact_runs(
        self, tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec, model_format: str, color_order: str
    ) -> None:
        channels = 1 if color_order == "gray" else 3
        spec = tiny_spec.replace(color_order=color_order, mean=(0.5,) * channels, std=(0.25,) * channels)
        assert check_runs(tiny_artifact(model_format, spec)) > 1

    def test_without_gates_it_says_what_holds(
        self, tiny_artifact: ArtifactMaker, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["check", str(tiny_artifact("onnx").path)]) == 0
        assert "digests hold, it runs on CPU" in capsys.readouterr().out

    def test_a_tampered_artifact_never_reaches_an_engine(
        self, tiny_artifact: ArtifactMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shutil.copytree(tiny_artifact("onnx").path, tmp_path / "copy")
        with (tmp_path / "copy/model.onnx").open("ab") as stream:
            stream.write(b"x")
        assert main(["check", str(tmp_path / "copy")]) == 2
        assert "model.onnx was changed" in capsys.readouterr().err

    def test_a_latency_over_its_limit_fails(
        self, tiny_artifact: ArtifactMaker, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["check", str(tiny_artifact("onnx").path), "--max-latency-ms", "0.000001"]) == 1
        assert "median latency in ms: threshold 1e-06, found" in capsys.readouterr().err

    def test_nan_never_passes(self) -> None:
        assert not Gate("mIoU drop in points", 0.5, float("nan"), "").passed
