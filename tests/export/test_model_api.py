"""Intel's Model API opens what is exported with logits alone, and shows the masks that edgeseg shows.

It lives in an environment of its own: it brings another OpenCV, and no user of edgeseg needs it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fitted import SPEC, scene
from installed_fixtures import PIP, make_environment
from lone_logits import LoneLogits
from shared_folder import FillOnce

from edgeseg.artifact import Artifact
from edgeseg.image import UInt8
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.engines.predictor import open_predictor

pytestmark = pytest.mark.long
MODEL_API = "openvino-model-api==0.4.7"

ASK = """
import sys
import cv2, numpy, openvino
from model_api.adapters import OpenvinoAdapter, create_core
from model_api.models import SegmentationModel

xml, out, *pictures = sys.argv[1:]
usual = SegmentationModel.create_model(xml, device="CPU")
assert type(usual) is SegmentationModel
adapter = OpenvinoAdapter(create_core(), xml, device="CPU", plugin_config={"INFERENCE_PRECISION_HINT": "f32"})
exact = SegmentationModel(adapter, preload=True)
found = {"labels": numpy.array(usual.params.labels)}
for number, picture in enumerate(pictures):
    image = cv2.imread(picture)
    for name, model in (("usual", usual), ("exact", exact)):
        result = model(image)
        found[f"{name} mask {number}"], found[f"{name} soft {number}"] = result.resultImage, result.soft_prediction
numpy.savez(out, **found)
"""


@pytest.fixture(scope="session")
def model_api(fill_once: FillOnce) -> Path:
    """A Python that has Model API and the OpenVINO of this environment."""

    def fill(folder: Path) -> None:
        python = make_environment(folder / "venv") / "bin" / "python"
        wanted = [MODEL_API, f"openvino=={version('openvino')}"]
        done = subprocess.run(
            [*PIP, "--python", python, "install", "--quiet", *wanted], capture_output=True, text=True, check=False
        )
        (folder / "said").write_text("" if done.returncode == 0 else (done.stderr.strip() or "pip failed"))

    folder = fill_once("model-api", fill)
    if said := (folder / "said").read_text():
        pytest.skip(f"pip cannot install {MODEL_API} here: {said.splitlines()[-1]}")
    return folder / "venv" / "bin" / "python"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four of the network's size, then four that have to be resized."""
    folder = tmp_path_factory.mktemp("pictures")
    sizes = [(SPEC.height, SPEC.width)] * 4 + [(80, 120), (128, 192), (90, 100), (240, 320)]
    paths = [folder / f"{number}.png" for number in range(len(sizes))]
    for number, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        cv2.imwrite(str(path), scene(50 + number, *size)[0])
    return paths


def ask(python: Path, artifact: Artifact, pictures: list[Path], out: Path) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-c", ASK, artifact.model_path, out, *pictures], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(out))


def logits_of(artifact: Artifact, image: UInt8) -> Any:
    """What the graph itself gives in this process, (H, W, K)."""
    compiled = shared_core().compile_model(artifact.model_path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(image[np.newaxis])["logits"][0].transpose(1, 2, 0)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_model_api_shows_our_masks(
    request: pytest.FixtureRequest,
    lone: LoneLogits,
    model_api: Path,
    pictures: list[Path],
    tmp_path: Path,
    precision: str,
) -> None:
    artifact = lone.openvino if precision == "fp32" else request.getfixturevalue("lone_int8")[1]
    found = ask(model_api, artifact, pictures, tmp_path / "found.npz")
    assert found["labels"].tolist() == list(artifact.spec.classes)
    with open_predictor(artifact) as predict:
        images = [cv2.imread(str(path)) for path in pictures]
        ours = [predict(np.asarray(image, np.uint8)) for image in images]
    for number in range(4):
        assert np.array_equal(found[f"exact mask {number}"], ours[number])
        assert len(np.unique(ours[number])) == artifact.spec.num_classes, "every class is there to be compared"
        assert np.allclose(found[f"exact soft {number}"], logits_of(artifact, images[number]), atol=1e-4)
    differing = [np.mean(found[f"exact mask {number}"] != ours[number]) for number in range(4, 8)]
    assert max(differing) < 0.02, f"its own resize, inside the graph, moves outlines by little: {differing}"
    usual = [np.mean(found[f"usual mask {number}"] != ours[number]) for number in range(4)]
    assert max(usual) < 0.01, f"by default it computes in bfloat16 where the processor can: {usual}"


def test_the_page_runs_as_it_stands(lone_int8: list[Artifact], model_api: Path, tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "without-edgeseg.md"
    (block,) = re.findall(
        r"^```python\n(import cv2\nfrom model_api.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
    )
    shutil.copytree(lone_int8[1].path, tmp_path / "artifacts" / "best-int8-openvino")
    cv2.imwrite(str(tmp_path / "photo.png"), scene(1, 80, 120)[0])
    done = subprocess.run([model_api, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    classes = lone_int8[1].spec.classes
    assert done.stdout == f"(80, 120) (80, 120, {len(classes)}) {list(classes)}\n"


def test_what_has_labels_too_is_refused_by_model_api(lone: LoneLogits, model_api: Path, tmp_path: Path) -> None:
    """Why logits have to be alone; when this fails, Model API has learnt to read more."""
    code = "import sys; from model_api.models import SegmentationModel; SegmentationModel.create_model(sys.argv[1])"
    done = subprocess.run([model_api, "-c", code, lone.usual.model_path], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no model with name" in done.stderr
