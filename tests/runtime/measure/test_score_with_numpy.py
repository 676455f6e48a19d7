"""What ``edgeseg evaluate`` prints, printed again by a script that knows nothing of edgeseg."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import linear_model
import numpy as np
import pytest
from house import ROOT

import edgeseg
from edgeseg.artifact import Artifact
from edgeseg.cli import main
from edgeseg.metrics.boundary_iou import band, band_width
from edgeseg.spec import ModelSpec

SCRIPT = ROOT / "examples" / "score_with_numpy.py"
NORMALISED = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}
SPECS = {
    "stretched": ModelSpec("multiclass", ("sky", "road", "tree"), 48, 64, **NORMALISED),
    "letterboxed": ModelSpec("multiclass", ("sky", "road", "tree"), 64, 64, resize="letterbox", **NORMALISED),
    "unsure": ModelSpec("multiclass", ("sky", "road", "tree"), 48, 64, threshold=0.9, **NORMALISED),
    "unsure-background": ModelSpec("multiclass", ("background", "road"), 48, 64, threshold=0.9, **NORMALISED),
    "one-a-class": ModelSpec("multiclass", ("sky", "road", "tree"), 48, 64, thresholds=(0.5, 0.9, 0), **NORMALISED),
    "binary": ModelSpec("binary", ("background", "cell"), 48, 64, **NORMALISED),
    "binary-unsure": ModelSpec("binary", ("background", "cell"), 48, 64, threshold=0.8, **NORMALISED),
    "grey": ModelSpec("multiclass", ("sky", "road", "tree"), 48, 64, "gray", (0.4,), (0.2,), "letterbox"),
}


def run_alone(*words: str | Path) -> str:
    """Run the script where ``import edgeseg`` fails."""
    blocked = "import runpy, sys; sys.modules['edgeseg'] = None; sys.argv = sys.argv[1:]"
    code = f"{blocked}; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code, SCRIPT, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_data(root: Path, classes: tuple[str, ...]) -> Path:
    """Smooth pictures of three sizes and masks with void; the last class is in few of them."""
    random = np.random.default_rng(3)
    for kind in ("images", "masks"):
        (root / kind / "val").mkdir(parents=True)
    for number, (height, width) in enumerate(((48, 64), (90, 130), (130, 90), (61, 200))):
        coarse = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
        cv2.imwrite(
            str(root / "images" / "val" / f"{number}.png"), cv2.resize(coarse, (width, height), interpolation=2)
        )
        values = random.choice([*range(len(classes)), 255], (6, 9)).astype(np.uint8)
        mask = cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(root / "masks" / "val" / f"{number}.png"), mask)
    (root / "classes.txt").write_text("\n".join(classes) + "\n")
    return root


def printed_by_us(artifact: Artifact, data: Path, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    capsys.readouterr()
    assert main(["evaluate", str(artifact.path), "--data", str(data)]) == 0
    lines = [re.split(r"\s+", line.strip()) for line in capsys.readouterr().out.splitlines()]
    names = {*artifact.spec.classes, "mean"}
    return [line for line in lines if line[0] in names][: len(names)]  # a table by size comes after it


def expect_equal(artifact: Artifact, data: Path, capsys: pytest.CaptureFixture[str], alone: bool = False) -> None:
    """Every printed digit, and every bit behind it."""
    ours, script = printed_by_us(artifact, data, capsys), runpy.run_path(str(SCRIPT))
    if alone:
        said = run_alone(artifact.path, data)
    else:
        script["main"](artifact.path, data)
        said = capsys.readouterr().out
    assert ours == [line.split() for line in said.splitlines()[1:]]
    assert len(ours) == len(artifact.spec.classes) + 1
    found, spec = edgeseg.evaluate(artifact, data), artifact.spec
    pairs = script["run"](artifact.path, spec.to_dict(), data, "val")
    scores = script["score"](pairs, spec.num_classes, spec.ignore_index)
    expected = [found.confusion.iou, found.boundary.iou, found.confusion.dice]
    assert np.array_equal(scores, expected, equal_nan=True)
    assert np.nanmin(scores) < np.nanmax(scores) < 1, "neither all wrong nor all right"


@pytest.mark.parametrize("model_format", ["onnx", "openvino"])
@pytest.mark.parametrize("name", SPECS)
def test_plain_numpy_repeats_every_printed_digit(
    name: str,
    model_format: str,
    tiny_artifact: linear_model.ArtifactMaker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    artifact = tiny_artifact(model_format, spec=SPECS[name])
    expect_equal(artifact, write_data(tmp_path / "data", artifact.spec.classes), capsys, alone=name == "stretched")


def test_a_class_that_never_occurs_is_absent_here_and_there(
    tiny_artifact: linear_model.ArtifactMaker, tmp_path: Path
) -> None:
    script = runpy.run_path(str(SCRIPT))
    nothing = np.zeros((20, 30), np.uint8)
    scores = script["score"]([(nothing, nothing)], 2, None)
    assert np.array_equal(scores, [[1, np.nan]] * 3, equal_nan=True)


@pytest.mark.parametrize("shape", [(37, 53), (40, 40), (120, 90), (12, 300)])
def test_the_published_boundary_is_ours(shape: tuple[int, int]) -> None:
    """The authors' code (bowenc0221/boundary-iou-api) erodes by three by three, d times, from a border of zeros."""
    script = runpy.run_path(str(SCRIPT))
    random = np.random.default_rng(shape[0])
    for _ in range(5):
        labels = cv2.resize(random.integers(0, 4, (7, 9), dtype=np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST)
        ours = band(labels, band_width(shape))
        for k in range(4):
            published = script["boundary"](labels == k)
            assert np.array_equal(ours == k, published)
            assert 0 < published.sum() <= (labels == k).sum()


def test_the_page_shows_the_script() -> None:
    page = (ROOT / "docs" / "without-edgeseg.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    text = SCRIPT.read_text(encoding="utf-8")
    assert text[text.index("def score(") : text.index("def run(")].strip() in [block.strip() for block in blocks]


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_it_repeats_the_score_of_real_pictures(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camvid = data_dir / "camvid"
    net = ROOT / "examples" / "camvid" / "lite-unet.pt"
    artifact = edgeseg.export_model(net, format="openvino", out=tmp_path)
    expect_equal(artifact, camvid, capsys)
