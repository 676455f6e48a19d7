"""What INT8 loses and how sure that is, once more by a script that knows nothing of edgeseg."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from house import ROOT

from edgeseg.metrics.blocks import find_blocks
from edgeseg.metrics.bootstrap import expand_level
from edgeseg.proof.budget import Budget
from edgeseg.proof.compare import Comparison, compare
from edgeseg.proof.judges.judge import judge
from edgeseg.proof.samples import samples_from
from edgeseg.proof.stage import Stage
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("sky", "road", "tree"), 32, 32)
SCRIPT = ROOT / "examples" / "drop_with_numpy.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    monkeypatch.delitem(sys.modules, "score_with_numpy", raising=False)
    return runpy.run_path(str(SCRIPT))


def write_data(root: Path, names: list[str]) -> Path:
    """Pictures whose pixels are their own answer, one of four grey levels; 3 is void."""
    random = np.random.default_rng(5)
    for kind in ("images", "masks"):
        (root / kind / "val").mkdir(parents=True)
    for number, name in enumerate(names):
        coarse = random.choice([0, 1, 2, 255], (4, 5)).astype(np.uint8)
        mask = cv2.resize(coarse, (32, 32), interpolation=cv2.INTER_NEAREST)
        if names is NUMBERED:  # a drive towards trees: neighbours are alike
            mask[4 : 4 + number // 2], mask[24:] = 2, 1
        cv2.imwrite(str(root / "masks" / "val" / f"{name}.png"), mask)
        cv2.imwrite(str(root / "images" / "val" / f"{name}.png"), np.stack([mask] * 3, -1))
    (root / "classes.txt").write_text("\n".join(SPEC.classes) + "\n")
    return root


def noisy(share: float) -> Any:
    """A model that is wrong on a share of the pixels, another share in each picture."""

    def predict(image: Any) -> Any:
        random = np.random.default_rng(int(image.sum()))
        labels = np.where(image[..., 0] > 2, 0, image[..., 0]).astype(np.uint8)
        wrong = random.random(labels.shape) < share * random.random()
        return np.where(wrong, (labels + 1) % 3, labels).astype(np.uint8)

    return predict


def compare_two(data: Path) -> Comparison:
    stages = [Stage("fp32", noisy(0.1)), Stage("int8", noisy(0.3))]
    return compare(stages, samples_from(data, SPEC), SPEC)


def count(script: dict[str, Any], data: Path, share: float) -> Any:
    predict = noisy(share)
    pairs = (
        (predict(cv2.imread(str(data / "images" / "val" / path.name))), cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        for path in sorted((data / "masks" / "val").iterdir())
    )
    return script["count"](pairs, 3, 255)


WORDS = [f"{first}{second}" for first in "abcdef" for second in "uvwxyz"]
NUMBERED = [f"street_{number:03}" for number in range(40)]


@pytest.mark.parametrize("names", [WORDS, NUMBERED], ids=["alone", "a drive"])
def test_plain_numpy_repeats_the_loss_and_its_interval(
    names: list[str], tmp_path: Path, script: dict[str, Any]
) -> None:
    data = write_data(tmp_path / "data", names)
    found = compare_two(data)
    ours = next(one for one in judge(found, found.stages[1], Budget()) if one.field == "max_drop")
    blocks = find_blocks(found.reference.images)
    length = 1 if names is WORDS else 3
    assert blocks.count == -(-len(names) // length)
    counted = [count(script, data, share) for share in (0.1, 0.3)]
    wide = expand_level(0.975, blocks.count)
    points, interval = script["drop"](*counted, length, (1 - wide, wide))
    assert points == pytest.approx(ours.points, abs=1e-9)
    assert interval == pytest.approx(ours.interval, abs=1e-9)
    assert interval[0] < points < interval[1]
    _, usual = script["drop"](*counted, length)
    assert interval[0] < usual[0] < usual[1] < interval[1], "a little narrower by the usual percentiles"
    assert usual[1] - usual[0] > 0.8 * (interval[1] - interval[0])


def test_two_artifacts_that_are_one_lose_nothing(
    tmp_path: Path, script: dict[str, Any], tiny_artifact: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = tiny_artifact("onnx", spec=SPEC).path
    script["main"](artifact, artifact, write_data(tmp_path / "data", WORDS[:9]))
    assert capsys.readouterr().out == "0.00 points of mIoU lost, 95 % interval 0.00 to 0.00, 9 images\n"
