"""What the last version wrote is opened, verified, run and reported by this one.

The files are those of ``tests/data/last_version``, with the masks that the last version gave. Masks depend on the
processor: with the instruction set capped to AVX2 the same version differs in 3 pixels of 10000. So masks may differ in
one pixel of a thousand, and scores by as much.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeseg.artifact import Artifact
from edgeseg.calibration.images.load_set import load_set
from edgeseg.cli import main
from edgeseg.errors import ArtifactError
from edgeseg.proof.report.page import render_page
from edgeseg.runtime.measure.baseline import read_baseline
from edgeseg.runtime.sinks.likeness import trait_ranges
from edgeseg.runtime.system.machine import this_cpu

pytestmark = pytest.mark.isa

KEPT = Path(__file__).parents[1] / "data" / "last_version"
ARTIFACTS = ("blobs-int8-openvino", "blobs-sure-int8-onnx")
SHARE_OF_PIXELS = 0.001

Captured = pytest.CaptureFixture[str]


@pytest.fixture(params=ARTIFACTS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Copy an artifact of the last version: nothing may be written into the one that is kept."""
    return Path(shutil.copytree(KEPT / request.param, tmp_path / request.param))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def tell_json(capsys: Captured, *words: object) -> Any:
    """Run a verb that prints JSON."""
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def assert_same_masks(found: Path, expected: Path) -> None:
    names = sorted(path.name for path in expected.iterdir())
    assert sorted(path.name for path in found.iterdir()) == names
    assert len(names) == 2
    for name in names:
        one, other = (cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED) for folder in (found, expected))
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert np.mean(one != other) <= SHARE_OF_PIXELS, name


class TestArtifact:
    def test_it_is_opened_with_every_digest_and_figure(self, kept: Path) -> None:
        artifact, written = Artifact.open(kept), read_json(kept / "edgeseg.json")
        assert artifact.files == written["files"]
        assert artifact.measured == written["measured"]
        assert (artifact.precision, artifact.name, list(artifact.outputs)) == tuple(
            written[key] for key in ("precision", "name", "outputs")
        )
        assert artifact.spec.classes == ("background", "disc", "box")

    def test_a_changed_byte_is_noticed(self, kept: Path) -> None:
        model = Artifact.open(kept).model_path
        model.write_bytes(model.read_bytes().replace(b"blobs", b"blubs", 1) + b" ")
        with pytest.raises(ArtifactError, match=f"{model.name} was changed"):
            Artifact.open(kept)

    def test_it_gives_the_same_masks(self, kept: Path, tmp_path: Path) -> None:
        source, masks = KEPT / "data/images/val", tmp_path / "masks"
        assert main(["run", str(kept), "--source", str(source), "--save-masks", str(masks)]) == 0
        assert_same_masks(masks, KEPT / "masks" / kept.name)

    def test_it_gets_the_same_score(self, kept: Path, capsys: Captured) -> None:
        before = read_json(KEPT / "evaluated" / f"{kept.name}.json")
        now = tell_json(capsys, "evaluate", kept, "--data", KEPT / "data")
        assert set(before) <= set(now)
        for figure in ("mean_iou", "mean_dice", "pixel_accuracy", "iou"):
            assert now[figure] == pytest.approx(before[figure], abs=0.003), figure
        assert (now["images"], now["model_digest"]) == (before["images"], before["model_digest"])

    def test_it_is_inspected(self, kept: Path, capsys: Captured) -> None:
        told, written = tell_json(capsys, "inspect", kept), read_json(kept / "edgeseg.json")
        for key in ("files", "precision", "format", "outputs", "toolchain"):
            assert told[key] == written[key], key

    def test_the_gates_of_check_read_what_was_measured(self, kept: Path, capsys: Captured) -> None:
        told = tell_json(capsys, "check", kept, "--data", KEPT / "data", "--max-drop", "0.5")
        (gate,) = told["gates"]
        assert gate["passed"] is True
        assert gate["found"] == pytest.approx(0, abs=0.3)

    def test_its_report_becomes_a_page(self, kept: Path) -> None:
        report = read_json(kept / "report.json")
        text = render_page(report)
        for name in report["network"]["classes"]:
            assert name in text
        assert text.count("worst class, ") >= 1
        assert report["calibration"]["digest"][:12] in text

    def test_its_report_says_what_pictures_look_like(self, kept: Path) -> None:
        traits = read_json(kept / "report.json")["coverage"]["traits"]
        found = {each.name: (each.low, each.high) for each in trait_ranges(Artifact.open(kept))}
        assert found == {
            trait["name"]: (
                min(trait[kind]["min"] for kind in ("calibration", "reference")),
                max(trait[kind]["max"] for kind in ("calibration", "reference")),
            )
            for trait in traits
        }


class TestCheckpoint:
    def test_it_is_exported_and_gives_the_same_masks(self, tmp_path: Path) -> None:
        shutil.copy(KEPT / "net.pt", tmp_path)
        assert main(["export", str(tmp_path / "net.pt"), "--format", "onnx", "--out", str(tmp_path)]) == 0
        source, masks = KEPT / "data/images/val", tmp_path / "masks"
        artifact = tmp_path / "net-fp32-onnx"
        assert main(["run", str(artifact), "--source", str(source), "--save-masks", str(masks)]) == 0
        assert_same_masks(masks, KEPT / "masks/net")

    def test_it_is_inspected(self, capsys: Captured) -> None:
        told = tell_json(capsys, "inspect", KEPT / "net.pt")
        assert told["spec"]["classes"] == ["background", "disc", "box"]
        assert (told["spec"]["height"], told["spec"]["width"]) == (48, 64)

    def test_training_goes_on_from_it(self, tmp_path: Path) -> None:
        flags = ["--weights", str(KEPT / "net.pt"), "--steps", "1", "--crop", "48", "64", "--out", str(tmp_path)]
        assert main(["train", "--data", str(KEPT / "data"), *flags]) == 0
        result = read_json(tmp_path / "results.json")
        assert result["best"]["miou"] > 0.5, "one step with its weights, none from scratch"


def test_a_set_of_calibration_images_is_the_same_set() -> None:
    spec = Artifact.open(KEPT / "blobs-int8-openvino").spec
    found, written = load_set(KEPT / "set.json", spec), read_json(KEPT / "set.json")
    assert found.digest == written["digest"]
    assert [path.name for path in found.images] == [Path(image["file"]).name for image in written["images"]]


def test_a_latency_baseline_is_read(tmp_path: Path) -> None:
    """It holds for the CPU that it names; here it says that it was this one."""
    artifact, values = Artifact.open(KEPT / "blobs-int8-openvino"), read_json(KEPT / "latency.json")
    (tmp_path / "latency.json").write_text(json.dumps({**values, "cpu": this_cpu().name}), encoding="utf-8")
    assert read_baseline(tmp_path / "latency.json", artifact).ratio == values["latency"]["ratio"]
