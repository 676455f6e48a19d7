"""``check`` measures exactly the pictures that an export was verified on, by their content."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from fitted import write_dataset

from edgeseg.artifact import MANIFEST, Artifact, write_manifest
from edgeseg.cli import main
from edgeseg.export.build import onnx_artifact
from edgeseg.export.source.source_net import SourceNet
from edgeseg.proof.publishing import ExportResult, OutputOptions
from edgeseg.proof.samples import samples_from

Captured = pytest.CaptureFixture[str]
PICTURES = 24
COMPARED = [0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 23]
"""Sixteen of them, evenly spaced."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("many"), train=2, val=PICTURES)


@pytest.fixture
def changed(many: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(many, tmp_path / "data"))


@pytest.fixture(scope="module")
def artifact(source: SourceNet, many: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    place = OutputOptions(tmp_path_factory.mktemp("out"), "net")
    return onnx_artifact(source, place, None, samples_from(many, source.spec)).artifact


def check(artifact: Artifact, data: Path, capsys: Captured) -> tuple[int, list[dict[str, object]], str]:
    capsys.readouterr()
    code = main(["check", str(artifact.path), "--data", str(data), "--max-drop", "0", "--json"])
    told = capsys.readouterr()
    return code, json.loads(told.out)["gates"] if told.out else [], told.err


def without_digests(artifact: Artifact, folder: Path, **changes: object) -> Artifact:
    """What the last version would have written."""
    shutil.copytree(artifact.path, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["digest"], manifest["files"], manifest["measured"]["pictures"], manifest["measured"]["ignore_index"]
    manifest["measured"].update(changes)
    manifest["spec"] = artifact.spec
    write_manifest(folder, manifest)
    return Artifact.open(folder)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def names_of(split: Path) -> list[Path]:
    return sorted(split.iterdir())


def test_sixteen_of_twenty_four_are_recorded_and_measured_again(artifact: Artifact, many: Path, capsys: Captured):
    lines = artifact.measured["pictures"]
    images, masks = names_of(many / "images/val"), names_of(many / "masks/val")
    assert lines == [
        " ".join(
            [*(hashlib.sha256(one.read_bytes()).hexdigest()[:16] for one in (images[at], masks[at])), images[at].name]
        )
        for at in COMPARED
    ]
    code, (gate,), _ = check(artifact, many, capsys)
    assert (code, gate["found"]) == (0, 0.0)
    assert "on 16 images of 'val'" in str(gate["sentence"])


def test_pictures_that_nobody_measured_change_nothing(artifact: Artifact, changed: Path, capsys: Captured):
    spare = names_of(changed / "images/val")[1]
    spare.unlink()
    extra = changed / "images/val/9999.png"
    shutil.copy(names_of(changed / "images/val")[0], extra)
    cv2.imwrite(str(changed / "masks/val/9999.png"), np.full((80, 120), 2, np.uint8))
    assert check(artifact, changed, capsys)[1][0]["found"] == 0.0


def test_a_picture_is_found_under_another_name_and_split(artifact: Artifact, changed: Path, capsys: Captured):
    for kind in ("images", "masks"):
        first = names_of(changed / kind / "val")[0]
        first.rename(changed / kind / "train" / "moved.png")
    assert check(artifact, changed, capsys)[1][0]["found"] == 0.0


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda image, mask: image.write_bytes(image.read_bytes() + b" "), "1000.png was changed"),
        (lambda image, mask: cv2.imwrite(str(mask), np.zeros((80, 120), np.uint8)), "the mask of 1000.png was changed"),
        (lambda image, mask: image.unlink(), "1000.png is missing"),
    ],
)
def test_what_is_missing_or_changed_is_named(artifact: Artifact, changed: Path, capsys: Captured, harm, told):
    harm(changed / "images/val/1000.png", changed / "masks/val/1000.png")
    code, _, error = check(artifact, changed, capsys)
    assert code == 2
    assert "was verified on 16 pictures of split 'val', and 1 of them are not in" in error
    assert told in error
    assert "edgeseg evaluate" in error


def test_the_ignored_value_is_the_one_of_the_proof(source: SourceNet, changed: Path, tmp_path: Path, capsys: Captured):
    for mask in names_of(changed / "masks/val"):
        labels = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
        labels[:8] = 9
        cv2.imwrite(str(mask), labels)
    samples = samples_from(changed, source.spec, ignore_index=9)
    made = onnx_artifact(source, OutputOptions(tmp_path / "out", "net"), None, samples).artifact
    assert made.measured["ignore_index"] == 9
    assert check(made, changed, capsys)[1][0]["found"] == 0.0


def test_int8_records_all_that_proved_it(
    built: tuple[ExportResult, ExportResult, ExportResult], data: Path, capsys: Captured
):
    int8 = built[2].artifact
    assert len(int8.measured["pictures"]) == int8.measured["images"]
    assert check(int8, data, capsys)[1][0]["found"] == 0.0


class TestBeforeDigests:
    """Artifacts of the last version say how many pictures, and not which."""

    def test_a_float_artifact_means_sixteen_evenly_spaced(
        self, artifact: Artifact, many: Path, tmp_path: Path, capsys: Captured
    ):
        old = without_digests(artifact, tmp_path / "old")
        code, (gate,), _ = check(old, many, capsys)
        assert (code, gate["found"]) == (0, 0.0)

    def test_other_numbers_are_refused(self, artifact: Artifact, many: Path, tmp_path: Path, capsys: Captured):
        old = without_digests(artifact, tmp_path / "old", images=20)
        code, _, error = check(old, many, capsys)
        assert code == 2
        assert "was verified on 20 images of split 'val', but" in error
        assert "has 24, and an artifact of this age does not say which" in error
