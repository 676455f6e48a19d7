"""The plugin as its users have it: in test files of their own, run by pytest."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import yaml
from linear_model import ArtifactMaker, reference

from edgeseg.ci.asserts import Asserting
from edgeseg.cli import build_parser
from edgeseg.errors import DataError, UserError
from edgeseg.image import fit
from edgeseg.spec import ModelSpec

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
TESTS = """
def test_iou(assert_iou):
    assert_iou(min={least})

def test_masks(assert_masks_match):
    assert_masks_match("golden", min_agreement=0.99)
"""


@pytest.fixture
def _kept() -> Iterator[dict[str, ModuleType]]:
    kept: dict[str, ModuleType] = {}
    yield kept
    sys.modules.update(kept)


@pytest.fixture
def project(_kept: dict[str, ModuleType], pytester: pytest.Pytester) -> Iterator[pytest.Pytester]:
    """A folder of tests of its own; modules that are imported meanwhile stay, as engines do not load twice."""
    yield pytester
    _kept.update(sys.modules)


@pytest.fixture
def pictures(tmp_path: Path, tiny_spec: ModelSpec) -> Path:
    """Images of the network's size whose masks are its own labels."""
    root = tmp_path / "data"
    for folder in ("images/val", "masks/val"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(tiny_spec.classes), encoding="utf-8")
    for seed in range(3):
        shape = (tiny_spec.height, tiny_spec.width, 3)
        image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        cv2.imwrite(str(root / f"images/val/{seed}.png"), image)
        cv2.imwrite(str(root / f"masks/val/{seed}.png"), reference(fit(image, tiny_spec), tiny_spec)[0])
    return root


@pytest.fixture
def words(tiny_artifact: ArtifactMaker, pictures: Path) -> list[str]:
    artifact = tiny_artifact("onnx").path
    return ["-p", "no:cacheprovider", f"--edgeseg-artifact={artifact}", f"--edgeseg-data={pictures}"]


def test_pytest_finds_it_by_itself() -> None:
    (found,) = importlib.metadata.entry_points(group="pytest11", name="edgeseg")
    assert found.value == "edgeseg.ci.pytest_plugin"


def test_what_is_kept_is_held(project: pytest.Pytester, words: list[str]) -> None:
    project.makepyfile(TESTS.format(least=0.9))
    project.runpytest_subprocess(*words).assert_outcomes(passed=1, failed=1)  # nothing is kept yet
    project.runpytest_subprocess(*words, "--edgeseg-update").assert_outcomes(passed=2)
    project.runpytest_subprocess(*words).assert_outcomes(passed=2)


def test_a_mask_that_differs_leaves_its_picture_and_a_page(project: pytest.Pytester, words: list[str]) -> None:
    project.makepyfile(TESTS.format(least=1.1))
    project.runpytest_subprocess(*words, "--edgeseg-update")
    golden = project.path / "golden" / "1.png"
    mask = cv2.imread(str(golden), cv2.IMREAD_UNCHANGED)
    mask[:6] = (mask[:6] + 1) % 3
    cv2.imwrite(str(golden), mask)
    result = project.runpytest_subprocess(*words, "--edgeseg-report")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*1 of 3 masks differ*more than 1 % of their pixels, at worst 1.png in 25.00 %*"])
    result.stdout.fnmatch_lines(["*IoU of mIoU is 1.0000 on 3 images of 'val'; 1.1 is asserted.*"])
    picture = cv2.imread(str(project.path / "edgeseg-diffs" / "tiny-fp32-onnx-1.png"))
    assert picture is not None
    page = (project.path / "edgeseg-report.html").read_text(encoding="utf-8")
    assert "2 gates, 2 failed" in page
    assert "data:image/png;base64," in page


def test_the_ini_file_may_say_what_options_do(
    project: pytest.Pytester, tiny_artifact: ArtifactMaker, pictures: Path
) -> None:
    project.makeini(f"[pytest]\nedgeseg_artifact = {tiny_artifact('onnx').path}\nedgeseg_data = {pictures}\n")
    project.makepyfile(
        "def test_it(edgeseg_artifact, edgeseg_data, assert_iou):\n"
        "    assert edgeseg_artifact.format == 'onnx' and edgeseg_data.is_dir()\n"
        "    assert_iou(min={'road': 0.5, 'mIoU': 0.5})\n"
    )
    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "*Which artifact?*--edgeseg-artifact*"),
        (["--edgeseg-artifact=nowhere"], "*nowhere*"),
        (["ARTIFACT"], "*give --edgeseg-data, a data folder*"),
        (["ARTIFACT", "--edgeseg-data=nowhere"], "*nowhere*"),
    ],
)
def test_what_is_missing_is_said(
    project: pytest.Pytester, tiny_artifact: ArtifactMaker, given: list[str], said: str
) -> None:
    project.makepyfile("def test_it(assert_iou):\n    assert_iou(min=0.5)\n")
    artifact = f"--edgeseg-artifact={tiny_artifact('onnx').path}"
    result = project.runpytest_subprocess(
        "-p", "no:cacheprovider", *(artifact if word == "ARTIFACT" else word for word in given)
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines([said])


@pytest.mark.alone
def test_latency_is_held_against_what_was_saved(
    project: pytest.Pytester, words: list[str], tiny_artifact: ArtifactMaker
) -> None:
    project.makepyfile(
        "def test_it(assert_latency):\n    assert_latency(max_ratio=3)\n"
        "def test_ms(assert_latency):\n    assert_latency(max_ratio=3, max_ms=1e-9)\n"
    )
    saved = "--edgeseg-baseline=latency.json"
    project.runpytest_subprocess(*words, "-k", "test_it").assert_outcomes(failed=1)
    project.runpytest_subprocess(*words, "-k", "test_it", saved, "--edgeseg-update").assert_outcomes(passed=1)
    assert json.loads((project.path / "latency.json").read_text())["edgeseg_baseline"] == 2
    project.runpytest_subprocess(*words, saved).assert_outcomes(passed=1, failed=1)
    before = f"--edgeseg-baseline={tiny_artifact('onnx').path}"
    project.runpytest_subprocess(*words, "-k", "test_it", before).assert_outcomes(passed=1)


@pytest.mark.alone
def test_a_machine_too_noisy_to_tell_skips(
    project: pytest.Pytester, words: list[str], tiny_artifact: ArtifactMaker
) -> None:
    project.makeconftest(
        "from edgeseg.runtime.measure import slowdown\n"
        "from edgeseg.runtime.measure.latency_gate import LatencyRatio\n"
        "slowdown.latency_ratio = lambda *_: LatencyRatio(1.0, 0.5, 2.0, None, 1.0, 1.0, 90)\n"
    )
    project.makepyfile("def test_it(assert_latency):\n    assert_latency()\n")
    result = project.runpytest_subprocess(*words, "-rs", f"--edgeseg-baseline={tiny_artifact('onnx').path}")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*cannot tell:*too noisy to tell*"])


def test_workers_of_xdist_hand_on_what_they_recorded(project: pytest.Pytester, words: list[str]) -> None:
    project.makepyfile(
        "def test_a(assert_iou):\n    assert_iou(min=0.5)\ndef test_b(assert_iou):\n    assert_iou(min=2)\n"
    )
    project.runpytest_subprocess(*words, "-n", "2", "--edgeseg-report", "out.html").assert_outcomes(passed=1, failed=1)
    assert "2 gates, 1 failed" in (project.path / "out.html").read_text(encoding="utf-8")


class TestFromPython:
    def test_masks_of_other_pictures_are_refused(
        self, tiny_artifact: ArtifactMaker, pictures: Path, tmp_path: Path
    ) -> None:
        hold = Asserting(tiny_artifact("onnx"), pictures, diffs=tmp_path / "diffs")
        Asserting(tiny_artifact("onnx"), pictures, is_update=True).assert_masks_match(tmp_path / "golden")
        hold.assert_masks_match(tmp_path / "golden")
        (tmp_path / "golden" / "9.png").write_bytes((tmp_path / "golden" / "0.png").read_bytes())
        with pytest.raises(DataError, match="keeps a mask of 9, which is not among the 3 pictures"):
            hold.assert_masks_match(tmp_path / "golden")
        (tmp_path / "golden" / "9.png").unlink()
        (tmp_path / "golden" / "0.png").write_bytes(b"no picture")
        with pytest.raises(DataError, match=r"0\.png is no mask of labels"):
            hold.assert_masks_match(tmp_path / "golden")
        (tmp_path / "golden" / "0.png").unlink()
        with pytest.raises(DataError, match=r"no mask of 0 \(1 of 3 are missing\).*`is_update=True`"):
            hold.assert_masks_match(tmp_path / "golden")

    def test_a_floor_of_no_class_is_refused(self, tiny_artifact: ArtifactMaker, pictures: Path) -> None:
        with pytest.raises(UserError, match="`min` names car; the classes are sky, road, tree"):
            Asserting(tiny_artifact("onnx"), pictures).assert_iou(min={"car": 0.5})


def test_the_example_is_what_the_page_shows_and_runs(
    project: pytest.Pytester, words: list[str], tiny_artifact: ArtifactMaker
) -> None:
    """Without the budget, which an artifact that nobody proved does not have, and the latency, which is above."""
    text = (ROOT / "examples" / "ci" / "tests" / "test_segmentation.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    shown = page.partition("```python\n")[2].partition("```")[0]
    assert text.partition('"""\n')[2].strip() == shown.strip()
    project.makepyfile(text.replace('"cell": 0.9}, max_drop=0.5', '"road": 0.9}'))
    few = ["-k", "not fast"]
    project.runpytest_subprocess(*words, *few, "--edgeseg-update").assert_outcomes(passed=2, deselected=1)
    project.runpytest_subprocess(*words, *few).assert_outcomes(passed=2, deselected=1)


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_workflow_files_name_flags_that_are_there(name: str) -> None:
    text = (ROOT / "examples" / "ci" / name).read_text(encoding="utf-8")
    (command,) = re.findall(r"(edgeseg check .*)", text)
    args = build_parser("check").parse_args(shlex.split(command)[1:])
    assert args.junit == Path("check.xml")
    assert yaml.safe_load(text)
